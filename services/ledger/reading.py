"""PURE: the exchange's words as the ledger's: fills, what a settlement pays, transfers, tops."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from services.exchange import models
from services.exchange.errors import DecodeError
from services.ledger.books import side_price
from trading_logic.contracts.messages import FillReport, TopOfBook
from trading_logic.money import DOLLAR_PRICE

_CASH_PER_PRICE = 100
"""Cash of one dollar over price of one dollar: the venue's cents per YES come as cash."""


def fill_of(fill: models.Fill) -> FillReport:
    """A fill of a reading."""
    return FillReport(
        fill_id=fill.fill_id,
        order_id=fill.order_id,
        market=fill.ticker,
        side=fill.outcome_side,
        yes_price=fill.yes_price,
        count=fill.count,
        is_taker=fill.is_taker,
        fee=fill.fee_cost,
        at_ms=fill.created_time or 0,
    )


def text_of(fill: FillReport) -> str:
    return msgspec.json.encode(fill).decode()


def settlement_text(found: models.Settlement) -> str:
    return msgspec.json.encode(found).decode()


def yes_value(found: models.Settlement) -> int:
    """What one YES pays, as a price. Raises DecodeError for a scalar result without its value."""
    if found.market_result == "yes":
        return DOLLAR_PRICE
    if found.market_result == "no":
        return 0
    if found.value is None:
        raise DecodeError("GET /portfolio/settlements", f"{found.ticker}.value", "missing on a scalar result")
    return found.value // _CASH_PER_PRICE


def applied(transfers: Sequence[models.Transfer], sign: int) -> list[tuple[str, int, str]]:
    """Key, signed amount and text of every transfer that moved money. A fee leaves with it."""
    return [
        (f"transfer:{found.id}", sign * found.amount - found.fee, msgspec.json.encode(found).decode())
        for found in transfers
        if found.status == "applied"
    ]


def cost_of(order: models.Order) -> int:
    """What an order would cost if all that remains of it filled at its limit, without fees."""
    return side_price(order.outcome_side, order.yes_price) * order.remaining_count


def top_of(market: models.Market, now_ms: int) -> TopOfBook:
    """A market's best prices as a reading tells them."""
    return TopOfBook(
        market=market.ticker,
        status="valid",
        yes_bid=market.yes_bid,
        yes_bid_size=market.yes_bid_size,
        yes_ask=market.yes_ask,
        yes_ask_size=market.yes_ask_size,
        session="",
        sid=0,
        seq=0,
        received_ms=now_ms,
        alive_ms=now_ms,
    )
