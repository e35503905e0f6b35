"""Football `details` of the exchange's live data, read strictly: a wrong clock is worse than no clock. Pure.

The exchange publishes no schema for it, so every key that is used is checked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Literal

from services.sources.details import MISSING, bad, description, read_status, whole
from services.sources.ports import GameRef
from trading_logic.contracts.messages import GameState

QUARTER_SECONDS: Final = 900
QUARTERS: Final = 4
_CLOCK: Final = re.compile(r"([0-9]{1,2}):([0-5][0-9])", re.ASCII)


def parse_football(source: str, ref: GameRef, details: Mapping[str, Any], received_ms: int) -> GameState:
    """State of the game. Raises SourceError(BadLiveData) naming the field."""
    status = read_status(details)
    home, away = whole(details, "home_points"), whole(details, "away_points")
    if status == "scheduled":
        period, clock = 1, QUARTER_SECONDS
    else:
        period, clock = whole(details, "quarter", least=1), _clock(details)
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
        description=description(details),
        received_ms=received_ms,
    )


def _clock(details: Mapping[str, Any]) -> int:
    value = details.get("clock", MISSING)
    match = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    seconds = int(match[1]) * 60 + int(match[2]) if match else -1
    if not 0 <= seconds <= QUARTER_SECONDS:
        raise bad("clock", value, "MM:SS from 00:00 to 15:00")
    return seconds


def _situation(ref: GameRef, details: Mapping[str, Any]) -> tuple[Literal["home", "away", ""], int, int, int]:
    """Possession, down, distance and yards to the opponent's goal line. Between plays the exchange sends null."""
    found = details.get("situation", MISSING)
    if found is None:
        return "", 0, 0, 0
    if not isinstance(found, Mapping):
        raise bad("situation", found, "an object, or null between plays")
    owner = _team(ref, found, "possession_team_id")
    side = _team(ref, found, "side_team_id")
    yards = whole(found, "yardline", where="situation.")
    if yards > 50:
        raise bad("situation.yardline", yards, "0 to 50")
    to_goal = 100 - yards if side == owner else yards
    if found.get("down", MISSING) is None:  # kick-offs and tries have no down
        return owner, 0, 0, to_goal
    down = whole(found, "down", where="situation.")
    if down > 4:
        raise bad("situation.down", down, "0 to 4, or null on kicks")
    return owner, down, whole(found, "yfd", where="situation."), to_goal


def _team(ref: GameRef, found: Mapping[str, Any], key: str) -> Literal["home", "away"]:
    value = found.get(key, MISSING)
    if value == ref.home_id:
        return "home"
    if value == ref.away_id:
        return "away"
    raise bad(f"situation.{key}", value, f"{ref.home_id} (home) or {ref.away_id} (away)")
