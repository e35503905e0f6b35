"""Events for people: one per transition of a condition, never the record of truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from touchline_operator.names import Condition, Reason


@dataclass(frozen=True, slots=True)
class Announcement:
    """One event."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


HALT_CONFIRMED: Final = "HaltConfirmed"
_SILENT: Final = frozenset({Condition.PROGRESSING})
"""A rollout shows in the condition; an event for each would be noise."""


def announcements(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Announcement]:
    """What changed between two statuses and is worth an event."""
    old = {condition["type"]: condition for condition in before.get("conditions", ())}
    same_halt = _epoch(before) == _epoch(after)
    made = []
    for condition in after.get("conditions", ()):
        known = old.get(condition["type"], {"status": "Unknown", "reason": Reason.RECONCILING})
        if condition["type"] in _SILENT or condition["status"] == "Unknown":
            continue
        halted = condition["type"] == Condition.HALTED
        if (known["status"], known["reason"]) == (condition["status"], condition["reason"]) and (
            same_halt or not halted
        ):
            continue
        if halted and condition["reason"] == Reason.DRAINING and same_halt and "halt" in before:
            # The record was away for a while, or an executor showed up once more: nobody asked again.
            continue
        said = _said(known, condition)
        if said is not None:
            made.append(said)
    return made


def _epoch(status: Mapping[str, Any]) -> object:
    """Which halt a status is about: every new one has another epoch; None without one."""
    return status.get("halt", {}).get("epoch")


def _said(before: Mapping[str, Any], after: Mapping[str, Any]) -> Announcement | None:
    kind, status, reason, message = after["type"], after["status"], after["reason"], after["message"]
    match kind:
        case Condition.HALTED:
            return _halt(before, status, reason, message)
        case Condition.BREACHED:
            return Announcement("Warning", "LimitCrossed", message) if status == "True" else None
        case Condition.POLICY_RESOLVED if status == "True" and before["status"] == "Unknown":
            return None  # as it should be, from the first moment
        case _ if status == "True":
            return Announcement("Normal", reason if kind != Condition.READY else "Ready", message or f"{kind} is true")
        case _ if (
            reason in {Reason.PROCESS_NOT_READY, Reason.RECONCILING, Reason.NO_DATA} and before["status"] != "True"
        ):
            return None  # starting up
        case _:
            wished = reason in {Reason.SUSPENDED, Reason.SCALED_TO_ZERO, Reason.DELETED, Reason.HALTED}
            return Announcement("Normal" if wished else "Warning", reason, message or f"{kind} is false")


def _halt(before: Mapping[str, Any], status: str, reason: str, message: str) -> Announcement | None:
    if status == "True":
        return Announcement("Warning", HALT_CONFIRMED, message)
    if reason == Reason.HALT_PENDING_VENUE:
        return Announcement("Warning", "HaltPendingVenue", message)
    if reason == Reason.DRAINING:
        return Announcement("Warning", "HaltRequested", message)
    if reason == Reason.NOT_HALTED and before["status"] != "Unknown":
        return Announcement("Normal", "HaltReleased", "the latch is empty")
    return None
