"""Series, events and markets as the exchange lists them: the words and strikes that public bodies show."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from services.simulator.engine.fees import FeePlan
from services.simulator.engine.model import DOLLAR, Grid, Market
from services.simulator.world.outlook import Outlook
from services.simulator.world.sports import Line, Sport
from trading_logic.money import format_price

LINEAR_CENT = ((0, 10_000, 100),)
FEES = FeePlan("quadratic_with_maker_fees")

# Names of the exchange's price structures by their (outer, middle) steps; the bands end at 0.10 and 0.90.
_STRUCTURES = {
    ((0, 10_000, 100),): "linear_cent",
    ((0, 10_000, 10),): "deci_cent",
    ((0, 1_000, 10), (1_000, 9_000, 100), (9_000, 10_000, 10)): "tapered_deci_cent",
    ((0, 1_000, 50), (1_000, 9_000, 100), (9_000, 10_000, 50)): "center_whole_edge_half_cent",
    ((0, 1_000, 20), (1_000, 9_000, 100), (9_000, 10_000, 20)): "center_whole_edge_quint_cent",
    ((0, 10_000, 50),): "center_half_edge_half_cent",
    ((0, 1_000, 20), (1_000, 9_000, 50), (9_000, 10_000, 20)): "center_half_edge_quint_cent",
    ((0, 1_000, 10), (1_000, 9_000, 50), (9_000, 10_000, 10)): "center_half_edge_deci_cent",
    ((0, 10_000, 20),): "center_quint_edge_quint_cent",
    ((0, 1_000, 10), (1_000, 9_000, 20), (9_000, 10_000, 10)): "center_quint_edge_deci_cent",
    ((0, 10_000, 1),): "center_centi_edge_centi_cent",
    ((0, 100, 1), (100, 9_900, 10), (9_900, 10_000, 1)): "center_deci_edge_centi_cent",
}


def price_levels(grid: Grid) -> dict[str, Any]:
    """``price_level_structure`` and ``price_ranges`` of a grid, as bodies show them."""
    ranges = [
        {"start": format_price(start), "end": format_price(end), "step": format_price(step)}
        for start, end, step in grid
    ]
    return {"price_level_structure": _STRUCTURES.get(grid, ""), "price_ranges": ranges}


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
