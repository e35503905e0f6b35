"""Reads of one member: balance, positions, fills, settlements, orders, queue positions."""

from collections.abc import Callable, Iterable
from itertools import chain
from typing import TypeVar

from services.simulator.engine.errors import Refused, not_found
from services.simulator.engine.model import Account, Order, Position
from services.simulator.limits import GET_ORDER_COST
from services.simulator.rest.call import Call, Reply, Route
from services.simulator.wire import private as bodies
from services.simulator.wire.errors import bad_parameter
from trading_logic.money import format_count

T = TypeVar("T")
_MOST_EVENTS = 10
_MOST_TICKERS = 100


def _merged(parts: Iterable[Iterable[T]], at_ms: Callable[[T], int]) -> list[T]:
    """The histories of several accounts as one, oldest first; each is in order already."""
    lists = [list(part) for part in parts]
    return lists[0] if len(lists) == 1 else sorted(chain.from_iterable(lists), key=at_ms)


def _seen_positions(call: Call, purse: Account) -> dict[str, Position]:
    """What reads show: nothing of another shard, and what was some time ago where reads lag."""
    if call.elsewhere():
        return {}
    seen = {
        ticker: call.venue.past.position(purse, ticker, position, call.now_ms)
        for ticker, position in purse.positions.items()
    }
    return {ticker: position for ticker, position in seen.items() if position is not None}


def _balance(call: Call) -> Reply:
    purse = call.asked_purse()
    cash = 0 if call.elsewhere() else call.venue.past.cash(purse, call.now_ms)
    return Reply(bodies.balance(cash, _seen_positions(call, purse), call.venue.exchange.markets, call.now_ms))


def _positions(call: Call) -> Reply:
    wanted = call.choice("settlement_status", ("unsettled", "settled", "all")) or "unsettled"
    filters = call.names("count_filter") or ["position", "total_traded"]
    if not set(filters) <= {"position", "total_traded"}:
        raise bad_parameter(call.operation, "CountFilter", "oneof")
    ticker, event = call.query.get("ticker", ""), call.query.get("event_ticker", "")
    markets = call.venue.exchange.markets
    found: list[tuple[str, Position]] = [
        (name, position)
        for name, position in _seen_positions(call, call.asked_purse()).items()
        if position.volume
        and ticker in {"", name}
        and event in {"", markets[name].event_ticker}
        and (wanted == "all" or position.settled == (wanted == "settled"))
        and (("position" in filters and position.net != 0) or "total_traded" in filters)
    ]
    page, cursor = call.page(found, 100, 1, 1000)
    by_event: dict[str, list[Position]] = {}
    for name, position in page:
        by_event.setdefault(markets[name].event_ticker, []).append(position)
    return Reply(
        {
            "market_positions": [bodies.market_position(name, position) for name, position in page],
            "event_positions": [bodies.event_position(name, positions) for name, positions in by_event.items()],
            "cursor": cursor,
        }
    )


def _fills(call: Call) -> Reply:
    tickers, order_id = call.names("ticker"), call.query.get("order_id", "")
    if len(tickers) > _MOST_TICKERS:
        raise bad_parameter(call.operation, "Ticker", "lte")
    low, high = call.stamp_ms("min_ts"), call.stamp_ms("max_ts")
    purses = [] if call.elsewhere() else call.asked_purses()
    newest_ms = call.now_ms - call.member.accounts[0].switches.portfolio_lag_ms
    found = [
        fill
        for fill in _merged((purse.fills for purse in purses), lambda fill: fill.ts_ms)
        if fill.ts_ms <= newest_ms
        and (not tickers or fill.ticker in tickers)
        and order_id in {"", fill.order_id}
        and (low is None or fill.ts_ms >= low)
        and (high is None or fill.ts_ms <= high)
    ]
    page, cursor = call.newest(found, 100, 1, 1000)
    return Reply({"fills": [bodies.fill(fill) for fill in page], "cursor": cursor})


def _settlements(call: Call) -> Reply:
    ticker, event = call.query.get("ticker", ""), call.query.get("event_ticker", "")
    low, high = call.stamp_ms("min_ts"), call.stamp_ms("max_ts")
    found = [
        settlement
        for settlement in _merged((purse.settlements for purse in call.asked_purses()), lambda row: row.settled_ms)
        if ticker in {"", settlement.ticker}
        and event in {"", settlement.event_ticker}
        and (low is None or settlement.settled_ms >= low)
        and (high is None or settlement.settled_ms <= high)
    ]
    page, cursor = call.newest(found, 100, 1, 1000)
    return Reply({"settlements": [bodies.settlement(settlement) for settlement in page], "cursor": cursor})


