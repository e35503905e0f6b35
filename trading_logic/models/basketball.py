"""Winner, spread and total in basketball from score, clock, possession and strength.

The lead of the home team is a Brownian motion with drift (H. S. Stern, "A Brownian Motion Model for the Progress of
Sports Scores", JASA 89, 1994, which found it to fit professional basketball). With ``t`` the part of regulation left::

    P(home wins) = Phi((lead + ball + drift * t) / sqrt(SIGMA^2 * t + POSSESSION^2))
    points at the end ~ N(points + total * t + |ball|, SIGMA_TOTAL^2 * t + POSSESSION^2)

- ``SIGMA`` and ``SIGMA_TOTAL`` stand with their source in `outlook.WHOLE_GAME`.
- ``drift`` is fixed by the prior: at the start the formula gives it back.
- ``ball``: a possession is worth about 1.15 points (230 points in 2 * 100 possessions) and ends with the other team's;
  whoever has the ball is half a possession ahead. It fades in the last seconds of a period.
- ``POSSESSION`` = 1.2 points is the standard deviation of one possession's points: the score moves in lumps.

A tie after regulation is a lead of zero before an overtime of its own ``t``.
"""

from math import sqrt
from typing import Final

from trading_logic.models import game
from trading_logic.models.facts import GameFacts, ModelNumber
from trading_logic.models.outlook import WHOLE_GAME, Outlook
from trading_logic.refusal import Refusal

VERSION: Final = "basketball-1"

PERIODS: Final = 4
PERIOD_SECONDS: Final = 720
OVERTIME_SECONDS: Final = 300
REGULATION_SECONDS: Final = PERIODS * PERIOD_SECONDS
BALL_POINTS: Final = 0.575
POSSESSION: Final = 1.2
_POSSESSION_SECONDS: Final = 14.0

# While the game is on, a last shot can always still fall: certainty is for finished games only.
_LEAST_SECONDS: Final = 1.0


def game_state(facts: GameFacts) -> ModelNumber | Refusal:
    """Worth of the line that is asked for, by the formulas above."""
    return game.game_state(facts, VERSION, _live)


def _live(facts: GameFacts, drift: float, total: float | None) -> Outlook | Refusal:
    malformed = _malformed(facts)
    if malformed is not None:
        return malformed
    whole = WHOLE_GAME["basketball"]
    lead = facts.home_points - facts.away_points
    seconds = _seconds_left(facts, lead)
    left = seconds / REGULATION_SECONDS
    nearness = min(1.0, seconds / _POSSESSION_SECONDS)
    ball = {"home": BALL_POINTS, "away": -BALL_POINTS, "": 0.0}[facts.possession]
    ball *= min(1.0, facts.clock_seconds / _POSSESSION_SECONDS)
    lumps = POSSESSION**2 * nearness
    points = None
    if total is not None:
        points = facts.home_points + facts.away_points + total * left + abs(ball)
    return Outlook(
        lead=lead + ball + drift * left,
        lead_deviation=sqrt(whole.lead**2 * left + lumps),
        points=points,
        points_deviation=sqrt(whole.points**2 * left + lumps),
    )


def _malformed(facts: GameFacts) -> Refusal | None:
    """The first fact that no basketball game can have."""
    longest = PERIOD_SECONDS if facts.period <= PERIODS else OVERTIME_SECONDS
    bounds = (
        ("period", facts.period, 1, 20),
        ("clockSeconds", facts.clock_seconds, 0, longest),
        ("secondsRemaining", facts.seconds_remaining, 0, REGULATION_SECONDS),
        ("homePoints", facts.home_points, 0, 1_000),
        ("awayPoints", facts.away_points, 0, 1_000),
    )
    for rule, value, least, most in bounds:
        if not least <= value <= most:
            return Refusal(rule, str(value), f"{least} to {most}")
    expected = max(0, PERIODS - facts.period) * PERIOD_SECONDS + (facts.clock_seconds if facts.period <= PERIODS else 0)
    if facts.seconds_remaining != expected:
        return Refusal("secondsRemaining", str(facts.seconds_remaining), f"{expected} by period and clock")
    return None


def _seconds_left(facts: GameFacts, lead: int) -> float:
    """Playing time left, overtime included once it is certain to be played."""
    if facts.period > PERIODS:
        left = float(facts.clock_seconds)
        if left == 0 and lead == 0:
            left = float(OVERTIME_SECONDS)
    elif facts.seconds_remaining == 0 and lead == 0:
        left = float(OVERTIME_SECONDS)
    else:
        left = float(facts.seconds_remaining)
    return max(left, _LEAST_SECONDS)
