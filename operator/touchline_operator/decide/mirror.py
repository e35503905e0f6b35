"""The latch outlives the record: status mirrors it, and a record that is behind its mirror is latched again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from touchline_operator.desired.world import PolicyFacts
from trading_logic.contracts.record import Cause


class Mirror(msgspec.Struct, frozen=True):
    """`status.record`: how far the record had come when the status was written."""

    incarnation: str = ""
    epoch: int = 0
    seq: int = 0


def mirror_of(facts: PolicyFacts) -> dict[str, Any]:
    """What a status says of the record."""
    return {"incarnation": facts.incarnation, "epoch": facts.epoch, "seq": facts.seq}


def behind(status: Mapping[str, Any], facts: PolicyFacts) -> str:
    """How the record differs from its mirror in a way that only a lost or older record can; "" when it does not.

    Raises msgspec.ValidationError for a mirror that is none.
    """
    known = msgspec.convert(status.get("record", {}), Mirror)
    if known.incarnation and facts.incarnation != known.incarnation:
        return f"record incarnation was {known.incarnation}, now {facts.incarnation or 'absent'}"
    if facts.epoch < known.epoch:
        return f"record epoch was {known.epoch}, now {facts.epoch}"
    if facts.seq < known.seq:
        return f"ledger sequence was {known.seq}, now {facts.seq}"
    return ""


def to_assert(status: Mapping[str, Any], facts: PolicyFacts, now_ms: int) -> tuple[Cause, ...]:
    """Causes to latch because the record lost something: the mirrored ones, and RedisChanged itself."""
    why = behind(status, facts)
    if not why:
        return ()
    lost = tuple(_cause(body) for body in (status.get("halt") or {}).get("causes", ()))
    # The ledger names the same loss of identity in the same way: one cause, whoever sees it first.
    known = msgspec.convert(status.get("record", {}), Mirror)
    same = facts.incarnation == known.incarnation
    mark = f"{facts.incarnation}-{known.epoch}-{known.seq}" if same else facts.incarnation or "empty"
    changed = Cause(f"redis-changed-{mark}", "RedisChanged", why, "touchline-operator", now_ms)
    return (*lost, changed)


def _cause(body: Mapping[str, Any]) -> Cause:
    """A cause as `status.halt.causes` holds it."""
    stamp = datetime.fromisoformat(body["time"])
    return msgspec.convert(
        {**{name: body[name] for name in body if name != "time"}, "time_ms": int(stamp.timestamp() * 1000)}, Cause
    )
