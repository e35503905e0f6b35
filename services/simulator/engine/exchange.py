"""The exchange: price-time matching over fully collateralised accounts."""

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush

from services.simulator.engine import collateral
from services.simulator.engine import groups as group_rules
from services.simulator.engine.collateral import closable
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
    DOLLAR,
    Account,
    Fill,
    Market,
    Member,
    NewOrder,
    Order,
    OrderGroup,
    Placement,
    Side,
    Trade,
)
from services.simulator.engine.switches import Switches

_KEPT_TRADES = 20_000


class Exchange:
    """Accounts, markets and the operations on orders. Every operation takes the wall time in milliseconds.

    ``new_id`` gives unique ids, ``emit`` receives each event the moment it happens. ``precision`` is the unit
    of the balance of accounts to come.
    """

    def __init__(
        self, new_id: Callable[[], str], emit: Callable[[Event], None], precision: int = DIRECT_MEMBER
    ) -> None:
        self.new_id = new_id
        self.emit = emit
        self.precision = precision
        self.switches = Switches()
        self.accounts: dict[str, Account] = {}
        self.markets: dict[str, Market] = {}
        self.trades: deque[Trade] = deque(maxlen=_KEPT_TRADES)
        self.fees_collected = 0
        self.trading_active = True
        self.exchange_active = True
        self._expiring: list[tuple[int, str, Order]] = []

    def add_account(self, account_id: str, cash: int, *, internal: bool = False) -> Account:
        """A new member's account number 0."""
        account = Account(
            account_id, Member(self.new_id()), cash, internal, cash, precision=self.precision, switches=self.switches
        )
        self.accounts[account_id] = account.member.accounts[0] = account
        return account

    def add_market(self, market: Market) -> None:
        self.markets[market.ticker] = market

    def reserved(self, account: Account) -> int:
        """Cash held by all resting orders."""
        return collateral.reserved(account)

    def tradable(self, ticker: str) -> Market:
        """A market that takes orders now."""
        market = self.markets.get(ticker)
        if market is None:
            raise Refused("market_not_found", status=404)
        if not self.exchange_active:
            raise Refused("exchange_is_paused", status=409)
        if not self.trading_active:
            raise Refused("trading_is_paused", status=409)
        if market.status != "active":
            raise Refused("MARKET_INACTIVE", message="market inactive")
        return market

    def create(self, account: Account, new: NewOrder, now_ms: int) -> Placement:
        """Place an order; raises ``Refused``. A killed fill-or-kill consumes its client order id."""
        self.expire(now_ms)
        if account.internal and not (self.trading_active and self.exchange_active):
            return self._stand_still(account, new, now_ms)
        market = self.tradable(new.ticker)
        group = self._check(account, market, new, now_ms)
        count, dropped = new.count, 0
        if new.reduce_only:
            count = min(count, closable(account.position(market.ticker).net, new.side))
            dropped = new.count - count
        else:
            self.afford(account, market, new.side, new.price, count)
        self._meets(account, market, new, count)
        order = self._order(account, market, new, group, now_ms)
        account.orders[order.order_id] = order
        if group is not None:
            group.orders[order.order_id] = order
        self.emit(OrderChanged(order, "accepted", now_ms))
        placed = Placement(order)
        if count:
            self.match(order, placed, now_ms, leave=dropped)
            if placed.filled:
                self._call_margin(account, now_ms)
        if order.status == "resting":
            if dropped or new.time_in_force != "good_till_canceled":
                self.end(order, "ReduceOnlyCancel" if dropped and order.remaining == dropped else "", now_ms)
            else:
                self.rest(order, now_ms)
        return placed

    def _order(self, account: Account, market: Market, new: NewOrder, group: OrderGroup | None, now_ms: int) -> Order:
        return Order(
            self.new_id(), account, market, account.position(market.ticker), new.client_order_id, new.side, new.price,
            new.count, new.count, new.time_in_force, new.self_trade, new.post_only, new.reduce_only,
            new.cancel_on_pause, now_ms, now_ms, new.expires_ms, group,
        )  # fmt: skip

    def _stand_still(self, account: Account, new: NewOrder, now_ms: int) -> Placement:
        """The world's own crowd during a pause: its orders end at once, and nobody hears of them."""
        order = self._order(account, self.markets[new.ticker], new, None, now_ms)
        order.status, order.reason, order.remaining = "canceled", "HaltCancel", 0
        return Placement(order)

    def _check(self, account: Account, market: Market, new: NewOrder, now_ms: int) -> OrderGroup | None:
        """What the request itself allows, before anything of the account's money or the book is looked at."""
        switches = account.switches
        if new.client_order_id and new.client_order_id in account.member.client_ids and switches.deduplicate:
            raise Refused("order_already_exists", status=409)
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
        if group.triggered and not switches.triggered_groups_accept:
            raise Refused("invalid_order", details="order group triggered")
        return group

    def _meets(self, account: Account, market: Market, new: NewOrder, count: int) -> None:
        """Refuse what must not, or must, meet the other side. From here on the client order id is used up."""
        if new.post_only and market.book.crossing(new.side, new.price):
            raise Refused("invalid_order", details="post only cross")
        if new.client_order_id:
            account.member.client_ids.add(new.client_order_id)
        if new.time_in_force == "fill_or_kill":
            if market.book.crossing(new.side, new.price) < count:
                raise Refused("fill_or_kill_insufficient_resting_volume", status=409)
        elif (
            new.time_in_force == "immediate_or_cancel"
            and account.switches.empty_ioc_conflict
            and not market.book.crossing(new.side, new.price)
        ):
            raise Refused("immediate_or_cancel_insufficient_resting_volume", status=409)

    def afford(self, account: Account, market: Market, side: Side, price: int, count: int) -> None:
        """Refuse what cash does not cover once every resting order holds its collateral."""
        if not collateral.covers(account, market, side, price, count):
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
            if maker.account.member is order.account.member:
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
            collateral.release(maker)
        else:
            collateral.rehold(maker)
        emit = self.emit
        emit(BookChange(market, maker.side, price, -count, maker, now_ms))
        trade = Trade(self.new_id(), market.ticker, price, count, taker.side, now_ms)
        self.trades.append(trade)
        market.last_price, market.last_count = price, count
        market.volume += count
        market.dollar_volume += price * count
        before = max(0, maker.position.net) + max(0, taker.position.net)
        made = self._settle_fill(maker, trade, is_taker=False, now_ms=now_ms)
        took = self._settle_fill(taker, trade, is_taker=True, now_ms=now_ms)
        market.open_interest += max(0, maker.position.net) + max(0, taker.position.net) - before
        market.updated_ms = now_ms
        placed.filled += count
        placed.value += price * count
        placed.fees += took.fee
        emit(Traded(market, trade))
        for order in (maker, taker):
            order.reason = "Trade"
            if order.remaining == 0:
                order.status = "executed"
                self.forget(order)
        for order, fill in ((maker, made), (taker, took)):
            emit(Filled(order, fill))
            emit(OrderChanged(order, "filled", now_ms))
        for order in (maker, taker):
            group = order.group
            if group is not None and not group.triggered and group_rules.record(group, count, now_ms):
                self.trigger(group, now_ms)
        self._call_margin(maker.account, now_ms)

    def _settle_fill(self, order: Order, trade: Trade, *, is_taker: bool, now_ms: int) -> Fill:
        account, market, position = order.account, order.market, order.position
        price, count = trade.price, trade.count
        revenue = collateral.book_fill(position, order.side, price, count, now_ms)
        model = trade_fee(market.fees, price, count, is_taker=is_taker)
        fee, order.rounding = charge(revenue, model, order.rounding, account.precision)
        account.cash += revenue - fee
        account.stale.add(position)
        position.fees += fee
        self.fees_collected += fee
        order.filled += count
        order.updated_ms = now_ms
        cost = (price if order.side == "bid" else DOLLAR - price) * count
        if is_taker:
            order.taker_cost += cost
            order.taker_fees += fee
        else:
            order.maker_cost += cost
            order.maker_fees += fee
        fill = Fill(
            trade.trade_id, order.order_id, order.client_order_id, account.account_id, market.ticker, order.side,
            price, count, is_taker, fee, now_ms, position.net, account.number,
        )  # fmt: skip
        if not account.internal:
            account.fills.append(fill)
        return fill

    def _call_margin(self, account: Account, now_ms: int) -> None:
        """Cancel the newest resting orders while they hold more than there is.

        It happens when a reduce-only order closes what other resting orders were to close, or when the fees
        of many small fills round up to more than was held.
        """
        if account.internal or account.cash >= account.most_held:
            return
        while account.cash < collateral.reserved(account):
            resting = [
                order
                for position in account.positions.values()
                for orders in (position.bids, position.asks)
                for order in orders.values()
            ]
            if not resting:
                return
            self.end(max(resting, key=lambda order: (order.created_ms, order.order_id)), "MarginCancel", now_ms)

    def rest(self, order: Order, now_ms: int) -> None:
        order.market.book.side(order.side).add(order)
        collateral.hold(order)
        self.watch_expiry(order)
        self.emit(BookChange(order.market, order.side, order.price, order.remaining, order, now_ms))

    def unrest(self, order: Order, now_ms: int) -> None:
        if collateral.release(order):
            order.market.book.side(order.side).remove(order)
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
        """The account's resting order; unknown, cancelled and executed ones are all not found.

        A pause of trading or of the market leaves it within reach, a pause of the whole exchange does not.
        """
        self.expire(now_ms)
        order = account.orders.get(order_id)
        if order is None or order.status != "resting":
            raise not_found()
        if not self.exchange_active and not account.internal:
            raise Refused("exchange_is_paused", status=409)
        if order.market.status not in {"active", "inactive"}:
            raise Refused("MARKET_INACTIVE", message="market inactive")
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
