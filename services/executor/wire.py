"""PURE: an intent as an order, the last look before the socket, and what an answer means."""

from __future__ import annotations

from services.exchange import models
from trading_logic.contracts.config import Entry, Limits
from trading_logic.contracts.messages import Intent
from trading_logic.refusal import Refusal

ROLLING_WINDOW_S = 15
MAX_GROUP_CONTRACTS = 1_000_000


def order_of(intent: Intent, client_order_id: str, group: str, now_ms: int) -> models.CreateOrder:
    """The order of an intent. Entries buy their side; exits sell it, immediately or not at all, and only reduce.

    A resting order expires by itself: the venue is the dead man's switch of an executor that is gone.
    """
    buys_yes = (intent.side == "yes") == (intent.kind == "entry")
    yes_price = intent.price if intent.side == "yes" else 10_000 - intent.price
    rests = intent.kind == "entry" and intent.style == "Rest"
    return models.CreateOrder(
        ticker=intent.market,
        client_order_id=client_order_id,
        side="bid" if buys_yes else "ask",
        price=yes_price,
        count=intent.count,
        time_in_force="good_till_canceled" if rests else "immediate_or_cancel",
        order_group_id=group,
        # The venue counts whole seconds and refuses the present one.
        expiration_ms=now_ms + max(intent.rest_seconds, 1) * 1000 + 999 if rests else None,
        post_only=rests,
        reduce_only=intent.kind == "exit",
        cancel_order_on_pause=rests,
        exchange_index=intent.exchange_index,
    )


def last_look(order: models.CreateOrder, intent: Intent, limits: Limits, entry: Entry, group: str) -> Refusal | None:
    """Check what is about to leave against the policy itself, not against what the decision meant.

    The gate has said yes; this guards against a mistake between the gate and the socket (and is what a
    mutation of that path must not get past).
    """
    paid = order.price if order.side == "bid" else 10_000 - order.price
    if not 0 < order.price < 10_000:
        return Refusal("price", str(order.price), "1 to 9999")
    if order.count <= 0:
        return Refusal("count", str(order.count), "> 0")
    if order.order_group_id != group or not group:
        return Refusal("orderGroup", str(order.order_group_id), group or "none")
    if intent.kind == "exit":
        return None if order.reduce_only else Refusal("reduceOnly", "false", "true")
    if not entry.min_price <= paid <= entry.max_price:
        return Refusal(
            "maxPrice" if paid > entry.max_price else "minPrice", str(paid), f"{entry.min_price} to {entry.max_price}"
        )
    cost = paid * order.count
    if cost > intent.cost:
        return Refusal("cost", str(cost), str(intent.cost))
    if cost > limits.max_position_cash:
        return Refusal("maxPositionDollars", str(cost), str(limits.max_position_cash))
    if order.time_in_force == "good_till_canceled" and order.expiration_ms is None:
        return Refusal("expiration", "none", "set on every resting order")
    return None


def group_limit(limits: Limits, entry: Entry) -> int:
    """Contracts (1/100) that may fill in the exchange's rolling 15 s before it stops us by itself.

    As many entry orders as the policy allows in that time, each of the largest position at the lowest price, and
    the same again for the exits from them.
    """
    orders = max(1, limits.max_orders_per_minute * ROLLING_WINDOW_S // 60)
    contracts = -(-limits.max_position_cash // max(entry.min_price, 1))
    return min(max(2 * orders * contracts, 100), MAX_GROUP_CONTRACTS * 100)
