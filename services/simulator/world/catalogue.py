"""Games in play and what is listed for them: events, markets, words, strikes."""

from dataclasses import dataclass, field
from math import ceil
from uuid import NAMESPACE_URL, uuid5

from services.simulator.engine.model import Market
from services.simulator.world import listings as rules
from services.simulator.world.games import GameInfo
from services.simulator.world.listings import FEES, LINEAR_CENT, EventListing, MarketListing, SeriesListing
from services.simulator.world.outlook import Outlook, outlook
from services.simulator.world.sports import NFL_CITIES, SPORTS, Line
from services.simulator.world.timeline import Moment, team_id

__all__ = ["CITIES", "FEES", "LINEAR_CENT", "SERIES", "Game", "open_game"]

SERIES = "KXNFLGAME"
CITIES = NFL_CITIES
_TWO_WEEKS_MS = 14 * 24 * 3600 * 1000

_SERIES_TITLES = {"winner": "game", "spread": "spread", "total": "total points"}
SPORT_SERIES = {
    ticker: SeriesListing(ticker, f"{sport.competition} {_SERIES_TITLES[line]}", (sport.tag,))
    for sport in SPORTS.values()
    for line, ticker in sport.series.items()
}


@dataclass(slots=True)
class Game:
    """One game in play. Times are wall milliseconds; ``now`` is the moment that live data shows.

    ``markets`` are the winner markets; ``events`` and ``listings`` hold everything that is listed.
    """

    info: GameInfo
    kickoff_ms: int
    created_ms: int
    expected_end_ms: int
    scheduled_close_ms: int
    settlement_seconds: int
    moments: list[Moment]
    now: Moment
    opening_chance: float
    events: dict[str, EventListing] = field(default_factory=dict)
    listings: dict[str, MarketListing] = field(default_factory=dict)
    changed_ms: int = 0
    play_ms: int = 0

    @property
    def event_ticker(self) -> str:
        """The main event: who wins."""
        return self.info.event_ticker

    @property
    def markets(self) -> dict[str, Market]:
        return self.events[self.event_ticker].markets

    @property
    def milestone_id(self) -> str:
        return str(uuid5(NAMESPACE_URL, f"touchline:milestone:{self.info.game_id}"))

    @property
    def title(self) -> str:
        return f"{self.city(self.info.away)} at {self.city(self.info.home)}"

    def city(self, team: str) -> str:
        return self.info.sport.cities[team]

    def winner(self) -> str:
        """Team code of the winner, empty while open or after a tie."""
        if self.now.status != "closed" or self.now.home_points == self.now.away_points:
            return ""
        return self.info.home if self.now.home_points > self.now.away_points else self.info.away

    def outlook(self, moment: Moment) -> Outlook:
        info = self.info
        return outlook(info.sport, moment, info.spread_line, info.total_line)

    def team_of(self, ticker: str) -> str:
        """Team code of a market about one team, empty for totals."""
        return self.listings[ticker].team


def open_game(
    info: GameInfo,
    moments: list[Moment],
    chance: float,
    *,
    start_ms: int,
    kickoff_ms: int,
    speed: float,
    settlement_s: int,
    lines: tuple[Line, ...],
) -> Game:
    """A game with the markets of ``lines``, before kickoff; the winner is always listed."""
    sport = info.sport
    opening = f"{sport.period_s // 60:02d}:00"
    first = Moment(0, "scheduled", 1, opening, 0, 0, None, "", pending_try=False, home_chance=chance)
    game = Game(
        info=info,
        kickoff_ms=kickoff_ms,
        created_ms=start_ms,
        expected_end_ms=kickoff_ms + round(sport.typical_s * 1000 / speed),
        scheduled_close_ms=kickoff_ms + _TWO_WEEKS_MS,
        settlement_seconds=settlement_s,
        moments=moments,
        now=first,
        opening_chance=chance,
        changed_ms=start_ms,
    )
    _list_winner(game)
    if "spread" in lines:
        _list_spread(game)
    if "total" in lines:
        _list_total(game)
    return game


