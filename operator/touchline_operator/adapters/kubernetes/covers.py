"""PURE: whether a live object still says everything that was applied."""

from __future__ import annotations

from typing import Any


def covers(live: Any, wanted: Any) -> bool:
    """True when `live` holds every value of `wanted`; what the API server or others added does not matter.

    Lists must have equal length: something added to a list of ours is drift.
    """
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(
            # A false or empty value of ours may be left out by the API server.
            covers(live[key], value) if key in live else _nothing(value)
            for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        if not isinstance(live, list) or len(live) != len(wanted):
            return False
        if wanted and all(isinstance(one, dict) and "uid" in one for one in [*wanted, *live]):
            # Owners: the API server keeps its own order.
            by_uid = {one["uid"]: one for one in live}
            return all(covers(by_uid.get(one["uid"]), one) for one in wanted)
        return all(covers(one, other) for one, other in zip(live, wanted, strict=True))
    return bool(live == wanted)


def _nothing(value: Any) -> bool:
    return value is False or value is None or (isinstance(value, (str, list, dict)) and not value)
