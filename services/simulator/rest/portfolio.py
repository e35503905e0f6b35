"""Reads of one account: balance, positions, fills, settlements, orders, limits."""

from services.simulator.engine.errors import not_found
from services.simulator.engine.model import Position
from services.simulator.limits import GET_ORDER_COST, Budget
from services.simulator.rest.call import Call, Reply, Route
from services.simulator.wire import private as bodies


def _balance(call: Call) -> Reply:
    return Reply(bodies.balance(call.account, call.venue.exchange.markets, call.now_ms))


def _positions(call: Call) -> Reply:
    wanted = call.choice("settlement_status", ("unsettled", "settled", "all")) or "unsettled"
    filters = call.names("count_filter") or ["position", "total_traded"]
    ticker, event = call.query.get("ticker", ""), call.query.get("event_ticker", "")
    markets = call.venue.exchange.markets
    found: list[tuple[str, Position]] = [
        (name, position)
        for name, position in call.account.positions.items()
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
    low, high = call.stamp_ms("min_ts"), call.stamp_ms("max_ts")
    found = [
        fill
        for fill in call.account.fills
        if (not tickers or fill.ticker in tickers)
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
        for settlement in call.account.settlements
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


def _orders(call: Call) -> Reply:
    status = call.choice("status", ("resting", "canceled", "executed"))
    ticker, events = call.query.get("ticker", ""), call.names("event_ticker")
    low, high = call.stamp_ms("min_ts"), call.stamp_ms("max_ts")
    found = [
        order
        for order in call.account.orders.values()
        if status in {"", order.status}
        and ticker in {"", order.market.ticker}
        and (not events or order.market.event_ticker in events)
        and (low is None or order.created_ms >= low)
        and (high is None or order.created_ms <= high)
    ]
    page, cursor = call.newest(found, 100, 1, 1000)
    return Reply({"orders": [bodies.order(order) for order in page], "cursor": cursor})


def _order(call: Call) -> Reply:
    found = call.account.orders.get(call.path["order_id"])
    if found is None:
        raise not_found()
    return Reply({"order": bodies.order(found)})


def _budget(budget: Budget) -> dict[str, int]:
    return {"refill_rate": budget.refill_rate, "bucket_capacity": budget.bucket_capacity}


def _limits(call: Call) -> Reply:
    limiter = call.venue.limiter
    return Reply(
        {
            "usage_tier": limiter.tier_name,
            "read": _budget(limiter.tier.read),
            "write": _budget(limiter.tier.write),
            "grants": [],
        }
    )


ROUTES = [
    Route("GET", "/portfolio/balance", "GetBalance", _balance, auth=True),
    Route("GET", "/portfolio/positions", "GetPositions", _positions, auth=True),
    Route("GET", "/portfolio/fills", "GetFills", _fills, auth=True),
    Route("GET", "/portfolio/settlements", "GetSettlements", _settlements, auth=True),
    Route("GET", "/portfolio/deposits", "GetDeposits", _deposits, auth=True),
    Route("GET", "/portfolio/withdrawals", "GetWithdrawals", _withdrawals, auth=True),
    Route("GET", "/portfolio/orders", "GetOrders", _orders, auth=True),
    Route("GET", "/portfolio/orders/{order_id}", "GetOrder", _order, auth=True, cost=GET_ORDER_COST),
    Route("GET", "/account/limits", "GetAccountApiLimits", _limits, auth=True),
]
