"""What differs between sports: tickers, clocks, words, and how far a final score may still be away."""

from dataclasses import dataclass
from typing import Literal

Line = Literal["winner", "spread", "total"]
LINES: tuple[Line, ...] = ("winner", "spread", "total")

NFL_CITIES = {
    "ARI": "Arizona", "ATL": "Atlanta", "BAL": "Baltimore", "BUF": "Buffalo", "CAR": "Carolina", "CHI": "Chicago",
    "CIN": "Cincinnati", "CLE": "Cleveland", "DAL": "Dallas", "DEN": "Denver", "DET": "Detroit", "GB": "Green Bay",
    "HOU": "Houston", "IND": "Indianapolis", "JAX": "Jacksonville", "KC": "Kansas City", "LA": "Los Angeles R",
    "LAC": "Los Angeles C", "LV": "Las Vegas", "MIA": "Miami", "MIN": "Minnesota", "NE": "New England",
    "NO": "New Orleans", "NYG": "New York G", "NYJ": "New York J", "PHI": "Philadelphia", "PIT": "Pittsburgh",
    "SEA": "Seattle", "SF": "San Francisco", "TB": "Tampa Bay", "TEN": "Tennessee", "WAS": "Washington",
}  # fmt: skip
NBA_CITIES = {
    "ATL": "Atlanta", "BKN": "Brooklyn", "BOS": "Boston", "CHA": "Charlotte", "CHI": "Chicago", "CLE": "Cleveland",
    "DAL": "Dallas", "DEN": "Denver", "DET": "Detroit", "GSW": "Golden State", "HOU": "Houston", "IND": "Indiana",
    "LAC": "Los Angeles C", "LAL": "Los Angeles L", "MEM": "Memphis", "MIA": "Miami", "MIL": "Milwaukee",
    "MIN": "Minnesota", "NOP": "New Orleans", "NYK": "New York", "OKC": "Oklahoma City", "ORL": "Orlando",
    "PHI": "Philadelphia", "PHX": "Phoenix", "POR": "Portland", "SAC": "Sacramento", "SAS": "San Antonio",
    "TOR": "Toronto", "UTA": "Utah", "WAS": "Washington",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sport:
    """One sport as the exchange lists it.

    ``margin_sd`` and ``total_sd`` are points over a whole game. The normal model of a lead in time is
    H. S. Stern, "A Brownian Motion Model for the Progress of Sports Scores", JASA 89 (1994).
    """

    name: str
    league: str
    competition: str
    series: dict[Line, str]
    cities: dict[str, str]
    periods: int
    period_s: int
    overtime_s: int
    typical_s: int
    margin_sd: float
    total_sd: float
    spread_step: int
    total_step: int

    @property
    def milestone_type(self) -> str:
        return f"{self.name}_game"

    @property
    def target_type(self) -> str:
        """Type of the structured target of a team, and its key in ``custom_strike``."""
        return f"{self.name}_team"

    @property
    def tag(self) -> str:
        return self.name.capitalize()

    def time_left(self, period: int, clock: str) -> float:
        """Part of the regular game still to be played: 1 before it, 0 at its end; overtime counts its own clock."""
        minutes, seconds = clock.split(":")
        left = int(minutes) * 60 + int(seconds)
        if period <= self.periods:
            left += (self.periods - period) * self.period_s
        return min(1.0, left / (self.periods * self.period_s))


FOOTBALL = Sport(
    name="football",
    league="NFL",
    competition="Pro Football",
    series={"winner": "KXNFLGAME", "spread": "KXNFLSPREAD", "total": "KXNFLTOTAL"},
    cities=NFL_CITIES,
    periods=4,
    period_s=900,
    overtime_s=600,
    typical_s=3 * 3600,
    margin_sd=13.5,
    total_sd=13.5,
    spread_step=3,
    total_step=7,
)
BASKETBALL = Sport(
    name="basketball",
    league="NBA",
    competition="Pro Basketball (M)",
    series={"winner": "KXNBAGAME", "spread": "KXNBASPREAD", "total": "KXNBATOTAL"},
    cities=NBA_CITIES,
    periods=4,
    period_s=720,
    overtime_s=300,
    typical_s=9000,
    margin_sd=12.5,
    total_sd=19.0,
    spread_step=4,
    total_step=10,
)
SPORTS = {sport.name: sport for sport in (FOOTBALL, BASKETBALL)}
