"""When to leave a position. The decision is pure; the loop reads what is true and asks the gate like any order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trading_logic.contracts.messages import Intent, TopOfBook
from trading_logic.contracts.record import ExitPlanRecord, PositionRecord
from trading_logic.orders import intent_id

FRESH_MS = 2_000
"""A top of book is good for an exit while its feed was heard from this recently."""


@dataclass(frozen=True, slots=True)
class Leave:
    """Sell `count` of `side` at `price` (that side's dollars) because of `rule`."""

    rule: str
    side: Literal["yes", "no"]
    price: int
    count: int


def leave(
    position: PositionRecord, plan: ExitPlanRecord, top: TopOfBook, now_ms: int, *, flatten: bool = False
) -> Leave | None:
    """Whether to sell now: people want it flat, stop loss, take profit, or the time to flatten.

    Only on a fresh and valid book with somebody to sell to, and at most what that best price holds. A plan for the
    other side than the position's is none: the position was turned by something that is not ours to undo, unless
    people say so.
    """
    side: Literal["yes", "no"] = "yes" if position.count > 0 else "no"
    if position.count == 0 or (side != plan.side and not flatten):
        return None
    if top.status != "valid" or now_ms - top.alive_ms > FRESH_MS:
        return None
    bid, size = (top.yes_bid, top.yes_bid_size) if side == "yes" else (10_000 - top.yes_ask, top.yes_ask_size)
    if size <= 0 or not 0 < bid < 10_000:
        return None
    rule = "flatten" if flatten else _rule(plan, bid, now_ms)
    return Leave(rule, side, bid, min(abs(position.count), size)) if rule else None


def _rule(plan: ExitPlanRecord, bid: int, now_ms: int) -> str:
    """What of the plan says to sell at `bid`; "" when nothing does."""
    if bid <= plan.stop_price:
        return "stopLoss"
    if bid >= plan.take_price:
        return "takeProfit"
    return "flattenBeforeCloseSeconds" if plan.flatten_at_ms and now_ms >= plan.flatten_at_ms else ""


def exit_intent(
    strategy: str, uid: str, policy: str, plan: ExitPlanRecord, top: TopOfBook, found: Leave, now_ms: int
) -> Intent:
    """The intent of an exit. Its id names the book it answers, so one book is answered once."""
    signal = f"{top.session}:{top.sid}:{top.seq}"
    return Intent(
        id=intent_id(uid, f"{plan.intent}:{signal}", f"exit:{found.rule}:{top.market}"),
        strategy=strategy,
        strategy_uid=uid,
        policy=policy,
        event=plan.event,
        game=plan.game,
        market=top.market,
        exchange_index=plan.exchange_index,
        kind="exit",
        side=found.side,
        price=found.price,
        count=found.count,
        style="Take",
        rest_seconds=0,
        cost=0,
        exit_plan=None,
        signal_id=signal,
        received_ms=now_ms,
        created_ms=now_ms,
        trace="",
    )
