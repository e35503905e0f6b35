"""Football `details` of the exchange's live data, read strictly: a wrong clock is worse than no clock. Pure.

The exchange publishes no schema for it, so every key that is used is checked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Literal

from services.sources.ports import GameRef, SourceError
from trading_logic.contracts.messages import GameState

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
QUARTER_SECONDS: Final = 900
QUARTERS: Final = 4
_CLOCK: Final = re.compile(r"([0-9]{1,2}):([0-5][0-9])", re.ASCII)
_MISSING: Final = object()


def parse_football(source: str, ref: GameRef, details: Mapping[str, Any], received_ms: int) -> GameState:
    """State of the game. Raises SourceError(BadLiveData) naming the field."""
    status = _status(details)
    home, away = _whole(details, "home_points"), _whole(details, "away_points")
    if status == "scheduled":
        period, clock = 1, QUARTER_SECONDS
    else:
        period, clock = _whole(details, "quarter", least=1), _clock(details)
    over = status == "final" or period > QUARTERS
    remaining = 0 if over else (QUARTERS - period) * QUARTER_SECONDS + clock
    # Before and after the game there is no ball; some feeds then leave the key out.
    possession, down, distance, yardline = _situation(ref, details) if status in {"live", "halftime"} else ("", 0, 0, 0)
    return GameState(
        source=source,
        game=ref.game,
        sport="football",
        status=status,
        home_points=home,
        away_points=away,
        period=period,
        clock_seconds=clock,
        seconds_remaining=remaining,
        possession=possession,
        down=down,
        distance=distance,
        yardline=yardline,
        description=_description(details),
        received_ms=received_ms,
    )


def _bad(field: str, value: object, allowed: str) -> SourceError:
    shown = "missing" if value is _MISSING else f"{value!r}, allowed"
    return SourceError("BadLiveData", f"details.{field}: {shown}: {allowed}")


def _status(details: Mapping[str, Any]) -> Status:
    value = details.get("status", _MISSING)
    if not isinstance(value, str) or value not in STATUS:
        raise _bad("status", value, f"one of {', '.join(STATUS)}")
    return STATUS[value]


def _whole(details: Mapping[str, Any], key: str, *, least: int = 0, where: str = "") -> int:
    """A whole number, which the exchange has been seen to send as a JSON number or as its text."""
    value = details.get(key, _MISSING)
    number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
    if isinstance(number, bool) or not isinstance(number, int) or number < least:
        raise _bad(where + key, value, f"a whole number of at least {least}")
    return number


def _clock(details: Mapping[str, Any]) -> int:
    value = details.get("clock", _MISSING)
    match = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    seconds = int(match[1]) * 60 + int(match[2]) if match else -1
    if not 0 <= seconds <= QUARTER_SECONDS:
        raise _bad("clock", value, "MM:SS from 00:00 to 15:00")
    return seconds


def _situation(ref: GameRef, details: Mapping[str, Any]) -> tuple[Literal["home", "away", ""], int, int, int]:
    """Possession, down, distance and yards to the opponent's goal line. Between plays the exchange sends null."""
    found = details.get("situation", _MISSING)
    if found is None:
        return "", 0, 0, 0
    if not isinstance(found, Mapping):
        raise _bad("situation", found, "an object, or null between plays")
    owner = _team(ref, found, "possession_team_id")
    side = _team(ref, found, "side_team_id")
    yards = _whole(found, "yardline", where="situation.")
    if yards > 50:
        raise _bad("situation.yardline", yards, "0 to 50")
    to_goal = 100 - yards if side == owner else yards
    if found.get("down", _MISSING) is None:  # kick-offs and tries have no down
        return owner, 0, 0, to_goal
    down = _whole(found, "down", where="situation.")
    if down > 4:
        raise _bad("situation.down", down, "0 to 4, or null on kicks")
    return owner, down, _whole(found, "yfd", where="situation."), to_goal


def _team(ref: GameRef, found: Mapping[str, Any], key: str) -> Literal["home", "away"]:
    value = found.get(key, _MISSING)
    if value == ref.home_id:
        return "home"
    if value == ref.away_id:
        return "away"
    raise _bad(f"situation.{key}", value, f"{ref.home_id} (home) or {ref.away_id} (away)")


def _description(details: Mapping[str, Any]) -> str:
    """The last play in words, for people: absent before the first."""
    play = details.get("last_play")
    if isinstance(play, Mapping):
        play = play.get("description")
    return play[:300] if isinstance(play, str) else ""
