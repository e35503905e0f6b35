"""Invented football and basketball games: plausible scores, clocks and pauses from a seed."""

import hashlib
import math
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from statistics import NormalDist

from services.simulator.world.games import GameInfo
from services.simulator.world.sports import FOOTBALL, SPORTS, Sport
from services.simulator.world.timeline import Moment, Situation, Status

MOST_INVENTED = 1000
"""Games of one sport in one world."""
_FIRST_DAY = date(2027, 1, 3)
_STANDARD = NormalDist()
_BREAK_S = 130.0
_HALFTIME_S = 780.0
_LEAST_LEFT = 1e-4
_EASE = 0.004
_POSSESSIONS = 101.5


@dataclass(frozen=True, slots=True)
class Script:
    """A game as it will be shown, in compressed time."""

    info: GameInfo
    moments: list[Moment]
    opening_chance: float


def seeded(seed: int, name: str) -> Random:
    """A stream of its own per name, so that adding a game changes no other."""
    return Random(hashlib.sha256(f"{seed}:{name}".encode()).digest())  # noqa: S311  - a reproducible world, not a secret


def invent(wanted: tuple[tuple[str, int], ...], seed: int, speed: float) -> list[Script]:
    """Games of ``wanted`` (sport, how many); the same seed gives the same games, however many follow them."""
    return [_invent(SPORTS[name], number, seed, speed) for name, games in wanted for number in range(games)]


def _invent(sport: Sport, number: int, seed: int, speed: float) -> Script:
    rng = seeded(seed, f"{sport.name}:{number}")
    codes = sorted(sport.cities)
    slots = len(codes) // 2
    # A team plays once a day: pairs come from one shuffle per day.
    day, slot = divmod(number, slots)
    seeded(seed, f"{sport.name}:day:{day}").shuffle(codes)
    away, home = codes[2 * slot], codes[2 * slot + 1]
    spread = round(rng.gauss(sport.margin_sd * 0.12, sport.margin_sd * 0.45) * 2) / 2
    average = 45.5 if sport is FOOTBALL else 227.5
    total = round(rng.gauss(average, sport.total_sd * 0.25) * 2) / 2
    telling = _Telling(sport, rng, home, away, spread, total)
    (_football if sport is FOOTBALL else _basketball)(telling)
    last = telling.moments[-1]
    info = GameInfo(
        game_id=f"generated-{sport.name}-{seed}-{number}",
        day=_FIRST_DAY + timedelta(days=day),
        home=home,
        away=away,
        home_score=last.home_points,
        away_score=last.away_points,
        season=2026,
        week=18,
        spread_line=spread,
        total_line=total,
        source="generated",
        sport=sport,
    )
    return Script(info, telling.compressed(speed), telling.opening_chance)


