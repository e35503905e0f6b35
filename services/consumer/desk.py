"""What the consumer knows of its event, and the signals that follow from each change. Pure.

Entries of the market data stream are applied once: each market has a floor, the entry that its restored book already
includes, and nothing at or below it moves the book again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal

import msgspec

from services.consumer.games import degraded
from trading_logic.contracts.messages import (
    BookDelta,
    BookSnapshot,
    BookState,
    CatalogEntry,
    FeedState,
    GameState,
    MarketData,
    MarketInfo,
    Signal,
    TradePrint,
)
from trading_logic.feed import EventFeed, MarketFeed
from trading_logic.models.outlook import prior_home, prior_total
from trading_logic.orders import signal_id

DEPTH_LEVELS: Final = 5
EntryId = tuple[int, int]
Cause = Literal["book", "game", "feed"]
TopKey = tuple[str, int, int, int, int]
ZERO: Final[EntryId] = (0, 0)


def entry_id(text: str) -> EntryId:
    """A stream entry id in its own order. Raises ValueError."""
    head, _, tail = text.partition("-")
    return int(head), int(tail)


class Desk:
    """Books, game and catalog of one event."""

    def __init__(self, event: str) -> None:
        self.event = event
        self.feed = EventFeed(())
        self.catalog: CatalogEntry | None = None
        self.game: GameState | None = None
        self.applied: EntryId = ZERO
        """The newest entry that was applied, or that a restored book includes."""
        self.alive_ms = 0
        self._degraded = False
        self._prior: int | None = None
        self._prior_total: int | None = None
        self._infos: dict[str, MarketInfo] = {}
        self._floors: dict[str, EntryId] = {}
        self._floor: EntryId = ZERO  # highest of them: past it no market needs a look at its own
        self._sent: dict[str, TopKey] = {}
        self._touched: dict[str, tuple[int, Cause]] = {}

    # ------------------------------------------------------------------------------------------ what comes in

    def set_catalog(self, entry: CatalogEntry) -> None:
        """Know the event's markets; those known before keep their books."""
        self.catalog = entry
        self._infos = {info.market: info for info in entry.markets}
        self._prior, self._prior_total = prior_home(entry), prior_total(entry)
        for market in self._infos:
            if market not in self.feed.markets:
                self.feed.markets[market] = MarketFeed(market)

    def restore(self, states: Iterable[BookState]) -> EntryId:
        """Take ingest's snapshots in place of what was known; where the stream must be read from to complete them.

        A market without a snapshot starts empty, at the beginning of the stream.
        """
        found = {state.market: state for state in states}
        self._floors = {}
        for market, feed in self.feed.markets.items():
            state = found.get(market)
            if state is None:
                self.feed.markets[market] = MarketFeed(market)
                self._floors[market] = ZERO
            else:
                feed.restore(state)
                self._floors[market] = entry_id(state.stream_id)
        self._floor = max(self._floors.values(), default=ZERO)
        self._touched.clear()
        self.applied = min(self._floors.values(), default=ZERO)
        return self.applied

    def apply(self, at: EntryId, messages: Sequence[MarketData]) -> None:
        """Apply one stream entry. Markets whose book already includes it are left alone."""
        self.applied = max(self.applied, at)
        checked = at <= self._floor
        for message in messages:
            if isinstance(message, TradePrint):
                continue
            unseen = self._unseen(at, message) if checked else message
            if unseen is None:
                continue
            cause: Cause = "feed" if isinstance(unseen, FeedState) else "book"
            for market in self.feed.apply(unseen):
                before = self._touched.get(market)
                if before is None:
                    self._touched[market] = (message.received_ms, cause)
                elif cause == "feed":
                    self._touched[market] = (before[0], cause)

    def _unseen(self, at: EntryId, message: BookSnapshot | BookDelta | FeedState) -> MarketData | None:
        """The message without the markets whose books include entry `at`; None when nothing is left of it."""
        if isinstance(message, FeedState):
            left = tuple(m for m in message.markets if at > self._floors.get(m, ZERO))
            return msgspec.structs.replace(message, markets=left) if left else None
        return message if at > self._floors.get(message.market, ZERO) else None

    def set_game(self, game: GameState | None, now_ms: int) -> bool:
        """Know the game's state; whether anything but its time has changed."""
        late = game is not None and degraded(game, now_ms)
        changed = late != self._degraded or _content(game) != _content(self.game)
        self.game, self._degraded = game, late
        return changed

    # ------------------------------------------------------------------------------------------ what goes out

    def take(self) -> list[Signal]:
        """One signal per market whose top or status changed since the last call; the touched ones are forgotten."""
        signals: list[Signal] = []
        for market, (received_ms, cause) in self._touched.items():
            key = self._key(market)
            if key == self._sent.get(market) and cause == "book":
                continue
            signals.append(self._signal(market, cause, received_ms))
        self._touched.clear()
        return signals

    def everything(self, cause: Cause) -> list[Signal]:
        """One signal per market of the catalog as it stands; of its book only once anything was heard of it."""
        at = self.game.received_ms if cause == "game" and self.game else 0
        return [
            self._signal(market, cause, at or feed.received_ms)
            for market, feed in self.feed.markets.items()
            if market in self._infos and (at or feed.received_ms)
        ]

    def blind(self) -> list[str]:
        """Markets without a usable book: never seen, or missing frames."""
        return [market for market, feed in self.feed.markets.items() if feed.book.status in {"empty", "gap"}]

    def _key(self, market: str) -> TopKey:
        book = self.feed.markets[market].book
        return (book.status, book.yes_bid or 0, book.yes_bid_size, book.no_bid or 0, book.no_bid_size)

    def _signal(self, market: str, cause: Cause, received_ms: int) -> Signal:
        feed = self.feed.markets[market]
        self._sent[market] = self._key(market)
        top = feed.top(self.alive_ms)
        # What the frame number does not say is put to the market: the same frame can matter for several reasons.
        about = market
        if cause == "game":
            about += f" {_content(self.game)!r}"
        elif cause == "feed":
            about += f" {top.status} {received_ms}"
        made = signal_id(top.session, top.sid, top.seq, about)
        return Signal(
            id=made,
            event=self.event,
            market=market,
            outcome=self._infos[market].outcome,
            cause=cause,
            top=top,
            yes_bid_depth=feed.book.depth("yes", DEPTH_LEVELS),
            yes_ask_depth=feed.book.depth("no", DEPTH_LEVELS),
            game=self.game,
            game_degraded=self._degraded,
            prior_home_ppm=self._prior,
            received_ms=received_ms,
            trace=f"00-{made}-{made[:16]}-01",
            prior_total=self._prior_total,
        )


def _content(game: GameState | None) -> GameState | None:
    return None if game is None else msgspec.structs.replace(game, received_ms=0)
