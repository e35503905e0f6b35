from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from services.ledger.resume import Halting, HaltSpec, Refused, ResumeSpec, Resuming, Standing, next_step
from trading_logic.contracts.record import Cause
from trading_logic.risk.drawdown import EquityTrack

TRACK = EquityTrack(equity=70, peak=100, day="2026-09-17", day_start=90)
MANUAL = Cause("manual", "Manual", "r", "me", 0)
DRAWDOWN = Cause("drawdown-1", "Drawdown", "r", "ledger", 0)
LOSS = Cause("dailyloss-1", "DailyLoss", "r", "ledger", 0)
GAP = Cause("reconciliation-1", "Reconciliation", "r", "ledger", 0)


def standing(*causes: Cause, **changed: object) -> Standing:
    made = Standing(
        causes={cause.id: cause for cause in causes},
        halt_confirmed=True,
        unclean="",
        track=TRACK,
        day="2026-09-17",
        days={cause.id: "2026-09-17" for cause in causes},
        resumed="",
    )
    return replace(made, **changed)  # type: ignore[arg-type]


def asks(cause: Cause, *, rebaseline: bool = False, halt: bool = False) -> HaltSpec:
    return HaltSpec(halt=halt, resume=ResumeSpec(cause.id, rebaseline))


def test_halt_true_latches_once() -> None:
    assert next_step(HaltSpec(halt=True, halt_reason="why"), standing()) == Halting("why")
    assert next_step(HaltSpec(halt=True), standing(MANUAL)) is None


def test_halt_true_latches_beside_other_causes() -> None:
    assert isinstance(next_step(HaltSpec(halt=True), standing(DRAWDOWN)), Halting)


def test_halt_false_takes_only_the_manual_cause() -> None:
    step = next_step(HaltSpec(), standing(MANUAL, DRAWDOWN))
    assert isinstance(step, Resuming)
    assert (step.cause, step.track, step.once) == (MANUAL, TRACK, "")
    assert next_step(HaltSpec(), standing(DRAWDOWN)) is None


@pytest.mark.parametrize(
    ("changed", "why"),
    [({"halt_confirmed": False}, "not confirmed"), ({"unclean": "cash: 1, 2"}, "not reconciled: cash: 1, 2")],
)
def test_nothing_resumes_before_the_halt_is_over_and_the_books_are_clean(changed: dict[str, object], why: str) -> None:
    for spec in (HaltSpec(), asks(DRAWDOWN)):
        step = next_step(spec, standing(*([DRAWDOWN] if spec.resume else [MANUAL]), **changed))
        assert isinstance(step, Refused)
        assert why in step.why


def test_a_drawdown_is_resumed_with_a_new_peak_and_the_old_one_told() -> None:
    step = next_step(asks(DRAWDOWN), standing(DRAWDOWN))
    assert isinstance(step, Resuming)
    assert step.track.peak == 70
    assert step.note == "peak 0.000070, before 0.000100"
    assert step.once == "drawdown-1"


def test_a_daily_loss_waits_for_the_next_day() -> None:
    assert isinstance(next_step(asks(LOSS), standing(LOSS)), Refused)
    step = next_step(asks(LOSS), standing(LOSS, day="2026-09-18"))
    assert isinstance(step, Resuming)
    assert step.track == TRACK


def test_or_for_a_new_baseline() -> None:
    step = next_step(asks(LOSS, rebaseline=True), standing(LOSS))
    assert isinstance(step, Resuming)
    assert step.track.day_start == 70


def test_a_named_resume_is_done_once() -> None:
    assert next_step(asks(DRAWDOWN), standing(DRAWDOWN, resumed="drawdown-1")) is None
    assert next_step(asks(DRAWDOWN), standing()) is None


def test_the_manual_cause_is_not_resumed_while_the_spec_halts() -> None:
    assert isinstance(next_step(asks(MANUAL, halt=True), standing(MANUAL)), Refused)


def test_a_gap_is_resumed_when_it_closed_or_when_a_person_takes_the_exchanges_word() -> None:
    assert isinstance(next_step(asks(GAP), standing(GAP, unclean="cash")), Refused)
    assert isinstance(next_step(asks(GAP), standing(GAP)), Resuming)
    step = next_step(asks(GAP, rebaseline=True), standing(GAP, unclean="cash"))
    assert isinstance(step, Resuming)
    assert step.accept_cash


def test_the_file_is_parsed_strictly() -> None:
    body = b'{"halt": true, "haltReason": "x", "resume": {"haltID": "a", "rebaseline": true}}'
    assert msgspec.json.decode(body, type=HaltSpec) == HaltSpec(
        halt=True, halt_reason="x", resume=ResumeSpec("a", rebaseline=True)
    )
    assert msgspec.json.decode(b'{"halt": false, "haltReason": "", "resume": null}', type=HaltSpec) == HaltSpec()
    with pytest.raises(msgspec.ValidationError, match="halted"):
        msgspec.json.decode(b'{"halted": true}', type=HaltSpec)
