"""The markets of one event as market data moves them: what ingest publishes and what the consumer rebuilds.

One definition for both, so that a book made from the stream is the book that ingest has.
"""

from __future__ import annotations

from collections.abc import Iterable

from trading_logic.book import OrderBook
from trading_logic.contracts.messages import (
    BookDelta,
    BookSnapshot,
    BookState,
    FeedState,
    MarketData,
    TopOfBook,
)
from trading_logic.money import DOLLAR_PRICE


class MarketFeed:
    """One market's book and the frame that moved it last."""

    __slots__ = ("book", "market", "received_ms", "seq", "session", "sid")

    def __init__(self, market: str) -> None:
        self.market = market
        self.book = OrderBook(market)
        self.session = ""
        self.sid = 0
        self.seq = 0
        self.received_ms = 0

    def top(self, alive_ms: int) -> TopOfBook:
        """Best prices now; an empty side has size 0 and the price of nothing (bid 0, ask one dollar)."""
        book = self.book
        return TopOfBook(
            market=self.market,
            status=book.status,
            yes_bid=book.yes_bid or 0,
            yes_bid_size=book.yes_bid_size,
            yes_ask=book.yes_ask or DOLLAR_PRICE,
            yes_ask_size=book.no_bid_size,
            session=self.session,
            sid=self.sid,
            seq=self.seq,
            received_ms=self.received_ms,
            alive_ms=max(alive_ms, self.received_ms),
        )

    def state(self, stream_id: str) -> BookState:
        """The whole book, as it is after the stream entry `stream_id`."""
        return BookState(
            session=self.session,
            sid=self.sid,
            seq=self.seq,
            market=self.market,
            status=self.book.status,
            yes=self.book.levels("yes"),
            no=self.book.levels("no"),
            stream_id=stream_id,
            received_ms=self.received_ms,
        )

    def restore(self, state: BookState) -> None:
        """Become the book that `state` describes."""
        self.book = OrderBook(self.market)
        self.session, self.sid, self.seq = state.session, state.sid, state.seq
        self.received_ms = state.received_ms
        if state.status == "gap":
            self.book.mark_gap("a gap before this process started")
        elif state.status != "empty":
            self.book.apply_snapshot(state.yes, state.no)
            if state.status == "stale":
                self.book.mark_stale("silent before this process started")

    def moved(self, message: BookSnapshot | BookDelta) -> None:
        """Note the frame that moved the book last."""
        self.session, self.sid, self.seq = message.session, message.sid, message.seq
        self.received_ms = message.received_ms


class EventFeed:
    """All markets of one event."""

    def __init__(self, markets: Iterable[str]) -> None:
        self.markets = {market: MarketFeed(market) for market in markets}

    def apply(self, message: MarketData) -> tuple[str, ...]:
        """Move the books; the markets whose book or status may have changed. Markets of others are ignored."""
        if isinstance(message, BookDelta):
            feed = self.markets.get(message.market)
            if feed is None:
                return ()
            if message.session != feed.session:
                feed.book.mark_gap(f"delta of session {message.session} before its snapshot")
            else:
                feed.book.apply_delta(message.side, message.price, message.delta)
            feed.moved(message)
            return (message.market,)
        if isinstance(message, BookSnapshot):
            feed = self.markets.get(message.market)
            if feed is None:
                return ()
            feed.book.apply_snapshot(message.yes, message.no)
            feed.moved(message)
            return (message.market,)
        if isinstance(message, FeedState):
            return tuple(market for market in message.markets if self._block(market, message))
        return ()

    def _block(self, market: str, message: FeedState) -> bool:
        feed = self.markets.get(market)
        if feed is None:
            return False
        if message.state == "gap":
            feed.book.mark_gap(message.reason)
        else:
            feed.book.mark_stale(message.reason)
        feed.received_ms = message.received_ms
        return True
