"""The shipped games: nflverse play-by-play (CC-BY 4.0), read strictly."""

import csv
import gzip
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from importlib.resources import files

from services.simulator.world.sports import FOOTBALL, LINES, SPORTS, Line, Sport

_PLAYS = "nfl_2025_week1.csv.gz"
_GAMES = "nfl_2025_week1_games.csv"


@dataclass(frozen=True, slots=True)
class Play:
    """One recorded row.

    Times are UTC seconds or None where the record has none; ``home_chance`` is the chance before the play.
    """

    started: float | None
    ended: float | None
    quarter: int
    clock: str
    possession: str
    down: int | None
    to_go: int
    yards_to_goal: int | None
    kind: str
    text: str
    home_score: int
    away_score: int
    home_chance: float


@dataclass(frozen=True, slots=True)
class GameInfo:
    """One row of the schedule. ``spread_line`` is points by which the home team is favoured, before the game."""

    game_id: str
    day: date
    home: str
    away: str
    home_score: int
    away_score: int
    season: int
    week: int
    spread_line: float
    total_line: float
    source: str = "nflverse"
    sport: Sport = FOOTBALL

    @property
    def event_ticker(self) -> str:
        return self.ticker("winner")

    def ticker(self, line: Line) -> str:
        """Series-YYMMMDD + away + home, by the US Eastern game day."""
        return f"{self.sport.series[line]}-{self.day:%y%b%d}".upper() + self.away + self.home


class BadGameError(ValueError):
    """A shipped table that cannot be read, with row and column."""


def _rows(name: str) -> Iterator[tuple[int, dict[str, str]]]:
    path = files("services.simulator") / "games" / name
    content = path.read_bytes()
    text = (gzip.decompress(content) if name.endswith(".gz") else content).decode()
    yield from enumerate(csv.DictReader(io.StringIO(text, newline="")), start=2)


def list_games() -> list[GameInfo]:
    """All shipped games in the order of the schedule."""
    return [
        GameInfo(
            game_id=row["game_id"],
            day=date.fromisoformat(row["gameday"]),
            home=row["home_team"],
            away=row["away_team"],
            home_score=int(row["home_score"]),
            away_score=int(row["away_score"]),
            season=int(row["game_id"][:4]),
            week=int(row["week"]),
            spread_line=float(row["spread_line"]),
            total_line=float(row["total_line"]),
        )
        for _, row in _rows(_GAMES)
    ]


def find_games(wanted: str) -> list[GameInfo]:
    """Games named by the ticker of any of their events, or by game id, comma-separated, or ``all``.

    Raises ``LookupError`` naming the unknown one.
    """
    games = list_games()
    if wanted == "all":
        return games
    by_name = {name: game for game in games for name in (game.game_id, *map(game.ticker, LINES))}
    chosen: list[GameInfo] = []
    for name in filter(None, (part.strip() for part in wanted.split(","))):
        game = by_name.get(name)
        if game is None:
            raise LookupError(f"unknown game {name!r}; --list-games shows the shipped ones")
        if game not in chosen:
            chosen.append(game)
    if not chosen:
        raise LookupError("no game named; --list-games shows the shipped ones")
    return chosen


def lines_named(wanted: str, series: Iterable[str] = ()) -> tuple[Line, ...]:
    """What must be listed of each game for all of these events and series to exist; the winner always is."""
    prefixes = {name.strip().partition("-")[0] for name in wanted.split(",")} | set(series)
    return tuple(
        line for line in LINES if line == "winner" or any(sport.series[line] in prefixes for sport in SPORTS.values())
    )


def load_plays(game: GameInfo) -> list[Play]:
    """The game's plays in recorded order; raises ``BadGameError``."""
    found: list[tuple[int, Play]] = []
    for line, row in _rows(_PLAYS):
        if row["game_id"] != game.game_id:
            continue
        try:
            found.append((int(row["order_sequence"]), _play(row)))
        except (KeyError, ValueError) as error:
            raise BadGameError(f"{_PLAYS}, line {line}: {error}") from error
    if not found:
        raise BadGameError(f"{_PLAYS}: no plays of {game.game_id}")
    found.sort(key=lambda pair: pair[0])
    return [play for _, play in found]


def _play(row: dict[str, str]) -> Play:
    return Play(
        started=_seconds(row["time_of_day"]),
        ended=_seconds(row["end_clock_time"]),
        quarter=int(row["qtr"]),
        clock=row["time"] or "00:00",
        possession=row["posteam"],
        down=int(row["down"]) if row["down"] else None,
        to_go=int(row["ydstogo"] or 0),
        yards_to_goal=int(row["yardline_100"]) if row["yardline_100"] else None,
        kind=row["play_type"],
        text=row["desc"],
        home_score=int(row["total_home_score"]),
        away_score=int(row["total_away_score"]),
        home_chance=float(row["vegas_home_wp"]),
    )


def _seconds(text: str) -> float | None:
    return datetime.fromisoformat(text).timestamp() if text else None