def _event(game: Game, line: Line, title: str, collateral: str) -> EventListing:
    info = game.info
    found = EventListing(
        event_ticker=info.ticker(line),
        series_ticker=info.sport.series[line],
        title=title,
        sub_title=f"{info.away} vs {info.home}",
        collateral_return_type=collateral,
        created_ms=game.created_ms,
        competition=info.sport.competition,
        scope={"winner": "Game", "spread": "Spread", "total": "Total"}[line],
        line=line,
    )
    game.events[found.event_ticker] = found
    return found


def _market(game: Game, event: EventListing, suffix: str, title: str, sub_title: str, condition: str) -> MarketListing:
    ticker = f"{event.event_ticker}-{suffix}"
    market = Market(
        ticker=ticker,
        event_ticker=event.event_ticker,
        market_id=str(uuid5(NAMESPACE_URL, f"touchline:market:{ticker}")),
        grid=LINEAR_CENT,
        fees=FEES,
        close_ms=game.scheduled_close_ms,
        updated_ms=game.created_ms,
    )
    event.markets[ticker] = market
    day = game.info.day
    found = game.listings[ticker] = MarketListing(
        market=market,
        title=title,
        yes_sub_title=sub_title,
        no_sub_title=sub_title,
        rules_primary=(
            f"If {condition} the {game.title} {game.info.sport.competition} game originally scheduled for "
            f"{day:%b} {day.day}, {day.year}, then the market resolves to Yes."
        ),
        rules_secondary="",
        early_close_condition="This market will close and expire after a winner is declared.",
        created_ms=game.created_ms,
        expected_end_ms=game.expected_end_ms,
        scheduled_close_ms=game.scheduled_close_ms,
        settlement_seconds=game.settlement_seconds,
    )
    return found


def _list_winner(game: Game) -> None:
    event = _event(game, "winner", f"{game.title} Winner?", "MECNET")
    for team in (game.info.away, game.info.home):
        city, home = game.city(team), team == game.info.home
        found = _market(game, event, team, f"Will {city} win?", city, f"{city} wins")
        found.rules_secondary = "A tie pays 0.50 dollars to both sides."
        found.strike_type = "structured"
        found.custom_strike = {game.info.sport.target_type: team_id(team, game.info.sport.target_type)}
        found.team = team
        found.fair = rules.fair_winner(home=home)
        found.pays = rules.pays_winner(home=home)


def _list_spread(game: Game) -> None:
    event = _event(game, "spread", f"{game.title}: Spread", "DIRECNET")
    home_strikes, away_strikes = rules.spread_strikes(game.info.sport, game.info.spread_line)
    for team, strikes in ((game.info.home, home_strikes), (game.info.away, away_strikes)):
        city, home = game.city(team), team == game.info.home
        for strike in strikes:
            words = f"{city} wins by over {strike} points"
            found = _market(game, event, f"{team}{ceil(strike)}", f"{words}?", words, f"{words} in")
            found.strike_type, found.floor_strike = "greater", strike
            found.custom_strike = {game.info.sport.target_type: team_id(team, game.info.sport.target_type)}
            found.team = team
            found.fair = rules.fair_spread(strike, home=home)
            found.pays = rules.pays_spread(strike, home=home)


def _list_total(game: Game) -> None:
    event = _event(game, "total", f"{game.title}: Total Points", "DIRECNET")
    for strike in rules.total_strikes(game.info.sport, game.info.total_line):
        words = f"Over {strike} points scored"
        condition = f"the teams together score over {strike} points in"
        found = _market(game, event, str(ceil(strike)), f"{words}?", words, condition)
        found.strike_type, found.floor_strike = "greater", strike
        found.fair = rules.fair_total(strike)
        found.pays = rules.pays_total(strike)


def final_word(game: Game, listing: MarketListing) -> str:
    """What the exchange shows as the value that decided a market."""
    home, away = game.now.home_points, game.now.away_points
    if listing.floor_strike is None:
        winner = game.winner()
        return game.city(winner) if winner else "Tie"
    if not listing.team:
        return str(home + away)
    return str(home - away if listing.team == game.info.home else away - home)
