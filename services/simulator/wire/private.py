"""JSON bodies of one account's own data."""

from typing import Any

from services.simulator.engine.model import (
    DOLLAR,
    Fill,
    Market,
    Order,
    OrderGroup,
    Placement,
    Position,
    Settlement,
    Side,
)
from services.simulator.wire.times import rfc3339
from trading_logic.money import format_cash, format_count, format_price

Body = dict[str, Any]
_CENT = 10_000
"""One cent in 1/1,000,000 dollar."""


def outcome(side: Side) -> str:
    return "yes" if side == "bid" else "no"


def shown_remaining(order: Order) -> int:
    return order.remaining if order.status == "resting" else 0


def order(found: Order) -> Body:
    body: Body = {
        "order_id": found.order_id,
        "user_id": found.account.user_id,
        "client_order_id": found.client_order_id,
        "ticker": found.market.ticker,
        "outcome_side": outcome(found.side),
        "book_side": found.side,
        "side": outcome(found.side),
        "action": "buy",
        "type": "limit",
        "status": found.status,
        "yes_price_dollars": format_price(found.price),
        "no_price_dollars": format_price(DOLLAR - found.price),
        "initial_count_fp": format_count(found.initial),
        "fill_count_fp": format_count(found.filled),
        "remaining_count_fp": format_count(shown_remaining(found)),
        "taker_fill_cost_dollars": format_cash(found.taker_cost),
        "maker_fill_cost_dollars": format_cash(found.maker_cost),
        "taker_fees_dollars": format_cash(found.taker_fees),
        "maker_fees_dollars": format_cash(found.maker_fees),
        "created_time": rfc3339(found.created_ms),
        "last_update_time": rfc3339(found.updated_ms),
        "self_trade_prevention_type": found.self_trade,
        "cancel_order_on_pause": found.cancel_on_pause,
        "subaccount_number": found.account.number,
        "exchange_index": 0,
    }
    if found.expires_ms is not None:
        body["expiration_time"] = rfc3339(found.expires_ms)
    if found.group is not None:
        body["order_group_id"] = found.group.group_id
    return body


def placed(done: Placement, now_ms: int, *, amended: bool = False) -> Body:
    """Answer to a create, or to an amend: averages only when something was filled."""
    found = done.order
    body: Body = {
        "order_id": found.order_id,
        "fill_count": format_count(done.filled),
        "remaining_count": format_count(shown_remaining(found)),
        "ts_ms": now_ms,
    }
    if found.client_order_id and not amended:
        body["client_order_id"] = found.client_order_id
    if done.filled:
        body["average_fill_price"] = format_price(_nearest(done.value, done.filled))
        body["average_fee_paid"] = format_price(_nearest(done.fees, done.filled))
    return body


def _nearest(total: int, count: int) -> int:
    return (2 * total + count) // (2 * count)


def fill(found: Fill) -> Body:
    return {
        "fill_id": found.trade_id,
        "trade_id": found.trade_id,
        "exchange_index": 0,
        "order_id": found.order_id,
        "ticker": found.ticker,
        "market_ticker": found.ticker,
        "outcome_side": outcome(found.side),
        "book_side": found.side,
        "side": outcome(found.side),
        "action": "buy",
        "count_fp": format_count(found.count),
        "yes_price_dollars": format_price(found.price),
        "no_price_dollars": format_price(DOLLAR - found.price),
        "is_taker": found.is_taker,
        "fee_cost": format_cash(found.fee),
        "created_time": rfc3339(found.ts_ms),
        "ts": found.ts_ms // 1000,
        "subaccount_number": found.subaccount,
    }


def balance(cash: int, positions: dict[str, Position], marks: dict[str, Market], now_ms: int) -> Body:
    """Cash without deduction for resting orders, and positions at their last price."""
    value = 0
    for ticker, position in positions.items():
        last = marks[ticker].last_price
        value += last * position.net if position.net > 0 else (DOLLAR - last) * -position.net
    dollars = format_price(cash // 100)
    return {
        "balance": cash // _CENT,
        "balance_dollars": dollars,
        "portfolio_value": value // _CENT,
        "updated_ts": now_ms // 1000,
        "balance_breakdown": [{"exchange_index": 0, "balance": dollars}],
    }


def market_position(ticker: str, found: Position) -> Body:
    return {
        "ticker": ticker,
        "exchange_index": 0,
        "total_traded_dollars": format_cash(found.traded),
        "position_fp": format_count(found.net),
        "market_exposure_dollars": format_cash(found.cost),
        "realized_pnl_dollars": format_cash(found.realized),
        "fees_paid_dollars": format_cash(found.fees),
        "last_updated_ts": rfc3339(found.updated_ms),
    }


def event_position(event_ticker: str, found: list[Position]) -> Body:
    return {
        "event_ticker": event_ticker,
        "total_cost_dollars": format_cash(sum(position.traded for position in found)),
        "total_cost_shares_fp": format_count(sum(position.volume for position in found)),
        "event_exposure_dollars": format_cash(sum(position.cost for position in found)),
        "realized_pnl_dollars": format_cash(sum(position.realized for position in found)),
        "fees_paid_dollars": format_cash(sum(position.fees for position in found)),
    }


def settlement(found: Settlement) -> Body:
    return {
        "ticker": found.ticker,
        "exchange_index": 0,
        "event_ticker": found.event_ticker,
        "market_result": found.result,
        "yes_count_fp": format_count(found.yes_bought),
        "yes_total_cost_dollars": format_cash(found.yes_cost),
        "no_count_fp": format_count(found.no_bought),
        "no_total_cost_dollars": format_cash(found.no_cost),
        "revenue": found.payout // _CENT,
        "settled_time": rfc3339(found.settled_ms),
        "fee_cost": format_cash(found.fees),
        "value": found.value // 100,
    }


def group_limit(found: OrderGroup) -> str:
    return format_count(found.limit)


def group(found: OrderGroup) -> Body:
    """Group as the list shows it.

    Auto-cancel counts as enabled while the group is armed, that is not triggered.
    """
    return {
        "id": found.group_id,
        "contracts_limit_fp": group_limit(found),
        "is_auto_cancel_enabled": not found.triggered,
        "exchange_index": 0,
    }
