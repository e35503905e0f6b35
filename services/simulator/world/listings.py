"""Series, events and markets as the exchange lists them: the words and strikes that public bodies show."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from services.simulator.engine.fees import FeePlan
from services.simulator.engine.model import DOLLAR, Market
from services.simulator.world.outlook import Outlook
from services.simulator.world.sports import Line, Sport

LINEAR_CENT = ((0, 10_000, 100),)
FEES = FeePlan("quadratic_with_maker_fees")


@dataclass(frozen=True, slots=True)
class SeriesListing:
    ticker: str
    title: str
    tags: tuple[str, ...]
    fees: FeePlan = FEES


@dataclass(slots=True)
class EventListing:
    """One event. ``scope`` and ``competition`` go into ``product_metadata``; empty ones are left out."""

    event_ticker: str
    series_ticker: str
    title: str
    sub_title: str
    collateral_return_type: str
    created_ms: int
    competition: str = ""
    scope: str = ""
    line: Line | None = None
    markets: dict[str, Market] = field(default_factory=dict)

    @property
    def mutually_exclusive(self) -> bool:
        return self.collateral_return_type == "MECNET"


@dataclass(slots=True)
class MarketListing:
    """One market's words, strikes and scheduled times (wall milliseconds).

    ``fair`` is what the flow believes one YES is worth; ``pays`` the settlement value for (home, away) points.
    Markets without a game behind them, as recorded ones, have neither.
    """

    market: Market
    title: str
    yes_sub_title: str
    no_sub_title: str
    rules_primary: str
    rules_secondary: str
    early_close_condition: str
    created_ms: int
    expected_end_ms: int
    scheduled_close_ms: int
    settlement_seconds: int
    strike_type: str = "custom"
    floor_strike: float | None = None
    custom_strike: dict[str, Any] = field(default_factory=dict)
    team: str = ""
    fair: Callable[[Outlook], float] | None = None
    pays: Callable[[int, int], int] | None = None
    expiration_value: str = ""


def spread_strikes(sport: Sport, line: float) -> tuple[list[float], list[float]]:
    """Strikes (home, away) around the opening ``line`` (home favourite positive).

    The favourite gets three and the other team one.
    """
    middle = int(abs(line)) + 0.5
    favourite = [strike for step in (-1, 0, 1) if (strike := middle + step * sport.spread_step) > 0]
    other = [sport.spread_step - 0.5]
    return (favourite, other) if line >= 0 else (other, favourite)


def total_strikes(sport: Sport, line: float) -> list[float]:
    """Three strikes around the opening ``line``."""
    middle = int(line) + 0.5
    return [middle + step * sport.total_step for step in (-1, 0, 1)]


def pays_winner(*, home: bool) -> Callable[[int, int], int]:
    """A tie pays half a dollar to both sides."""

    def pays(home_points: int, away_points: int) -> int:
        if home_points == away_points:
            return DOLLAR // 2
        return DOLLAR if (home_points > away_points) == home else 0

    return pays


def pays_spread(strike: float, *, home: bool) -> Callable[[int, int], int]:
    def pays(home_points: int, away_points: int) -> int:
        lead = home_points - away_points
        return DOLLAR if (lead if home else -lead) > strike else 0

    return pays


def pays_total(strike: float) -> Callable[[int, int], int]:
    def pays(home_points: int, away_points: int) -> int:
        return DOLLAR if home_points + away_points > strike else 0

    return pays


def fair_winner(*, home: bool) -> Callable[[Outlook], float]:
    return lambda seen: seen.home_chance if home else 1.0 - seen.home_chance


def fair_spread(strike: float, *, home: bool) -> Callable[[Outlook], float]:
    return lambda seen: seen.margin_above(strike) if home else 1.0 - seen.margin_above(-strike)


def fair_total(strike: float) -> Callable[[Outlook], float]:
    return lambda seen: seen.total_above(strike)
