"""Basketball `details` of the exchange's live data. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Literal

from services.sources.details import MISSING, bad, description, read_status, whole
from services.sources.ports import GameRef
from trading_logic.contracts.messages import GameState
from trading_logic.models.basketball import OVERTIME_SECONDS, PERIOD_SECONDS, PERIODS

_CLOCK: Final = re.compile(r"([0-9]{1,2}):([0-5][0-9])", re.ASCII)


def parse_basketball(source: str, ref: GameRef, details: Mapping[str, Any], received_ms: int) -> GameState:
    """State of the game. Raises SourceError(BadLiveData) naming the field."""
    status = read_status(details)
    if status == "scheduled":
        period, clock = 1, PERIOD_SECONDS
    else:
        period = whole(details, "period", least=1)
        _four_quarters(details, period)
        clock = _clock(details, period)
    over = status == "final" or period > PERIODS
    return GameState(
        source=source,
        game=ref.game,
        sport="basketball",
        status=status,
        home_points=whole(details, "home_points"),
        away_points=whole(details, "away_points"),
        period=period,
        clock_seconds=clock,
        seconds_remaining=0 if over else (PERIODS - period) * PERIOD_SECONDS + clock,
        # Before and after the game there is no ball; some feeds then leave the key out.
        possession=_possession(details) if status in {"live", "halftime"} else "",
        down=0,
        distance=0,
        yardline=0,
        description=description(details),
        received_ms=received_ms,
    )


def _four_quarters(details: Mapping[str, Any], period: int) -> None:
    """Games of two halves have other clocks, which nobody here knows."""
    allowed = "quarter" if period <= PERIODS else "overtime"
    if details.get("period_type", MISSING) != allowed:
        raise bad("period_type", details.get("period_type", MISSING), f"{allowed} in period {period}")


def _clock(details: Mapping[str, Any], period: int) -> int:
    value = details.get("period_remaining_time", MISSING)
    longest = PERIOD_SECONDS if period <= PERIODS else OVERTIME_SECONDS
    match = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    seconds = int(match[1]) * 60 + int(match[2]) if match else -1
    if not 0 <= seconds <= longest:
        raise bad("period_remaining_time", value, f"M:SS from 0:00 to {longest // 60}:00")
    return seconds


def _possession(details: Mapping[str, Any]) -> Literal["home", "away", ""]:
    match details.get("possession", MISSING):
        case "home":
            return "home"
        case "away":
            return "away"
        case "" | None:
            return ""
        case other:
            raise bad("possession", other, "home, away, or empty")
