"""Matching against a recording: our orders meet its depth, and its trades and new depth meet our resting orders."""

from collections import deque
from collections.abc import Callable

from services.simulator.engine import collateral
from services.simulator.engine.events import BookChange, Event, Traded
from services.simulator.engine.exchange import Exchange
from services.simulator.engine.model import Account, Market, NewOrder, Order, Placement, Side, Trade
from services.simulator.replay.book import RecordedBook, RecordedHalf

COUNTERPARTY = "recorded"
_CASH = 10**9 * 1_000_000
_MOST_AHEAD = 10_000


class RecordedExchange(Exchange):
    """An exchange on which markets with a ``RecordedBook`` belong to a recording.

    The recorded flow is one account, the counterparty of all our fills there. Public figures of such a market
    (book, trades, volume, open interest) stay the recording's.
    """

    def __init__(self, new_id: Callable[[], str], emit: Callable[[Event], None]) -> None:
        super().__init__(new_id, self._filter)
        self._tell = emit
        self.counterparty: Account = self.add_account(COUNTERPARTY, _CASH, internal=True)
        self._ahead: dict[Order, int] = {}
        self._shrunk: dict[tuple[str, Side, int], tuple[int, dict[Order, int]]] = {}

    def _filter(self, event: Event) -> None:
        """What our orders do to a recorded book is nobody's business but their owners'."""
        if not (isinstance(event, BookChange | Traded) and isinstance(event.market.book, RecordedBook)):
            self._tell(event)

    def record_trade(self, market: Market, trade: Trade, now_ms: int) -> None:
        """Book a trade of the recording in the market's public figures, then let it meet our resting orders."""
        self.trades.append(trade)
        market.last_price, market.last_count = trade.price, trade.count
        market.volume += trade.count
        market.dollar_volume += trade.price * trade.count
        market.updated_ms = now_ms
        self._tell(Traded(market, trade))
        self._traded(market, trade.taker_side, trade.price, trade.count, now_ms)

    def match(self, order: Order, placed: Placement, now_ms: int, leave: int = 0) -> None:
        market = order.market
        book = market.book
        if not isinstance(book, RecordedBook):
            super().match(order, placed, now_ms, leave)
            return
        public = (
            market.last_price, market.last_count, market.volume, market.dollar_volume, market.open_interest
        )  # fmt: skip
        trades, self.trades = self.trades, deque()
        standing = [] if order.account is self.counterparty else self._stand(order, book, now_ms)
        super().match(order, placed, now_ms, leave)
        for made in standing:
            self._take_down(made, book)
        self.trades = trades
        (
            market.last_price, market.last_count, market.volume, market.dollar_volume, market.open_interest
        ) = public  # fmt: skip

    def rest(self, order: Order, now_ms: int) -> None:
        book = order.market.book
        if isinstance(book, RecordedBook):
            self._ahead[order] = max(0, book.recorded(order.side).left(order.price))
        super().rest(order, now_ms)

    def unrest(self, order: Order, now_ms: int) -> None:
        self._ahead.pop(order, None)
        super().unrest(order, now_ms)

    def depth_changed(self, market: Market, side: Side, price: int, delta: int, now_ms: int) -> None:
        """The recording changed one level: fewer stand before our orders there, or new depth crosses them."""
        book = market.book
        if not isinstance(book, RecordedBook):
            raise TypeError(f"{market.ticker} is not a recorded market")
        total = book.recorded(side).change(price, delta)
        half = book.recorded(side)
        level = half.levels.get(price) if half.levels else None
        if level is not None:
            if delta < 0:
                before = {order: self._ahead[order] for order in level.orders.values()}
                self._shrunk[market.ticker, side, price] = -delta, before
            for order in level.orders.values():
                self._ahead[order] = min(self._ahead[order], max(0, total))
        opposite = book.asks if side == "bid" else book.bids
        if delta > 0 and opposite.prices and opposite.own_within(price):
            filled = self._hit(market, side, price, total, now_ms)
            if filled:
                half.take(price, filled)

    def _traded(self, market: Market, taker: Side, price: int, count: int, now_ms: int) -> None:
        """Our better-priced orders would have come first, those behind move up."""
        book = market.book
        if not isinstance(book, RecordedBook):
            raise TypeError(f"{market.ticker} is not a recorded market")
        half = book.asks if taker == "bid" else book.bids
        if not half.prices:
            return
        left = count
        if any(found != price for found in half.own_within(price)):
            step = 1 if taker == "ask" else -1
            left -= self._hit(market, taker, price + step, left, now_ms)
        level = half.levels.get(price)
        reached = 0
        # A trade's delta comes before it: what that took from the head of the queue must not count twice.
        shrunk, before = self._shrunk.pop((market.ticker, "bid" if taker == "ask" else "ask", price), (0, {}))
        if shrunk == count:
            self._ahead |= {order: ahead for order, ahead in before.items() if order in self._ahead}
        for order in level.orders.values() if level is not None else ():
            ahead = self._ahead[order]
            reached += min(order.remaining, max(0, left - ahead - reached))
            self._ahead[order] = max(0, ahead - left)
        if reached:
            self._hit(market, taker, price, reached, now_ms)

    def _hit(self, market: Market, side: Side, price: int, count: int, now_ms: int) -> int:
        """The counterparty takes up to ``count`` of our resting orders at ``price`` or better; how much it got."""
        if market.status != "active" or count <= 0:
            return 0
        new = NewOrder(market.ticker, side, price, count, "immediate_or_cancel")
        order = self._order(self.counterparty, market, new, None, now_ms)
        placed = Placement(order)
        self.match(order, placed, now_ms)
        if len(self._ahead) > _MOST_AHEAD:
            self._ahead = {order: ahead for order, ahead in self._ahead.items() if order.status == "resting"}
        return placed.filled

    def _stand(self, order: Order, book: RecordedBook, now_ms: int) -> list[Order]:
        """Put up the recorded depth that ``order`` can reach, as orders of the counterparty."""
        side: Side = "ask" if order.side == "bid" else "bid"
        half = book.recorded(side)
        standing: list[Order] = []
        wanted = order.remaining
        for price in half.within(order.price):
            count = min(wanted, half.left(price))
            if count <= 0:
                continue
            new = NewOrder(order.market.ticker, side, price, count, "good_till_canceled")
            made = self._order(self.counterparty, order.market, new, None, now_ms)
            half.add(made)
            half.levels[price].orders.move_to_end(made.order_id, last=False)
            collateral.hold(made)
            standing.append(made)
            wanted -= count
            if not wanted:
                break
        return standing

    def _take_down(self, made: Order, book: RecordedBook) -> None:
        half: RecordedHalf = book.recorded(made.side)
        if made.remaining:
            half.remove(made)
            collateral.release(made)
        if made.filled:
            half.take(made.price, made.filled)