class _Telling:
    """A game being told: score, clocks, and the moments so far with offsets in real milliseconds."""

    def __init__(self, sport: Sport, rng: Random, home: str, away: str, spread: float, total: float) -> None:
        self.sport, self.rng, self.home, self.away = sport, rng, home, away
        self.spread, self.total = spread, total
        self.period, self.left = 1, float(sport.period_s)
        self.points = {home: 0, away: 0}
        self.ball = home if rng.random() < 0.5 else away
        self.at_s = 0.0
        self.last_play = ""
        self.moments: list[Moment] = []
        self.opening_chance = _STANDARD.cdf(spread / sport.margin_sd)

    @property
    def lead(self) -> int:
        return self.points[self.home] - self.points[self.away]

    @property
    def clock(self) -> str:
        whole = math.ceil(self.left)
        return f"{whole // 60:02d}:{whole % 60:02d}"

    def other(self) -> str:
        return self.away if self.ball == self.home else self.home

    def chance(self, ball_worth: float) -> float:
        """The home team's chance: the lead, what is left of the line, and what having the ball is worth."""
        left = max(_LEAST_LEFT, self.sport.time_left(self.period, self.clock))
        worth = ball_worth if self.ball == self.home else -ball_worth
        mean = self.lead + left * self.spread + worth * min(1.0, left * 20)
        return _STANDARD.cdf(mean / (self.sport.margin_sd * math.sqrt(left)))

    def show(
        self,
        status: Status = "inprogress",
        *,
        situation: Situation | None = None,
        ball_worth: float = 0.0,
        trying: bool = False,
    ) -> None:
        playing = status == "inprogress"
        chance = float(self.lead > 0) + 0.5 * (self.lead == 0) if status == "closed" else self.chance(ball_worth)
        self.moments.append(
            Moment(
                round(self.at_s * 1000), status, self.period, self.clock, self.points[self.home],
                self.points[self.away], situation if playing else None, self.last_play, trying, chance,
                self.ball if playing else "",
            )
        )  # fmt: skip

    def spend(self, game_s: float, real_s: float) -> bool:
        """Let the game clock run; whether anything is left of the period."""
        self.left = max(0.0, self.left - game_s)
        self.at_s += max(game_s, real_s)
        return self.left > 0

    def turn(self) -> bool:
        """End the period; whether there is another one."""
        sport = self.sport
        self.last_play = f"END QUARTER {self.period}"
        if self.period >= sport.periods and (self.lead or (sport is FOOTBALL and self.period > sport.periods)):
            self.last_play = "END GAME"
            self.show("closed")
            return False
        half = self.period == sport.periods // 2
        self.show("halftime" if half else "inprogress")
        self.at_s += _HALFTIME_S if half else _BREAK_S
        self.period += 1
        self.left = float(sport.overtime_s if self.period > sport.periods else sport.period_s)
        return True

    def compressed(self, speed: float) -> list[Moment]:
        return [
            Moment(
                round(moment.offset_ms / speed), moment.status, moment.quarter, moment.clock, moment.home_points,
                moment.away_points, moment.situation, moment.last_play, moment.pending_try, moment.home_chance,
                moment.possession,
            )
            for moment in self.moments
        ]  # fmt: skip

    def strength(self) -> float:
        """Points the team with the ball scores beyond an even match, as a part of the total."""
        edge = self.spread / (2 * self.total)
        return edge if self.ball == self.home else -edge


def _basketball(game: _Telling) -> None:
    """Possessions of about 14 seconds: misses, free throws, twos and threes, with time-outs between."""
    rng = game.rng
    pace = game.total / (2 * _POSSESSIONS)
    game.show()
    while True:
        playing = True
        while playing:
            playing = game.spend(min(24.0, max(3.0, rng.gauss(14.4, 5.0))), rng.uniform(16.0, 34.0))
            # A team that leads eases off: without it invented margins spread wider than real ones.
            ahead = game.lead if game.ball == game.home else -game.lead
            points = _basket(rng, pace * (1 + 2 * game.strength() - _EASE * ahead))
            game.points[game.ball] += points
            city = game.sport.cities[game.ball]
            words = {0: "misses", 1: "makes one free throw", 2: "makes a 2-point shot", 3: "makes a 3-point shot"}
            game.last_play = f"{city} {words[points]}"
            game.ball = game.other()
            if rng.random() < 0.06:
                game.at_s += rng.uniform(60.0, 150.0)
            game.show(ball_worth=0.5)
        if not game.turn():
            return


def _basket(rng: Random, expected: float) -> int:
    """Points of one possession with mean ``expected`` (about 1.15)."""
    drawn, scale = rng.random(), expected / 1.15
    if drawn < 0.13 * scale:
        return 3
    if drawn < 0.47 * scale:
        return 2
    return 1 if drawn < 0.55 * scale else 0


