"""What `up` shows: one reading of both Redis, typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from touchline_operator.adapters.redis import AWAY, RedisRiskFeed, done
from touchline_operator.desired.world import PolicyFacts
from touchline_operator.ports import RecordUnreachableError
from trading_logic.contracts import codec, topics
from trading_logic.contracts.messages import CatalogEntry, Decision, GameState, Report, TopOfBook

DECISIONS_READ = 1000
TRADES_KEPT = 300


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look at: the feed's events with their shared sources, strategies by policy."""

    namespace: str
    feeds: Mapping[str, str]  # event -> feed
    sources: Sequence[str]
    strategies: Mapping[str, str]  # strategy -> policy


@dataclass
class View:
    """One reading. What is not there yet is absent."""

    reports: dict[str, Report] = field(default_factory=dict)
    facts: dict[str, PolicyFacts] = field(default_factory=dict)
    counts: dict[str, dict[str, int]] = field(default_factory=dict)  # policy -> name -> n
    booked: dict[str, int] = field(default_factory=dict)  # policy -> booked fills
    open_orders: dict[str, int] = field(default_factory=dict)
    catalog: dict[str, CatalogEntry] = field(default_factory=dict)  # by event
    games: dict[str, GameState] = field(default_factory=dict)  # by milestone
    tops: dict[str, TopOfBook] = field(default_factory=dict)  # by market
    decisions: dict[tuple[str, str], Decision] = field(default_factory=dict)  # (strategy, market) -> last
    trades: dict[str, Decision] = field(default_factory=dict)  # intent -> the decision that made it, the newest
    refused: dict[str, Decision] = field(default_factory=dict)  # <strategy>/<event>/<rule> -> last refusal by it
    first_decision_ms: dict[str, int] = field(default_factory=dict)  # strategy -> wall time of its first decision


class ViewReader:
    """Reads views. Raises RecordUnreachableError when either Redis is away or holds what cannot be read."""

    def __init__(self, feed: RedisRiskFeed) -> None:
        self._feed = feed
        self._catalog = codec.Reader(CatalogEntry)
        self._game = codec.Reader(GameState)
        self._top = codec.Reader(TopOfBook)
        self._decision = codec.Reader(Decision)
        self._first: dict[str, int] = {}
        self._seen: dict[str, str] = {}
        self._last: dict[tuple[str, str], Decision] = {}
        self._trades: dict[str, Decision] = {}
        self._refused: dict[str, Decision] = {}

    async def read(self, wanted: Wanted) -> View:
        try:
            return await self._read(wanted)
        except AWAY as error:
            raise RecordUnreachableError(f"Redis: {error}") from error
        except (codec.CodecError, ValueError) as error:
            raise RecordUnreachableError(f"Redis holds something unreadable: {error}") from error

    async def _read(self, wanted: Wanted) -> View:
        view = View(reports=await self._feed.reports(), first_decision_ms=self._first)
        for policy in dict.fromkeys(wanted.strategies.values()):
            view.facts[policy] = await self._feed.facts(policy)
            await self._policy(view, topics.RecordTopics(wanted.namespace, policy), policy)
        await self._events(view, wanted)
        for strategy, policy in wanted.strategies.items():
            await self._decisions(view, topics.RecordTopics(wanted.namespace, policy), strategy)
        return view

    async def _policy(self, view: View, names: topics.RecordTopics, policy: str) -> None:
        pipe: Any = self._feed.record.pipeline(transaction=False)
        pipe.hgetall(names.counts())
        pipe.hlen(names.booked())
        pipe.scard(names.open_orders())
        counts, view.booked[policy], view.open_orders[policy] = await pipe.execute()
        view.counts[policy] = {key.decode(): int(value) for key, value in counts.items()}

    async def _events(self, view: View, wanted: Wanted) -> None:
        for event, feed in wanted.feeds.items():
            names = topics.MarketDataTopics(wanted.namespace, feed)
            pipe: Any = self._feed.bus.pipeline(transaction=False)
            pipe.get(names.catalog(event))
            pipe.hgetall(names.tops(event))
            entry, tops = await pipe.execute()
            for top in map(self._top.one, tops.values()):
                view.tops[top.market] = top
            if entry is None:
                continue
            found = self._catalog.one(entry)
            view.catalog[event] = found
            for source in wanted.sources:
                state = await done(self._feed.bus.get(names.source_state(source, found.game)))
                if state is not None:
                    view.games[found.game] = self._game.one(state)
                    break

    async def _decisions(self, view: View, names: topics.RecordTopics, strategy: str) -> None:
        begin = self._seen.get(strategy, "-")
        for entry_id, fields in await done(
            self._feed.bus.xrange(names.decisions(strategy), begin, count=DECISIONS_READ)
        ):
            text = entry_id.decode()
            self._seen[strategy] = f"({text}"
            self._first.setdefault(strategy, int(text.partition("-")[0]))
            for decision in self._decision.batch(fields[codec.FIELD]):
                self._last[strategy, decision.market] = decision
                if decision.rule:
                    key = f"{strategy}/{decision.event}/{decision.rule}"
                    self._refused[key] = msgspec.structs.replace(decision, explanation=None)
                if decision.explanation is not None and decision.explanation.intent_id:
                    self._trades[decision.explanation.intent_id] = decision
        for intent in list(self._trades)[: max(0, len(self._trades) - TRADES_KEPT)]:
            del self._trades[intent]
        view.decisions, view.trades, view.refused = self._last, self._trades, self._refused
