"""From the exchange's frames to market data and the books they make. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from services.exchange.frames import (
    BadFrame,
    Connected,
    DeltaFrame,
    Disconnected,
    ErrorFrame,
    Frame,
    GapFrame,
    SnapshotFrame,
    TradeFrame,
)
from trading_logic.contracts.messages import (
    BookDelta,
    BookSnapshot,
    BookState,
    FeedState,
    MarketData,
    TopOfBook,
    TradePrint,
)
from trading_logic.feed import EventFeed, MarketFeed

BOOKS: Final = "orderbook_delta"
TRADES: Final = "trade"
_OURS: Final = (Connected, Disconnected)  # notes of the client, not frames of the exchange

TopKey = tuple[str, int, int, int, int]


class Desk:
    """The books of one event as ingest has them, what changed since they were last published, and counts."""

    def __init__(self, markets: Iterable[str]) -> None:
        self.feed = EventFeed(markets)
        self.frames = 0
        self.gaps = 0
        self.connections = 0
        self.up = False
        self.down_reason = ""
        self.key_refused = False
        self.problems: list[tuple[str, str]] = []
        """(kind, text) of frames that could not be used; the caller takes them away."""
        self._dirty: set[str] = set(self.feed.markets)  # books that differ from their published state
        self._shown: dict[str, TopKey] = {}

    def add(self, market: str) -> None:
        """Follow one more market."""
        if market not in self.feed.markets:
            self.feed.markets[market] = MarketFeed(market)
            self._dirty.add(market)

    def take(self, frames: Sequence[Frame]) -> list[MarketData]:
        """Apply frames to the books; the market data to publish, in the same order."""
        found: list[MarketData] = []
        apply, dirty = self.feed.apply, self._dirty
        for frame in frames:
            message: MarketData
            if isinstance(frame, DeltaFrame):
                message = BookDelta(
                    frame.session, frame.sid, frame.seq, frame.market, frame.side, frame.price, frame.delta,
                    frame.received_ms,
                )  # fmt: skip
            elif isinstance(frame, TradeFrame):
                self.frames += 1
                found.append(_trade(frame))
                continue
            elif isinstance(frame, SnapshotFrame):
                message = BookSnapshot(
                    frame.session, frame.sid, frame.seq, frame.market, tuple(frame.yes), tuple(frame.no),
                    frame.received_ms,
                )  # fmt: skip
            else:
                state = self._other(frame)
                if state is None:
                    continue
                message = state
            if not isinstance(message, FeedState):
                self.frames += 1
            dirty.update(apply(message))
            found.append(message)
        return found

    def _other(self, frame: Frame) -> FeedState | None:
        """Notes about the feed; frames that carry no market data are only counted."""
        if not isinstance(frame, (*_OURS, GapFrame)):
            self.frames += 1
        if isinstance(frame, Connected):
            self.up = True
            self.connections += 1
        elif isinstance(frame, Disconnected):
            self.down_reason, self.key_refused = frame.reason, frame.key_refused
            was_up, self.up = self.up, False
            if was_up:
                return self.block(frame.session, frame.reason, frame.received_ms)
        elif isinstance(frame, GapFrame):
            self.gaps += 1
            if frame.channel == BOOKS:
                reason = f"expected frame {frame.expected} of subscription {frame.sid}, got {frame.got}"
                return FeedState(frame.session, frame.markets, "gap", reason, frame.received_ms)
        elif isinstance(frame, BadFrame):
            self.problems.append(("bad-frame", frame.error))
        elif isinstance(frame, ErrorFrame):
            self.problems.append(("exchange-error", f"{frame.code}: {frame.message} {frame.market or ''}".rstrip()))
        return None

    def block(self, session: str, reason: str, now_ms: int) -> FeedState:
        """A note that the connection is gone and no market's book is to be trusted."""
        return FeedState(session, tuple(self.feed.markets), "down", reason, now_ms)

    def snapshots(self, now_ms: int) -> list[MarketData]:
        """The books in full, for readers who may have missed something; a book that cannot be trusted as a gap."""
        found: list[MarketData] = []
        for market, feed in self.feed.markets.items():
            book = feed.book
            if book.status in {"empty", "gap"}:
                found.append(FeedState(feed.session, (market,), "gap", book.reason, now_ms))
                continue
            found.append(
                BookSnapshot(
                    feed.session, feed.sid, feed.seq, market, book.levels("yes"), book.levels("no"), feed.received_ms
                )
            )
            if book.status == "stale":
                found.append(FeedState(feed.session, (market,), "down", book.reason, now_ms))
        return found

    def tops(self, alive_ms: int, *, every: bool) -> list[TopOfBook]:
        """Tops that changed since they were last taken, or all."""
        found = []
        for market, feed in self.feed.markets.items():
            if not every and market not in self._dirty:
                continue
            book = feed.book
            key = (book.status, book.yes_bid or 0, book.yes_bid_size, book.no_bid or 0, book.no_bid_size)
            if every or key != self._shown.get(market):
                self._shown[market] = key
                found.append(feed.top(alive_ms))
        return found

    def states(self, stream_id: str, *, every: bool) -> list[BookState]:
        """Books that changed since they were last taken, or all, as they are after the entry `stream_id`."""
        wanted = list(self.feed.markets) if every else sorted(self._dirty)
        self._dirty.clear()
        return [self.feed.markets[market].state(stream_id) for market in wanted]


def _trade(frame: TradeFrame) -> TradePrint:
    return TradePrint(
        session=frame.session,
        sid=frame.sid,
        seq=frame.seq or 0,  # the exchange does not number trades everywhere; nothing relies on it
        market=frame.market,
        trade_id=frame.trade_id,
        yes_price=frame.yes_price,
        count=frame.count,
        taker=frame.taker_outcome_side,
        received_ms=frame.received_ms,
    )
