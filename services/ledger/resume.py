"""PURE: what the policy's halt fields ask for, and whether it may be done.

`halt: true` is the cause "manual"; `halt: false` takes it away; `resume.haltID` takes away the named cause, once.
Trading again needs a confirmed halt and clean books: the causes go one by one, the last one opens a new epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from trading_logic.contracts.record import MANUAL_CAUSE, Cause
from trading_logic.money import format_cash
from trading_logic.refusal import Refusal
from trading_logic.risk.drawdown import EquityTrack, resume_daily_loss, resume_drawdown


class ResumeSpec(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Which cause to take away; `rebaseline` accepts the loss as the new start."""

    halt_id: str = msgspec.field(name="haltID")
    rebaseline: bool = False


class HaltSpec(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The policy's fields that people write. An absent file means none of them is set."""

    halt: bool = False
    halt_reason: str = ""
    resume: ResumeSpec | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What a resume is judged by. `refusal` is why books are not clean, "" when they are."""

    causes: Mapping[str, Cause]
    halt_confirmed: bool
    unclean: str
    track: EquityTrack
    day: str
    days: Mapping[str, str]  # cause id -> trading day it was latched on
    resumed: str  # the haltID that was last acted on


@dataclass(frozen=True, slots=True)
class Halting:
    """Latch the manual cause."""

    reason: str


@dataclass(frozen=True, slots=True)
class Resuming:
    """Take one cause away, after the baselines that go with it. `note` tells what they were."""

    cause: Cause
    track: EquityTrack
    note: str
    accept_cash: bool
    once: str  # haltID to remember, "" for `halt: false`


@dataclass(frozen=True, slots=True)
class Refused:
    """A resume that is asked for and not done; tried again as long as it is asked for."""

    halt_id: str
    why: str


Step = Halting | Resuming | Refused | None


def next_step(spec: HaltSpec, at: Standing) -> Step:
    """The one thing to do now."""
    if spec.halt and MANUAL_CAUSE not in at.causes:
        return Halting(spec.halt_reason or "spec.halt is true")
    if not spec.halt and MANUAL_CAUSE in at.causes:
        return _judge(at.causes[MANUAL_CAUSE], at, rebaseline=False, once="")
    resume = spec.resume
    if resume is None or resume.halt_id == at.resumed or resume.halt_id not in at.causes:
        return None
    if resume.halt_id == MANUAL_CAUSE:
        return Refused(MANUAL_CAUSE, "spec.halt is true: set it to false instead")
    return _judge(at.causes[resume.halt_id], at, rebaseline=resume.rebaseline, once=resume.halt_id)


def _judge(cause: Cause, at: Standing, *, rebaseline: bool, once: str) -> Resuming | Refused:
    if not at.halt_confirmed:
        return Refused(cause.id, "the halt is not confirmed yet")
    accept_cash = rebaseline and cause.source == "Reconciliation"
    if at.unclean and not accept_cash:
        return Refused(cause.id, f"books are not reconciled: {at.unclean}")
    track, note = at.track, ""
    if cause.source == "Drawdown":
        track, old = resume_drawdown(track)
        note = f"peak {format_cash(track.peak)}, before {format_cash(old)}"
    elif cause.source == "DailyLoss":
        after = resume_daily_loss(track, breached_day=at.days[cause.id], day=at.day, rebaseline=rebaseline)
        if isinstance(after, Refusal):
            return Refused(cause.id, f"{after.rule}: {after.value}, allowed: {after.limit}")
        note = f"day start {format_cash(after.day_start)}, before {format_cash(track.day_start)}"
        track = after
    return Resuming(cause, track, note, accept_cash, once)
