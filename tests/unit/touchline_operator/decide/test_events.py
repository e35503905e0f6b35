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


@pytest.mark.parametrize(
    ("between", "epochs", "told"),
    [
        (("Unknown", "RecordUnreachable"), (4, 4), []),
        (("True", "Halted"), (4, 4), []),
        (("False", "NotHalted"), (None, 5), ["HaltRequested"]),
        (("False", "Draining"), (4, 5), ["HaltRequested"]),
        (("True", "Halted"), (4, 5), ["HaltRequested"]),
    ],
)
def test_one_halt_is_asked_for_once(
    between: tuple[str, str], epochs: tuple[int | None, int | None], told: list[str]
) -> None:
    was, now = status("Halted", *between), status("Halted", "False", "Draining")
    before, after = (
        made | ({"halt": {"epoch": epoch}} if epoch is not None else {})
        for made, epoch in zip((was, now), epochs, strict=True)
    )
    assert [one.reason for one in announcements(before, after)] == told
