"""Full collateral: what resting orders hold and what a fill does to cash and position."""

from collections import OrderedDict

from services.simulator.engine.fees import trade_fee
from services.simulator.engine.model import DOLLAR, Account, Market, Order, Position, Side


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
    return unit_cost(side, price) * count + fee + precision


def market_hold(account: Account, market: Market, precision: int, *, used_bid: int = 0, used_ask: int = 0) -> int:
    """Cash that the account's resting orders in one market hold.

    Orders fill best price first, so the closing part goes to the best prices. ``used_*`` is closing
    capacity taken by an order that is
    about to trade.
    """
    resting = account.resting.get(market.ticker)
    if not resting:
        return 0
    net = account.position(market.ticker).net
    hold = 0
    sides: tuple[tuple[Side, int], ...] = (("bid", used_bid), ("ask", used_ask))
    for side, used in sides:
        capacity = max(0, closable(net, side) - used)
        orders = [order for order in resting.values() if order.side == side]
        orders.sort(key=lambda order: unit_cost(order.side, order.price), reverse=True)
        for order in orders:
            closing = min(capacity, order.remaining)
            capacity -= closing
            hold += opening_need(market, side, order.price, order.remaining - closing, precision, is_taker=False)
    return hold


def book_fill(position: Position, side: Side, price: int, count: int, now_ms: int) -> int:
    """Change the position by one fill before fees; returns its cash, negative when it costs."""
    closing = min(count, closable(position.net, side))
    opening = count - closing
    cash = 0
    if closing:
        other: Side = "ask" if side == "bid" else "bid"
        proceeds = unit_cost(other, price) * closing
        share = position.cost * closing // abs(position.net)
        position.cost -= share
        position.realized += proceeds - share
        cash += proceeds
    cost = unit_cost(side, price) * opening
    position.cost += cost
    cash -= cost
    gross = unit_cost(side, price) * count
    if side == "bid":
        position.net += count
        position.yes_bought += count
        position.yes_cost += gross
    else:
        position.net -= count
        position.no_bought += count
        position.no_cost += gross
    position.traded += gross
    position.volume += count
    position.updated_ms = now_ms
    return cash


def add_resting(order: Order) -> None:
    account, ticker = order.account, order.market.ticker
    orders = account.resting.get(ticker)
    if orders is None:
        orders = account.resting[ticker] = OrderedDict()
    orders[order.order_id] = order
    account.stale.add(ticker)


def drop_resting(order: Order) -> None:
    account, ticker = order.account, order.market.ticker
    account.resting[ticker].pop(order.order_id, None)
    account.stale.add(ticker)
