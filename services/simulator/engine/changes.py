"""Changes to resting orders: decrease and amend."""

from services.simulator.engine import collateral
from services.simulator.engine.errors import Refused
from services.simulator.engine.events import BookChange, OrderChanged
from services.simulator.engine.exchange import Exchange
from services.simulator.engine.model import Account, Order, Placement


def decrease(exchange: Exchange, account: Account, order_id: str, remaining: int, now_ms: int) -> Order:
    """Lower what remains, keeping the place in the queue; to zero it is a cancel."""
    order = exchange.resting(account, order_id, now_ms)
    if not 0 <= remaining < order.remaining:
        raise Refused("invalid_order_size")
    if remaining == 0:
        exchange.end(order, "Decrease", now_ms)
        return order
    taken = _shrink(exchange, order, remaining, now_ms)
    order.reason = "Decrease"
    exchange.emit(OrderChanged(order, "decreased", now_ms, taken))
    return order


def amend(
    exchange: Exchange,
    order: Order,
    price: int,
    count: int,
    now_ms: int,
    *,
    client_order_id: str = "",
    expires_ms: int | None,
) -> Placement:
    """Change price, total count (filled + wanted), client id or expiry of a resting order.

    A new price or a larger size goes to the back of the queue and may trade; everything else keeps its place.
    """
    remaining = count - order.filled
    _check(exchange, order, price, remaining, client_order_id, expires_ms, now_ms)
    placed = Placement(order)
    moves = price != order.price or remaining > order.remaining
    if moves:
        _check_move(exchange, order, price, remaining)
    if client_order_id:
        order.account.member.client_ids.add(client_order_id)
        order.client_order_id = client_order_id
    if expires_ms != order.expires_ms:
        order.expires_ms = expires_ms
        exchange.watch_expiry(order)
    order.initial = count
    order.reason, order.updated_ms = "Amend", now_ms
    if moves:
        exchange.unrest(order, now_ms)
        order.price, order.remaining = price, remaining
        exchange.match(order, placed, now_ms)
        if order.status == "resting":
            exchange.rest(order, now_ms)
    elif remaining < order.remaining:
        _shrink(exchange, order, remaining, now_ms)
    if order.status == "resting":
        order.reason = "Amend"
        exchange.emit(OrderChanged(order, "amended", now_ms))
    return placed


def _check(
    exchange: Exchange,
    order: Order,
    price: int,
    remaining: int,
    client_order_id: str,
    expires_ms: int | None,
    now_ms: int,
) -> None:
    exchange.tradable(order.market.ticker)
    if remaining <= 0:
        raise Refused("invalid_order_size")
    if not order.market.on_grid(price):
        raise Refused("invalid_price")
    if expires_ms is not None and expires_ms <= now_ms:
        raise Refused("invalid_order", message="Expiration timestamp must be in the future")
    account = order.account
    taken = account.member.client_ids if account.switches.deduplicate else set()
    if client_order_id and client_order_id != order.client_order_id and client_order_id in taken:
        raise Refused("order_already_exists", status=409)


def _check_move(exchange: Exchange, order: Order, price: int, remaining: int) -> None:
    """Whether the order could be placed anew, its own collateral set free."""
    account, market = order.account, order.market
    if order.post_only and market.book.crossing(order.side, price):
        raise Refused("invalid_order", details="post only cross")
    position = order.position
    orders = position.bids if order.side == "bid" else position.asks
    place = dict(orders)
    collateral.release(order)
    try:
        exchange.afford(account, market, order.side, price, remaining)
    finally:
        collateral.hold(order)
        orders.clear()
        orders.update(place)


def _shrink(exchange: Exchange, order: Order, remaining: int, now_ms: int) -> int:
    taken = order.remaining - remaining
    order.market.book.side(order.side).reduce(order, taken)
    order.remaining = remaining
    order.updated_ms = now_ms
    collateral.rehold(order)
    exchange.emit(BookChange(order.market, order.side, order.price, -taken, order, now_ms))
    return taken
