"""Full collateral: what resting orders hold and what a fill does to cash and position."""

from collections.abc import Iterable
from operator import attrgetter

from services.simulator.engine.fees import trade_fee
from services.simulator.engine.model import DOLLAR, Account, Market, Order, Position, Side

_by_price = attrgetter("price")


def unit_cost(side: Side, price: int) -> int:
    """What one contract costs on this side: YES at the price, NO at one dollar minus it."""
    return price if side == "bid" else DOLLAR - price


def closable(net: int, side: Side) -> int:
    """Contracts of an order on ``side`` that would only close the net position."""
    return max(0, -net if side == "bid" else net)


def opening_need(market: Market, side: Side, price: int, count: int, precision: int, *, is_taker: bool) -> int:
    """Collateral and fee of ``count`` newly opened contracts, with one unit of balance precision for rounding."""
    if count <= 0:
        return 0
    fee = trade_fee(market.fees, price, count, is_taker=is_taker)
    return (price if side == "bid" else DOLLAR - price) * count + fee + precision


def position_hold(position: Position, *, used_bid: int = 0, used_ask: int = 0) -> int:
    """Cash that the resting orders of one account in one market hold.

    Orders fill best price first, so the closing part goes to the best prices. ``used_*`` is closing capacity
    taken by an order that is about to trade.
    """
    net, hold = position.net, position.bid_hold + position.ask_hold
    if net < 0 and position.bids:
        best_first: Iterable[Order] = sorted(position.bids.values(), key=_by_price, reverse=True)
        hold -= _relief(best_first, -net - used_bid)
    elif net > 0 and position.asks:
        hold -= _relief(sorted(position.asks.values(), key=_by_price), net - used_ask)
    return hold


def _relief(orders: Iterable[Order], capacity: int) -> int:
    """What the first ``capacity`` contracts of ``orders`` need not hold, because they close."""
    relief = 0
    for order in orders:
        if capacity <= 0:
            break
        opening = order.remaining - capacity
        capacity -= order.remaining
        relief += order.hold
        if opening > 0:
            relief -= opening_need(
                order.market, order.side, order.price, opening, order.account.precision, is_taker=False
            )
    return relief


def reserved(account: Account) -> int:
    """Cash held by all resting orders of the account."""
    if account.stale:
        for position in account.stale:
            held = position_hold(position)
            account.held += held - position.held
            position.held = held
        account.stale.clear()
    return account.held


def covers(account: Account, market: Market, side: Side, price: int, count: int) -> bool:
    """Whether the cash covers one more order beside the resting ones, each holding its collateral."""
    # Nearly every order passes with nothing set off against positions, which costs no sorting.
    if account.cash - account.most_held >= opening_need(market, side, price, count, account.precision, is_taker=True):
        return True
    position = account.position(market.ticker)
    closing = min(count, closable(position.net, side))
    need = opening_need(market, side, price, count - closing, account.precision, is_taker=True)
    held = reserved(account)
    if closing:
        used = {"used_bid": closing} if side == "bid" else {"used_ask": closing}
        held += position_hold(position, **used) - position.held
    return account.cash - held >= need


def book_fill(position: Position, side: Side, price: int, count: int, now_ms: int) -> int:
    """Change the position by one fill before fees; returns its cash, negative when it costs."""
    gross = (price if side == "bid" else DOLLAR - price) * count
    net = position.net
    if side == "bid":
        capacity = -net
        position.net = net + count
        position.yes_bought += count
        position.yes_cost += gross
    else:
        capacity = net
        position.net = net - count
        position.no_bought += count
        position.no_cost += gross
    position.traded += gross
    position.volume += count
    position.updated_ms = now_ms
    if capacity <= 0:
        position.cost += gross
        return -gross
    closing = min(count, capacity)
    proceeds = (DOLLAR - price if side == "bid" else price) * closing
    share = position.cost * closing // capacity
    cost = unit_cost(side, price) * (count - closing)
    position.cost += cost - share
    position.realized += proceeds - share
    return proceeds - cost


def hold(order: Order) -> None:
    """Hold the collateral of an order that begins to rest."""
    position = order.position
    order.hold = opening_need(
        order.market, order.side, order.price, order.remaining, order.account.precision, is_taker=False
    )
    if order.side == "bid":
        position.bids[order.order_id] = order
        position.bid_hold += order.hold
    else:
        position.asks[order.order_id] = order
        position.ask_hold += order.hold
    order.account.most_held += order.hold
    order.account.stale.add(position)


def rehold(order: Order) -> None:
    """Hold less: ``remaining`` of a resting order went down."""
    before = order.hold
    order.hold = opening_need(
        order.market, order.side, order.price, order.remaining, order.account.precision, is_taker=False
    )
    if order.side == "bid":
        order.position.bid_hold += order.hold - before
    else:
        order.position.ask_hold += order.hold - before
    order.account.most_held += order.hold - before
    order.account.stale.add(order.position)


def release(order: Order) -> bool:
    """Set the collateral of a resting order free; false when it held none."""
    position = order.position
    if order.side == "bid":
        if position.bids.pop(order.order_id, None) is None:
            return False
        position.bid_hold -= order.hold
    else:
        if position.asks.pop(order.order_id, None) is None:
            return False
        position.ask_hold -= order.hold
    order.account.most_held -= order.hold
    order.account.stale.add(position)
    return True
