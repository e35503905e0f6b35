from __future__ import annotations

from typing import Any

import pytest

from touchline_operator.decide.events import announcements


def status(kind: str, value: str, reason: str, message: str = "") -> dict[str, Any]:
    return {"conditions": [{"type": kind, "status": value, "reason": reason, "message": message}]}


@pytest.mark.parametrize(
    ("kind", "before", "after", "told"),
    [
        ("Halted", ("False", "NotHalted"), ("False", "Draining"), ["HaltRequested"]),
        ("Halted", ("False", "Draining"), ("False", "HaltPendingVenue"), ["HaltPendingVenue"]),
        ("Halted", ("False", "Draining"), ("True", "Halted"), ["HaltConfirmed"]),
        ("Halted", ("True", "Halted"), ("False", "NotHalted"), ["HaltReleased"]),
        ("Halted", ("Unknown", "Reconciling"), ("False", "NotHalted"), []),
        ("Halted", ("True", "Halted"), ("True", "Halted"), []),
        ("Halted", ("True", "Halted"), ("Unknown", "RecordUnreachable"), []),
        ("Ready", ("Unknown", "Reconciling"), ("False", "ProcessNotReady"), []),
        ("Ready", ("False", "ProcessNotReady"), ("True", "AsWanted"), ["Ready"]),
        ("Ready", ("True", "AsWanted"), ("False", "ProcessNotReady"), ["ProcessNotReady"]),
        ("Ready", ("False", "ProcessNotReady"), ("False", "InvalidSpec"), ["InvalidSpec"]),
        ("Breached", ("False", "WithinLimits"), ("True", "LimitCrossed"), ["LimitCrossed"]),
        ("Breached", ("True", "LimitCrossed"), ("False", "WithinLimits"), []),
        ("Progressing", ("False", "RolloutComplete"), ("True", "RollingOut"), []),
    ],
)
def test_transitions(kind: str, before: tuple[str, str], after: tuple[str, str], told: list[str]) -> None:
    made = announcements(status(kind, *before), status(kind, *after))
    assert [one.reason for one in made] == told


def test_a_change_of_the_message_alone_is_no_event() -> None:
    assert (
        announcements(status("Ready", "False", "InvalidSpec", "a"), status("Ready", "False", "InvalidSpec", "b")) == []
    )


def test_the_first_status_of_a_broken_resource_is_announced() -> None:
    (made,) = announcements({}, status("Ready", "False", "InvalidSpec", "spec.x: unknown"))
    assert (made.type, made.message) == ("Warning", "spec.x: unknown")
