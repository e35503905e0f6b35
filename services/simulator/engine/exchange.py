"""The exchange: price-time matching over fully collateralised accounts."""

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush

from services.simulator.engine import groups as group_rules
from services.simulator.engine.collateral import (
    add_resting,
    book_fill,
    closable,
    drop_resting,
    market_hold,
    opening_need,
)
from services.simulator.engine.errors import Refused, not_found
from services.simulator.engine.events import (
    BookChange,
    Event,
    Filled,
    GroupChanged,
    OrderChanged,
    Traded,
)
from services.simulator.engine.fees import DIRECT_MEMBER, charge, trade_fee
from services.simulator.engine.model import (
    Account,
    Fill,
    Market,
    NewOrder,
    Order,
    OrderGroup,
    Placement,
    Side,
    Trade,
)

_KEPT_TRADES = 20_000


class Exchange:
    """Accounts, markets and the operations on orders. Every operation takes the wall time in milliseconds.

    ``new_id`` gives unique ids, ``emit`` receives each event the moment it happens.
    """

    def __init__(
        self, new_id: Callable[[], str], emit: Callable[[Event], None], precision: int = DIRECT_MEMBER
    ) -> None:
        self.new_id = new_id
        self.emit = emit
        self.precision = precision
        self.accounts: dict[str, Account] = {}
        self.markets: dict[str, Market] = {}
        self.trades: deque[Trade] = deque(maxlen=_KEPT_TRADES)
        self.fees_collected = 0
        self._expiring: list[tuple[int, str, Order]] = []

    def add_account(self, account_id: str, cash: int, *, internal: bool = False) -> Account:
        account = Account(account_id, self.new_id(), cash, internal, deposited=cash)
        self.accounts[account_id] = account
        return account

    def add_market(self, market: Market) -> None:
        self.markets[market.ticker] = market

    def reserved(self, account: Account) -> int:
        """Cash held by all resting orders."""
        for ticker in account.stale:
            account.reserved[ticker] = market_hold(account, self.markets[ticker], self.precision)
        account.stale.clear()
        return sum(account.reserved.values())

    def tradable(self, ticker: str) -> Market:
        market = self.markets.get(ticker)
        if market is None:
            raise Refused("market_not_found", status=404)
        if market.status != "active":
            raise Refused("MARKET_INACTIVE", message="market inactive")
        return market

    def create(self, account: Account, new: NewOrder, now_ms: int) -> Placement:
        """Place an order; raises ``Refused``. A killed fill-or-kill consumes its client order id."""
        self.expire(now_ms)
        market = self.tradable(new.ticker)
        if new.client_order_id and new.client_order_id in account.client_ids:
            raise Refused("order_already_exists", status=409)
        group = self._check(account, market, new, now_ms)
        count, dropped = new.count, 0
        if new.reduce_only:
            count = min(count, closable(account.position(market.ticker).net, new.side))
            dropped = new.count - count
        if not new.reduce_only:
            self.afford(account, market, new.side, new.price, count)
        available = market.book.crossing(new.side, new.price)
        if new.post_only and available:
            raise Refused("invalid_order", details="post only cross")
        if new.client_order_id:
            account.client_ids.add(new.client_order_id)
        if new.time_in_force == "fill_or_kill" and available < count:
            raise Refused("fill_or_kill_insufficient_resting_volume", status=409)
        order = Order(
            self.new_id(), account, market, new.client_order_id, new.side, new.price, new.count, new.count,
            new.time_in_force, new.self_trade, new.post_only, new.reduce_only, new.cancel_on_pause, now_ms,
            now_ms,
            new.expires_ms, group,
        )  # fmt: skip
        account.orders[order.order_id] = order
        if group is not None:
            group.orders[order.order_id] = order
        self.emit(OrderChanged(order, "accepted", now_ms))
        placed = Placement(order)
        if count:
            self.match(order, placed, now_ms, leave=dropped)
            self._call_margin(account, now_ms)
        if order.status == "resting":
            if dropped or new.time_in_force != "good_till_canceled":
                self.end(order, "ReduceOnlyCancel" if dropped and order.remaining == dropped else "", now_ms)
            else:
                self.rest(order, now_ms)
        return placed

    def _check(self, account: Account, market: Market, new: NewOrder, now_ms: int) -> OrderGroup | None:
        if new.count <= 0:
            raise Refused("invalid_order_size")
        if not market.on_grid(new.price):
            raise Refused("invalid_price")
        if new.reduce_only and new.time_in_force != "immediate_or_cancel":
            raise Refused("invalid_order", details="reduce_only requires immediate_or_cancel")
        if new.post_only and new.time_in_force != "good_till_canceled":
            raise Refused("invalid_order", details="post_only requires good_till_canceled")
        if new.expires_ms is not None:
            if new.time_in_force != "good_till_canceled":
                raise Refused("invalid_order", message="Cannot specify both immediate_or_cancel and expiration_ts")
            if new.expires_ms <= now_ms:
                raise Refused("invalid_order", message="Expiration timestamp must be in the future")
        if not new.group_id:
            return None
        group = account.groups.get(new.group_id)
        if group is None:
            raise Refused("order_group_not_found", status=404)
        if group.triggered:
            raise Refused("invalid_order", details="order group triggered")
        return group

    def afford(self, account: Account, market: Market, side: Side, price: int, count: int) -> None:
        """Refuse what cash does not cover once every resting order holds its collateral."""
        closing = min(count, closable(account.position(market.ticker).net, side))
        need = opening_need(market, side, price, count - closing, self.precision, is_taker=True)
        held = self.reserved(account)
        if closing:
            held -= account.reserved.get(market.ticker, 0)
            used = {"used_bid": closing} if side == "bid" else {"used_ask": closing}
            held += market_hold(account, market, self.precision, **used)
        if (need or closing) and account.cash - held < need:
            raise Refused("insufficient_balance")

    def match(self, order: Order, placed: Placement, now_ms: int, leave: int = 0) -> None:
        """Trade against the other side until the price, the count or a rule stops it.

        ``leave`` contracts must not trade.
        """
        half = order.market.book.opposite(order.side)
        while order.status == "resting" and order.remaining > leave:
            level = half.best()
            if level is None:
                return
            if level.price > order.price if order.side == "bid" else level.price < order.price:
                return
            maker = level.first()
            if maker.account is order.account:
                if order.self_trade == "taker_at_cross":
                    self.end(order, "SelfTradeCancel", now_ms)
                    return
                self.end(maker, "SelfTradeCancel", now_ms)
                continue
            self._trade(maker, order, min(maker.remaining, order.remaining - leave), placed, now_ms)

    def _trade(self, maker: Order, taker: Order, count: int, placed: Placement, now_ms: int) -> None:
        """One match at the resting order's price: public events first, private ones after."""
        market, price = maker.market, maker.price
        half = market.book.side(maker.side)
        half.reduce(maker, count)
        maker.remaining -= count
        taker.remaining -= count
        if maker.remaining == 0:
            half.remove(maker)
            drop_resting(maker)
        self.emit(BookChange(market, maker.side, price, -count, maker, now_ms))
        trade = Trade(self.new_id(), market.ticker, price, count, taker.side, now_ms)
        self.trades.append(trade)
        market.last_price, market.last_count = price, count
        market.volume += count
        market.dollar_volume += price * count
        before = max(0, maker.account.position(market.ticker).net) + max(0, taker.account.position(market.ticker).net)
        fills = [self._settle_fill(order, trade, is_taker=order is taker, now_ms=now_ms) for order in (maker, taker)]
        after = max(0, maker.account.position(market.ticker).net) + max(0, taker.account.position(market.ticker).net)
        market.open_interest += after - before
        market.updated_ms = now_ms
        placed.filled += count
        placed.value += price * count
        placed.fees += fills[1].fee
        self.emit(Traded(market, trade))
        for order in (maker, taker):
            if order.remaining == 0:
                order.status = "executed"
                self.forget(order)
        for order, fill in zip((maker, taker), fills, strict=True):
            order.reason = "Trade"
            self.emit(Filled(order, fill))
            self.emit(OrderChanged(order, "filled", now_ms))
        for order in (maker, taker):
            group = order.group
            if group is not None and not group.triggered and group_rules.record(group, count, now_ms):
                self.trigger(group, now_ms)
        self._call_margin(maker.account, now_ms)

    def _settle_fill(self, order: Order, trade: Trade, *, is_taker: bool, now_ms: int) -> Fill:
        account, market = order.account, order.market
        position = account.position(market.ticker)
        revenue = book_fill(position, order.side, trade.price, trade.count, now_ms)
        model = trade_fee(market.fees, trade.price, trade.count, is_taker=is_taker)
        fee, order.rounding = charge(revenue, model, order.rounding, self.precision)
        account.cash += revenue - fee
        account.stale.add(market.ticker)
        position.fees += fee
        self.fees_collected += fee
        order.filled += trade.count
        order.updated_ms = now_ms
        cost = (trade.price if order.side == "bid" else 10_000 - trade.price) * trade.count
        if is_taker:
            order.taker_cost += cost
            order.taker_fees += fee
        else:
            order.maker_cost += cost
            order.maker_fees += fee
        fill = Fill(
            trade.trade_id, order.order_id, order.client_order_id, account.account_id, market.ticker,
            order.side,
            trade.price, trade.count, is_taker, fee, now_ms, position.net,
        )  # fmt: skip
        if not account.internal:
            account.fills.append(fill)
        return fill

    def _call_margin(self, account: Account, now_ms: int) -> None:
        """Cancel the newest resting orders while they hold more than there is.

        It happens when a reduce-only order closes what other resting orders were to close, or when the fees
        of many small fills
        round up to more than was held.
        """
        if account.internal:
            return
        while account.cash - self.reserved(account) < 0:
            resting = [order for orders in account.resting.values() for order in orders.values()]
            if not resting:
                return
            self.end(max(resting, key=lambda order: (order.created_ms, order.order_id)), "MarginCancel", now_ms)

    def rest(self, order: Order, now_ms: int) -> None:
        order.market.book.side(order.side).add(order)
        add_resting(order)
        self.watch_expiry(order)
        self.emit(BookChange(order.market, order.side, order.price, order.remaining, order, now_ms))

    def unrest(self, order: Order, now_ms: int) -> None:
        resting = order.account.resting.get(order.market.ticker)
        if resting is not None and order.order_id in resting:
            order.market.book.side(order.side).remove(order)
            drop_resting(order)
            self.emit(BookChange(order.market, order.side, order.price, -order.remaining, order, now_ms))

    def end(self, order: Order, reason: str, now_ms: int) -> int:
        """Cancel what remains; returns how much that was."""
        self.unrest(order, now_ms)
        reduced, order.remaining = order.remaining, 0
        order.status, order.reason, order.updated_ms = "canceled", reason, now_ms
        self.forget(order)
        self.emit(OrderChanged(order, "canceled", now_ms, reduced))
        return reduced

    def forget(self, order: Order) -> None:
        if order.account.internal:
            order.account.orders.pop(order.order_id, None)

    def watch_expiry(self, order: Order) -> None:
        if order.expires_ms is not None:
            heappush(self._expiring, (order.expires_ms, order.order_id, order))

    def expire(self, now_ms: int) -> None:
        """Cancel orders whose time has come."""
        while self._expiring and self._expiring[0][0] <= now_ms:
            at_ms, _, order = heappop(self._expiring)
            if order.status == "resting" and order.expires_ms == at_ms:
                self.end(order, "ExpiryCancel", now_ms)

    def resting(self, account: Account, order_id: str, now_ms: int) -> Order:
        """The account's resting order; unknown, cancelled and executed ones are all not found."""
        self.expire(now_ms)
        order = account.orders.get(order_id)
        if order is None or order.status != "resting":
            raise not_found()
        self.tradable(order.market.ticker)
        return order

    def cancel(self, account: Account, order_id: str, now_ms: int, reason: str = "") -> tuple[Order, int]:
        order = self.resting(account, order_id, now_ms)
        return order, self.end(order, reason, now_ms)

    def trigger(self, group: OrderGroup, now_ms: int) -> None:
        """Cancel the group's orders and refuse new ones until it is reset."""
        group.triggered = True
        self.empty(group, now_ms)
        self.emit(GroupChanged(group, "triggered", now_ms))

    def empty(self, group: OrderGroup, now_ms: int) -> None:
        """Cancel whatever of the group still rests."""
        for order in list(group.orders.values()):
            if order.status == "resting" and order.remaining:
                self.end(order, "", now_ms)
