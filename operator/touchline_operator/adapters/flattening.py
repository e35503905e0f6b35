"""The record's flatten request, and one reading of what it is about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from touchline_operator.adapters.redis import AWAY, RedisRiskFeed, done
from touchline_operator.api.strategy import event_of
from touchline_operator.decide.flatten import Scene
from touchline_operator.ports import Clock, RecordUnreachableError
from trading_logic.contracts import codec, topics
from trading_logic.contracts.messages import BookState, CatalogEntry, TopOfBook


class FlattenDesk:
    """Asks the executors of one policy to sell, and looks how far they are. Raises RecordUnreachableError."""

    def __init__(self, feed: RedisRiskFeed, clock: Clock, namespace: str, market_feed: str, policy: str) -> None:
        self._feed, self._clock, self._policy = feed, clock, policy
        self._record = topics.RecordTopics(namespace, policy)
        self._market = topics.MarketDataTopics(namespace, market_feed)
        self._top, self._book = codec.Reader(TopOfBook), codec.Reader(BookState)
        self._entry = codec.Reader(CatalogEntry)

    async def look(self) -> Scene:
        """Positions, who could sell them, and what their books would pay."""
        facts = await self._feed.facts(self._policy)
        try:
            plans = {
                strategy: frozenset(
                    market.decode() for market in await done(self._feed.record.hkeys(self._record.exit_plans(strategy)))
                )
                for strategy in {position.strategy for position in facts.positions if position.strategy}
            }
            tops: dict[str, TopOfBook] = {}
            books: dict[str, BookState] = {}
            catalog: dict[str, CatalogEntry] = {}
            for event in {event_of(position.market) for position in facts.positions if position.count}:
                pipe: Any = self._feed.bus.pipeline(transaction=False)
                pipe.hgetall(self._market.tops(event))
                pipe.hgetall(self._market.book(event))
                pipe.get(self._market.catalog(event))
                found_tops, found_books, entry = await pipe.execute()
                tops |= {top.market: top for top in map(self._top.one, found_tops.values())}
                books |= {book.market: book for book in map(self._book.one, found_books.values())}
                if entry is not None:
                    found = self._entry.one(entry)
                    catalog |= {info.market: found for info in found.markets}
        except AWAY as error:
            raise RecordUnreachableError(f"Redis: {error}") from error
        except codec.CodecError as error:
            raise RecordUnreachableError(f"Redis holds something unreadable: {error}") from error
        return Scene(
            positions=facts.positions,
            causes=facts.causes,
            writers=facts.writers,
            open_orders=facts.open_orders,
            plans=plans,
            tops=tops,
            books=books,
            catalog=catalog,
            now_ms=self._clock.wall_ms(),
        )

    async def ask(self, strategies: Sequence[str], until_ms: int) -> None:
        """Executors sell what these strategies hold, and the gate refuses their entries, until `until_ms`."""
        try:
            await done(self._feed.record.hset(self._record.flatten(), mapping=dict.fromkeys(strategies, until_ms)))
        except AWAY as error:
            raise RecordUnreachableError(f"record Redis: {error}") from error

    async def withdraw(self, strategies: Sequence[str]) -> None:
        """Nobody asks any more."""
        try:
            await done(self._feed.record.hdel(self._record.flatten(), *strategies))
        except AWAY as error:
            raise RecordUnreachableError(f"record Redis: {error}") from error
