"""Conditions as the API conventions want them: fixed order, observedGeneration, times that move only on a flip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from touchline_operator.names import Condition, Reason

Status = Literal["True", "False", "Unknown"]
MAX_MESSAGE = 1024


@dataclass(frozen=True, slots=True)
class State:
    """What one condition is now."""

    type: Condition
    status: Status
    reason: str
    message: str = ""


def rfc3339(wall_ms: int) -> str:
    """Seconds precision, UTC, as the API server writes it."""
    return datetime.fromtimestamp(wall_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def conditions(
    before: Sequence[Mapping[str, Any]], now: Sequence[State], order: Sequence[Condition], generation: int, wall_ms: int
) -> list[dict[str, Any]]:
    """The conditions list of a status: all of `order`, Unknown where nothing is known yet."""
    old = {condition["type"]: condition for condition in before}
    states = {state.type: state for state in now}
    out = []
    for kind in order:
        state = states.get(kind, State(kind, "Unknown", Reason.RECONCILING))
        known = old.get(kind)
        flipped = known is None or known["status"] != state.status
        out.append(
            {
                "type": str(kind),
                "status": state.status,
                "observedGeneration": generation,
                "lastTransitionTime": rfc3339(wall_ms) if known is None or flipped else known["lastTransitionTime"],
                "reason": str(state.reason),
                "message": state.message[:MAX_MESSAGE],
            }
        )
    return out
