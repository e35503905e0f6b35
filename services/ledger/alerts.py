"""PURE: of which risk events people are told, when a halt is late, and in which words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import msgspec

from trading_logic.contracts.messages import RiskEvent
from trading_logic.contracts.record import Cause, HaltState

LATE_MS = 15_000
"""With a dead executor a halt takes its lease (6 s), its last request (6 s) and two readings a second apart."""

Event = Literal["Halt", "HaltNotConfirmed", "HaltConfirmed", "Resume"]
_EVENTS: Mapping[str, Event] = {"latched": "Halt", "halted": "HaltConfirmed", "resumed": "Resume"}


class AlertCause(msgspec.Struct, frozen=True):
    """One cause; `rule`, `value` and `limit` are empty for people's halts."""

    source: str
    reason: str
    rule: str
    value: str
    limit: str


class Alert(msgspec.Struct, frozen=True, rename="camel"):
    """The body that is posted. `id` stays the same however often it is sent: a receiver may know it by that.

    `cause` is what the alert is about, `causes` what is latched when it is sent; `resting_orders` is null while the
    exchange has not been read; `time` is RFC 3339 in UTC. `text` says it in a sentence: chats show just that.
    """

    id: str
    event: Event
    policy: str
    namespace: str
    mode: Literal["Paper", "Live"]
    environment: str
    epoch: int
    time: str
    text: str
    cause: AlertCause | None
    causes: tuple[AlertCause, ...]
    resting_orders: int | None


@dataclass(frozen=True, slots=True)
class Who:
    """Whose alerts these are."""

    policy: str
    namespace: str
    mode: Literal["Paper", "Live"]
    environment: str


@dataclass(frozen=True, slots=True)
class Standing:
    """What is so when an alert is sent. `resting` is None while the exchange has not been read."""

    causes: Mapping[str, Cause]
    resting: int | None


def of_event(entry_id: str, event: RiskEvent, who: Who, at: Standing) -> Alert | None:
    """The alert of one entry of the risk events; None for those that nobody is woken for."""
    kind = _EVENTS.get(event.kind)
    if kind is None:
        return None
    cause = AlertCause(event.source, event.reason, event.rule, event.value, event.limit)
    text = {
        "Halt": f"halted by {_words(cause)}; {_resting(at.resting)}",
        "HaltConfirmed": f"halt confirmed: {event.reason}",
        "Resume": f"resumed from {_words(cause)}; {_left(at.causes)}",
    }[kind]
    return _alert(entry_id, kind, event.epoch, event.at_ms, text, cause, who, at)


def not_confirmed(halt: HaltState | None, wall_ms: int, who: Who, at: Standing) -> Alert | None:
    """The alert of a halt that is late, or whose exchange does not answer; None while all is well."""
    if halt is None or halt.state == "confirmed":
        return None
    if halt.state == "draining" and wall_ms - halt.since_ms < LATE_MS:
        return None
    text = f"halt not confirmed after {(wall_ms - halt.since_ms) // 1000} s: {halt.message}; {_resting(at.resting)}"
    oldest = min(at.causes.values(), key=lambda cause: cause.time_ms, default=None)
    cause = None if oldest is None else _cause(oldest)
    return _alert(late_id(halt.epoch), "HaltNotConfirmed", halt.epoch, wall_ms, text, cause, who, at)


def late_id(epoch: int) -> str:
    """Id of the one alert that says of this epoch's halt that it is late."""
    return f"not-confirmed-{epoch}"


def before(entry_id: str) -> str:
    """The stream id just before `entry_id`, so that a reader that starts after it reads that entry."""
    ms, _, seq = entry_id.partition("-")
    return f"{ms}-{int(seq) - 1}" if int(seq) else f"{int(ms) - 1}-{2**64 - 1}"


def _alert(
    id_: str, event: Event, epoch: int, at_ms: int, text: str, cause: AlertCause | None, who: Who, at: Standing
) -> Alert:
    return Alert(
        id=id_,
        event=event,
        policy=who.policy,
        namespace=who.namespace,
        mode=who.mode,
        environment=who.environment,
        epoch=epoch,
        time=datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds"),
        text=f"RiskPolicy {who.policy} ({who.mode}, {who.environment}): {text}",
        cause=cause,
        causes=tuple(_cause(at.causes[id_]) for id_ in sorted(at.causes)),
        resting_orders=at.resting,
    )


def _cause(cause: Cause) -> AlertCause:
    return AlertCause(cause.source, cause.reason, cause.rule, cause.value, cause.limit)


def _words(cause: AlertCause) -> str:
    crossed = f" ({cause.rule}: {cause.value}, limit {cause.limit})" if cause.rule else ""
    return f"{cause.source}: {cause.reason}{crossed}"


def _resting(resting: int | None) -> str:
    return "how many orders rest is not known yet" if resting is None else f"{resting} orders rest"


def _left(causes: Mapping[str, Cause]) -> str:
    if not causes:
        return "trading is allowed again"
    return "still halted by " + ", ".join(sorted({str(cause.source) for cause in causes.values()}))