def _deposits(call: Call) -> Reply:
    """Accounts are funded when the world opens, which is no deposit: the list is empty."""
    page, cursor = call.newest(list[object](), 100, 1, 500)
    return Reply({"deposits": page, "cursor": cursor})


def _withdrawals(call: Call) -> Reply:
    page, cursor = call.newest(list[object](), 100, 1, 500)
    return Reply({"withdrawals": page, "cursor": cursor})


def _resting_value(_: Call) -> Reply:
    raise Refused("forbidden", status=403, details="only for members of a clearing firm")


def _orders(call: Call) -> Reply:
    status = call.choice("status", ("resting", "canceled", "executed"))
    ticker, events = call.query.get("ticker", ""), call.names("event_ticker")
    if len(events) > _MOST_EVENTS:
        raise bad_parameter(call.operation, "EventTicker", "lte")
    low, high = call.stamp_ms("min_ts"), call.stamp_ms("max_ts")
    purses = [] if call.elsewhere() else call.asked_purses()
    found = [
        order
        for order in _merged((purse.orders.values() for purse in purses), lambda order: order.created_ms)
        if status in {"", order.status}
        and ticker in {"", order.market.ticker}
        and (not events or order.market.event_ticker in events)
        and (low is None or order.created_ms >= low)
        and (high is None or order.created_ms <= high)
    ]
    page, cursor = call.newest(found, 100, 1, 1000)
    return Reply({"orders": [bodies.order(order) for order in page], "cursor": cursor})


def _find(call: Call) -> Order:
    order_id = call.path["order_id"]
    for purse in call.asked_purses():
        found = purse.orders.get(order_id)
        if found is not None:
            return found
    raise not_found()


def _order(call: Call) -> Reply:
    found = call.venue.past.order(_find(call), call.now_ms)
    if found is None:
        raise not_found()
    return Reply({"order": bodies.order(found)})


def _queue_position(call: Call) -> Reply:
    order = _find(call)
    if order.status != "resting":
        raise not_found()
    return Reply({"queue_position_fp": _ahead(order)})


def _queue_positions(call: Call) -> Reply:
    tickers, event = call.names("market_tickers"), call.query.get("event_ticker", "")
    if not tickers and not event:
        raise bad_parameter(call.operation, "MarketTickers", "required")
    rows = [
        {"order_id": order.order_id, "market_ticker": order.market.ticker, "queue_position_fp": _ahead(order)}
        for order in call.asked_purse().orders.values()
        if order.status == "resting"
        and (order.market.ticker in tickers or (event and order.market.event_ticker == event))
    ]
    return Reply({"queue_positions": rows})


def _ahead(order: Order) -> str:
    return format_count(order.market.book.side(order.side).ahead(order))


ROUTES = [
    Route("GET", "/portfolio/balance", "GetBalance", _balance, auth=True, scope="read::portfolio_balance"),
    Route("GET", "/portfolio/positions", "GetPositions", _positions, auth=True),
    Route("GET", "/portfolio/fills", "GetFills", _fills, auth=True),
    Route("GET", "/portfolio/settlements", "GetSettlements", _settlements, auth=True),
    Route("GET", "/portfolio/deposits", "GetDeposits", _deposits, auth=True),
    Route("GET", "/portfolio/withdrawals", "GetWithdrawals", _withdrawals, auth=True),
    Route(
        "GET", "/portfolio/summary/total_resting_order_value", "GetPortfolioRestingOrderTotalValue", _resting_value,
        auth=True,
    ),
    Route("GET", "/portfolio/orders", "GetOrders", _orders, auth=True),
    Route("GET", "/portfolio/orders/queue_positions", "GetOrderQueuePositions", _queue_positions, auth=True),
    Route("GET", "/portfolio/orders/{order_id}", "GetOrder", _order, auth=True, cost=GET_ORDER_COST),
    Route("GET", "/portfolio/orders/{order_id}/queue_position", "GetOrderQueuePosition", _queue_position, auth=True),
]  # fmt: skip
