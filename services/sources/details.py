"""What the exchange's live data of every sport shares, read strictly: a wrong clock is worse than no clock. Pure.

The exchange publishes no schema for it, so every key that is used is checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from services.sources.ports import SourceError

Status = Literal["scheduled", "live", "halftime", "final"]

STATUS: Final[Mapping[str, Status]] = {
    "scheduled": "scheduled",
    "created": "scheduled",
    "live": "live",
    "inprogress": "live",
    "in_progress": "live",
    "halftime": "halftime",
    "closed": "final",
    "complete": "final",
    "ended": "final",
}
MISSING: Final = object()
"""What a key that is not there reads as."""


def bad(field: str, value: object, allowed: str) -> SourceError:
    """The error of a member that cannot be used."""
    shown = "missing" if value is MISSING else f"{value!r}, allowed"
    return SourceError("BadLiveData", f"details.{field}: {shown}: {allowed}")


def read_status(details: Mapping[str, Any]) -> Status:
    """Where the game stands."""
    value = details.get("status", MISSING)
    if not isinstance(value, str) or value not in STATUS:
        raise bad("status", value, f"one of {', '.join(STATUS)}")
    return STATUS[value]


def whole(details: Mapping[str, Any], key: str, *, least: int = 0, where: str = "") -> int:
    """A whole number, which the exchange has been seen to send as a JSON number or as its text."""
    value = details.get(key, MISSING)
    number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
    if isinstance(number, bool) or not isinstance(number, int) or number < least:
        raise bad(where + key, value, f"a whole number of at least {least}")
    return number


def description(details: Mapping[str, Any]) -> str:
    """The last play in words, for people: absent before the first."""
    play = details.get("last_play")
    if isinstance(play, Mapping):
        play = play.get("description")
    return play[:300] if isinstance(play, str) else ""
