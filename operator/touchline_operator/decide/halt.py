"""How far a halt has come, from the record's facts alone."""

from __future__ import annotations

from typing import Any

from touchline_operator.api import RiskPolicy
from touchline_operator.decide.conditions import State, rfc3339
from touchline_operator.desired.world import PolicyFacts
from touchline_operator.names import Condition, Reason
from trading_logic.contracts.record import MANUAL_CAUSE, Cause

MAX_TEXT, MAX_BY, MAX_ID, MAX_RULE, MAX_CAUSES = 4096, 512, 128, 64, 64
"""The schema's bounds of status.halt: one text too long would have the whole status refused, and the halt unseen."""


def manual_cause(policy: RiskPolicy, now_ms: int) -> Cause | None:
    """The cause that `spec.halt: true` stands for, or None."""
    if not policy.spec.halt:
        return None
    return Cause(
        id=MANUAL_CAUSE,
        source="Manual",
        reason=policy.spec.halt_reason or "spec.halt",
        by="spec.halt",
        time_ms=now_ms,
    )


def halted_state(facts: PolicyFacts | None, running: int) -> State:
    """The Halted condition: True only when nothing rests, everybody acknowledged and `running` executors are 0."""
    if facts is None:
        return State(Condition.HALTED, "Unknown", Reason.RECORD_UNREACHABLE, "the record Redis does not answer")
    if not facts.latched:
        return State(Condition.HALTED, "False", Reason.NOT_HALTED)
    causes = "; ".join(f"{cause.source}: {cause.reason or cause.id}" for cause in facts.causes)
    resting = facts.halt.resting if facts.halt else -1
    rest = "resting orders not yet counted" if resting < 0 else f"{resting} orders rest"
    if facts.confirmed and running == 0:
        return State(Condition.HALTED, "True", Reason.HALTED, causes)
    if facts.halt is not None and facts.stopped and not facts.confirmed:
        return State(Condition.HALTED, "False", Reason.HALT_PENDING_VENUE, f"{rest}; {facts.halt.message}; {causes}")
    return State(Condition.HALTED, "False", Reason.DRAINING, f"{rest}, {running} executors run; {causes}")


def halt_status(facts: PolicyFacts) -> dict[str, Any] | None:
    """`status.halt`: the latch as it stands and how far the halt is; None while trading is allowed."""
    if not facts.latched:
        return None
    causes = [_cause(cause) for cause in sorted(facts.causes, key=lambda cause: (cause.time_ms, cause.id))]
    first = causes[0]
    out: dict[str, Any] = {
        **{field: first[field] for field in ("id", "source", "reason", "by", "time")},
        "epoch": facts.epoch,
        "state": facts.halt.state if facts.halt else "draining",
        "causes": causes[:MAX_CAUSES],
    }
    if facts.halt is not None:
        out["restingOrders"] = facts.halt.resting
        if facts.halt.confirmed_ms:
            out["confirmedTime"] = rfc3339(facts.halt.confirmed_ms)
    return out


def _cause(cause: Cause) -> dict[str, Any]:
    """One cause within the schema's bounds. A text that is cut is still in the record, whole."""
    return {
        "id": cause.id[:MAX_ID],
        "source": cause.source,
        "reason": cause.reason[:MAX_TEXT],
        "by": cause.by[:MAX_BY],
        "time": rfc3339(cause.time_ms),
        "rule": cause.rule[:MAX_RULE],
        "value": cause.value[:MAX_TEXT],
        "limit": cause.limit[:MAX_TEXT],
    }