def _football(game: _Telling) -> None:
    """Drives of plays on a field of 100 yards: gains, punts, field goals, touchdowns and tries."""
    field = _Field(game)
    field.kickoff()
    while True:
        while game.left > 0:
            field.play()
        ended = game.period
        if not game.turn():
            return
        if ended in {game.sport.periods // 2, game.sport.periods}:
            field.kickoff()
        else:
            field.show()


class _Field:
    """Where the ball is: ``to_goal`` yards from the goal that the team with the ball attacks."""

    def __init__(self, game: _Telling) -> None:
        self.game = game
        self.to_goal, self.down, self.to_go = 75, 1, 10

    def show(self) -> None:
        own = self.to_goal >= 50
        game = self.game
        situation = Situation(
            possession=game.ball,
            side=game.ball if own else game.other(),
            yardline=100 - self.to_goal if own else self.to_goal,
            down=self.down,
            to_go=self.to_go,
            goal_to_go=self.to_go == self.to_goal,
        )
        game.show(situation=situation, ball_worth=2.2 - 0.045 * (self.to_goal - 50))

    def kickoff(self) -> None:
        game = self.game
        game.spend(5.0, 12.0)
        game.last_play = f"{game.sport.cities[game.other()]} kicks off"
        self._start(round(min(95.0, max(50.0, game.rng.gauss(72, 6)))))

    def _start(self, to_goal: int) -> None:
        self.to_goal, self.down, self.to_go = to_goal, 1, min(10, to_goal)
        self.show()

    def play(self) -> None:
        game, rng = self.game, self.game.rng
        took = min(42.0, max(4.0, rng.gauss(26.0, 10.0)))
        if self.down == 4:
            self._fourth(took)
            return
        passed = rng.random() < 0.58
        gain = self._gain(passed=passed)
        game.spend(took, took + rng.uniform(14.0, 44.0))
        if rng.random() < 0.022:
            game.last_play = f"{game.sport.cities[game.ball]} turns the ball over"
            game.ball = game.other()
            self._start(min(99, max(1, 100 - self.to_goal + gain)))
            return
        game.last_play = f"{game.sport.cities[game.ball]} {'passes' if passed else 'runs'} for {gain} yards"
        self.to_goal, self.to_go = min(99, self.to_goal - gain), self.to_go - gain
        if self.to_goal <= 0:
            self._score(6, "TOUCHDOWN")
        elif self.to_go <= 0:
            self._start(self.to_goal)
        else:
            self.down += 1
            self.show()

    def _gain(self, *, passed: bool) -> int:
        rng, lift = self.game.rng, 1.13 + 1.6 * self.game.strength() + (self.game.total - 45.5) / 120
        if passed:
            return 0 if rng.random() < 0.36 else round(rng.gammavariate(1.5, 7.4) * lift - 1)
        return round(rng.gauss(4.3 * lift, 4.2))

    def _fourth(self, took: float) -> None:
        game, rng = self.game, self.game.rng
        game.spend(took, took + 25.0)
        city = game.sport.cities[game.ball]
        if self.to_goal > 38:
            game.last_play = f"{city} punts"
            game.ball = game.other()
            self._start(min(95, max(5, 100 - self.to_goal + round(rng.gauss(42, 8)))))
        elif rng.random() < 0.98 - 0.009 * self.to_goal:
            self._score(3, "field goal is GOOD")
        else:
            game.last_play = f"{city} misses the field goal"
            game.ball = game.other()
            self._start(min(95, 100 - self.to_goal + 7))

    def _score(self, points: int, words: str) -> None:
        game = self.game
        game.points[game.ball] += points
        game.last_play = f"{game.sport.cities[game.ball]} {words}"
        if points == 6:
            game.show(ball_worth=1.0, trying=True)
            game.at_s += 30.0
            game.points[game.ball] += game.rng.random() < 0.94
            game.last_play = f"{game.sport.cities[game.ball]} extra point"
        game.ball = game.other()
        game.show()
        game.at_s += 90.0
        if game.left > 0:
            self.kickoff()
