"""A recorded game as a list of moments in compressed time.

The game is compressed, never the clock: a moment's offset is (recorded time - recorded kickoff) / speed, in
wall milliseconds.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal
from uuid import NAMESPACE_URL, uuid5

from services.simulator.world.games import GameInfo, Play

Status = Literal["scheduled", "inprogress", "halftime", "closed"]
_LONGEST_PLAY_S = 8.0
_END_GAME_S = 15.0
_NEXT_S = 20.0


@dataclass(frozen=True, slots=True)
class Situation:
    """Ball and downs as the exchange's live data shows them; ``down`` is None on kickoffs and tries."""

    possession: str
    side: str
    yardline: int
    down: int | None
    to_go: int
    goal_to_go: bool


@dataclass(frozen=True, slots=True)
class Moment:
    """What is known from ``offset_ms`` after kickoff on. ``home_chance`` is for the flow only."""

    offset_ms: int
    status: Status
    quarter: int
    clock: str
    home_points: int
    away_points: int
    situation: Situation | None
    last_play: str
    pending_try: bool
    home_chance: float
    possession: str = ""
    """Team with the ball in sports without downs."""


def team_id(code: str, kind: str = "football_team") -> str:
    """Deterministic structured-target id of a team."""
    return str(uuid5(NAMESPACE_URL, f"touchline:{kind}:{code}"))


def build(game: GameInfo, plays: list[Play], speed: float) -> list[Moment]:
    """Moments in order of time: before each snap its situation, after each play its score and what comes next."""
    starts, ends = _times(plays)
    origin = next(start for start, play in zip(starts, plays, strict=True) if play.started is not None)

    def offset(at: float) -> int:
        return max(0, round((at - origin) * 1000 / speed))

    moments: list[Moment] = []
    home, away, last_play = 0, 0, ""
    for index, play in enumerate(plays):
        if play.kind == "" and not play.text.startswith("END"):
            continue  # the opening row and interruptions change nothing that is shown
        following = plays[index + 1] if index + 1 < len(plays) else play
        status: Status = "inprogress"
        if play.text.startswith("END GAME"):
            status = "closed"
        elif play.text.startswith("END QUARTER 2"):
            status = "halftime"
        if play.kind:
            moments.append(
                Moment(
                    offset(starts[index]), "inprogress", play.quarter, play.clock, home, away,
                    _situation(game, plays, index), last_play, play.kind == "extra_point", play.home_chance,
                )
            )  # fmt: skip
            last_play = play.text
        home, away = play.home_score, play.away_score
        over = status != "inprogress" or play.kind == ""
        clock = "00:00" if over else _clock_after(play, following, ends[index] - starts[index])
        moments.append(
            Moment(
                offset(ends[index]), status, play.quarter, clock, home, away,
                None if over else _situation(game, plays, index + 1), last_play,
                not over and following.kind == "extra_point", following.home_chance,
            )
        )  # fmt: skip
    return moments


def opening_chance(plays: list[Play]) -> float:
    """The home team's chance before kickoff."""
    return plays[0].home_chance


def _times(plays: list[Play]) -> tuple[list[float], list[float]]:
    """Start and end of every play in recorded seconds, never going backwards.

    Missing ones are interpolated.
    """
    known: list[tuple[int, float]] = []
    for index, play in enumerate(plays):
        if play.started is not None and (not known or play.started >= known[-1][1]):
            known.append((index, play.started))
    if not known:
        raise ValueError("a game without a single recorded time")
    starts = [known[0][1]] * len(plays)
    for (left, at), (right, until) in pairwise(known):
        for index in range(left, right + 1):
            starts[index] = at + (until - at) * (index - left) / (right - left)
    last, at = known[-1]
    for index in range(last, len(plays)):
        step = _END_GAME_S if plays[index].text.startswith("END") else _NEXT_S
        starts[index] = at if index == last else starts[index - 1] + step
    ends = []
    for index, play in enumerate(plays):
        ended = play.ended if play.ended is not None else starts[index] + _LONGEST_PLAY_S
        if not play.kind:
            ended = starts[index]
        limit = starts[index + 1] if index + 1 < len(plays) else max(ended, starts[index])
        ends.append(min(max(ended, starts[index]), limit))
    return starts, ends


def _clock_after(play: Play, following: Play, took: float) -> str:
    """The game clock when the play has ended: no lower than at the next snap of the same quarter."""
    floor = _clock_seconds(following.clock) if following.quarter == play.quarter else 0
    left = max(floor, _clock_seconds(play.clock) - round(took))
    return f"{left // 60:02d}:{left % 60:02d}"


def _clock_seconds(clock: str) -> int:
    minutes, seconds = clock.split(":")
    return int(minutes) * 60 + int(seconds)


def _situation(game: GameInfo, plays: list[Play], index: int) -> Situation | None:
    """Situation of the next row that has one, within the quarter's half."""
    for play in plays[index:]:
        if play.text.startswith(("END QUARTER 2", "END QUARTER 4", "END GAME")):
            return None
        if not play.possession or play.yards_to_goal is None:
            continue
        other = game.away if play.possession == game.home else game.home
        own_half = play.yards_to_goal >= 50
        return Situation(
            possession=play.possession,
            side=play.possession if own_half else other,
            yardline=100 - play.yards_to_goal if own_half else play.yards_to_goal,
            down=play.down,
            to_go=play.to_go,
            goal_to_go=play.down is not None and play.to_go == play.yards_to_goal,
        )
    return None
