"""Series, events, markets and milestones of the games in play: what the public API shows about them."""

from dataclasses import dataclass, field
from uuid import NAMESPACE_URL, uuid5

from services.simulator.engine.fees import FeePlan
from services.simulator.engine.model import Market
from services.simulator.world.games import GameInfo
from services.simulator.world.timeline import Moment, team_id

SERIES = "KXNFLGAME"
LINEAR_CENT = ((0, 10_000, 100),)
FEES = FeePlan("quadratic_with_maker_fees")
_TWO_WEEKS_MS = 14 * 24 * 3600 * 1000
_TYPICAL_GAME_S = 3 * 3600

CITIES = {
    "ARI": "Arizona", "ATL": "Atlanta", "BAL": "Baltimore", "BUF": "Buffalo", "CAR": "Carolina", "CHI": "Chicago",
    "CIN": "Cincinnati", "CLE": "Cleveland", "DAL": "Dallas", "DEN": "Denver", "DET": "Detroit", "GB": "Green Bay",
    "HOU": "Houston", "IND": "Indianapolis", "JAX": "Jacksonville", "KC": "Kansas City", "LA": "Los Angeles R",
    "LAC": "Los Angeles C", "LV": "Las Vegas", "MIA": "Miami", "MIN": "Minnesota", "NE": "New England",
    "NO": "New Orleans", "NYG": "New York G", "NYJ": "New York J", "PHI": "Philadelphia", "PIT": "Pittsburgh",
    "SEA": "Seattle", "SF": "San Francisco", "TB": "Tampa Bay", "TEN": "Tennessee", "WAS": "Washington",
}  # fmt: skip


@dataclass(slots=True)
class Game:
    """One game in play. Times are wall milliseconds; ``now`` is the moment that live data shows."""

    info: GameInfo
    kickoff_ms: int
    created_ms: int
    expected_end_ms: int
    scheduled_close_ms: int
    settlement_seconds: int
    moments: list[Moment]
    now: Moment
    opening_chance: float
    markets: dict[str, Market] = field(default_factory=dict)
    changed_ms: int = 0
    play_ms: int = 0

    @property
    def event_ticker(self) -> str:
        return self.info.event_ticker

    @property
    def milestone_id(self) -> str:
        return str(uuid5(NAMESPACE_URL, f"touchline:milestone:{self.info.game_id}"))

    @property
    def title(self) -> str:
        return f"{CITIES[self.info.away]} at {CITIES[self.info.home]}"

    def winner(self) -> str:
        """Team code of the winner, empty while open or after a tie."""
        if self.now.status != "closed" or self.now.home_points == self.now.away_points:
            return ""
        return self.info.home if self.now.home_points > self.now.away_points else self.info.away

    def team_of(self, ticker: str) -> str:
        return ticker.rsplit("-", 1)[1]

    def target_of(self, ticker: str) -> str:
        return team_id(self.team_of(ticker))


def open_game(
    info: GameInfo,
    moments: list[Moment],
    chance: float,
    *,
    start_ms: int,
    kickoff_ms: int,
    speed: float,
    settlement_s: int,
) -> Game:
    """A game with its two winner markets, before kickoff."""
    first = Moment(0, "scheduled", 1, "15:00", 0, 0, None, "", pending_try=False, home_chance=chance)
    game = Game(
        info=info,
        kickoff_ms=kickoff_ms,
        created_ms=start_ms,
        expected_end_ms=kickoff_ms + round(_TYPICAL_GAME_S * 1000 / speed),
        scheduled_close_ms=kickoff_ms + _TWO_WEEKS_MS,
        settlement_seconds=settlement_s,
        moments=moments,
        now=first,
        opening_chance=chance,
        changed_ms=start_ms,
    )
    for team in (info.away, info.home):
        ticker = f"{info.event_ticker}-{team}"
        game.markets[ticker] = Market(
            ticker=ticker,
            event_ticker=info.event_ticker,
            market_id=str(uuid5(NAMESPACE_URL, f"touchline:market:{ticker}")),
            grid=LINEAR_CENT,
            fees=FEES,
            close_ms=game.scheduled_close_ms,
            updated_ms=start_ms,
        )
    return game
