"""Winner, spread and total in football from score, clock, possession and strength.

The lead of the home team is taken as a Brownian motion with drift (H. S. Stern, "A Brownian Motion Model for the
Progress of Sports Scores", JASA 89, 1994). With ``t`` the part of regulation that is left::

    P(home wins) = Phi((lead + ball + drift * t) / sqrt(SIGMA^2 * t + DRIVE^2))

- ``SIGMA`` = 13.86 points is the standard deviation of NFL final margins around the point spread (H. S. Stern, "On
  the Probability of Winning a Football Game", The American Statistician 45, 1991).
- ``DRIVE`` = 3 points is the standard deviation of one drive's points (about 22 % end with 7 and 15 % with 3): points
  come in lumps, so the near future is wider than a smooth motion says. It fades with the last minute of the game.
- ``drift`` is the strength of the home team in points per game. At the start ``t = 1`` and ``lead = ball = 0``, so a
  prior probability ``p`` fixes it: ``drift = sqrt(SIGMA^2 + DRIVE^2) * Phi^-1(p)``.
- ``ball`` is what possession is worth in points, after the near-linear expected points by field position that
  V. Carter and R. Machol found ("Operations Research on Football", 1971), with the level of today's game: a straight
  line in yards to go, less for every down used and for a long way to the line to gain. It fades in the last minute
  of a half, when there is no time left to score.

The same lead above another strike prices a spread. The points that are still to come are a Brownian motion too, with
the expected total before the start as its drift, `SIGMA` as its deviation, and what the ball is worth beyond a drive
from the own quarter (own formula)::

    points at the end ~ N(points + total * t + max(0, |ball| - UNPLACED), SIGMA^2 * t + DRIVE^2)

The model is continuous: a tie after regulation is a lead of zero before an overtime of its own ``t``.
"""

from math import sqrt
from typing import Final

from trading_logic.models import game
from trading_logic.models.facts import GameFacts, ModelNumber
from trading_logic.models.outlook import Outlook
from trading_logic.refusal import Refusal

VERSION: Final = "football-2"

SIGMA: Final = 13.86
DRIVE: Final = 3.0
REGULATION_SECONDS: Final = 3_600
OVERTIME_SECONDS: Final = 600
PERIODS: Final = 4

# While the game is on, a last play can always still happen: certainty is for finished games only.
_LEAST_SECONDS: Final = 4.0

_GOAL_LINE_POINTS: Final = 5.8
_POINTS_PER_YARD: Final = 0.062
_DOWN_LOSS: Final = {1: 0.0, 2: 0.45, 3: 1.1, 4: 2.6}
_POINTS_PER_YARD_TO_GAIN: Final = 0.06
_USUAL_DISTANCE: Final = {1: 10, 2: 8, 3: 7, 4: 8}
# A ball about to be kicked off to a team, or one whose place is unknown: a drive from the own quarter.
_UNPLACED_POINTS: Final = 1.0
_FADE_SECONDS: Final = 60


def possession_points(facts: GameFacts) -> float:
    """What the ball is worth to the home team in points: positive when it has it, 0 when nobody does."""
    if not facts.possession:
        return 0.0
    if facts.down and facts.yardline:
        points = _GOAL_LINE_POINTS - _POINTS_PER_YARD * facts.yardline - _DOWN_LOSS[facts.down]
        if facts.distance:
            points -= _POINTS_PER_YARD_TO_GAIN * (facts.distance - _USUAL_DISTANCE[facts.down])
    else:
        points = _UNPLACED_POINTS
    if facts.period not in (1, 3):
        points *= min(1.0, facts.clock_seconds / _FADE_SECONDS)
    return points if facts.possession == "home" else -points


def _malformed(facts: GameFacts) -> Refusal | None:
    """The first fact that no football game can have."""
    bounds = (
        ("period", facts.period, 1, 20),
        ("clockSeconds", facts.clock_seconds, 0, 900),
        ("secondsRemaining", facts.seconds_remaining, 0, REGULATION_SECONDS),
        ("homePoints", facts.home_points, 0, 1_000),
        ("awayPoints", facts.away_points, 0, 1_000),
        ("down", facts.down, 0, 4),
        ("distance", facts.distance, 0, 100),
        ("yardline", facts.yardline, 0, 100),
    )
    for rule, value, least, most in bounds:
        if not least <= value <= most:
            return Refusal(rule, str(value), f"{least} to {most}")
    expected = max(0, PERIODS - facts.period) * 900 + (facts.clock_seconds if facts.period <= PERIODS else 0)
    if facts.seconds_remaining != expected:
        return Refusal("secondsRemaining", str(facts.seconds_remaining), f"{expected} by period and clock")
    return None


def _seconds_left(facts: GameFacts, lead: int) -> float:
    """Playing time left, overtime included once it is certain to be played."""
    if facts.period > PERIODS:
        left = float(min(facts.clock_seconds, OVERTIME_SECONDS))
    elif facts.seconds_remaining == 0 and lead == 0:
        left = float(OVERTIME_SECONDS)
    else:
        left = float(facts.seconds_remaining)
    return max(left, _LEAST_SECONDS)


def game_state(facts: GameFacts) -> ModelNumber | Refusal:
    """Worth of the line that is asked for, by the formulas above."""
    return game.game_state(facts, VERSION, _live)


def _live(facts: GameFacts, drift: float, total: float | None) -> Outlook | Refusal:
    malformed = _malformed(facts)
    if malformed is not None:
        return malformed
    lead = facts.home_points - facts.away_points
    seconds = _seconds_left(facts, lead)
    left = seconds / REGULATION_SECONDS
    ball = possession_points(facts)
    lumps = DRIVE**2 * min(1.0, seconds / _FADE_SECONDS)
    deviation = sqrt(SIGMA**2 * left + lumps)
    points = None
    if total is not None:
        points = facts.home_points + facts.away_points + total * left + max(0.0, abs(ball) - _UNPLACED_POINTS)
    return Outlook(lead + ball + drift * left, deviation, points, deviation)
