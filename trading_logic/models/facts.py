"""What a fair-value model is given and what it answers."""

from collections.abc import Callable
from typing import Literal

import msgspec

from trading_logic.contracts.messages import Line, Sport
from trading_logic.money import Ppm
from trading_logic.refusal import Refusal


class GameFacts(msgspec.Struct, frozen=True, gc=False):
    """The state of one game and what the market said, from the home team's point of view.

    Attributes:
        clock_seconds: left in the period.
        seconds_remaining: left in regulation, 0 in overtime.
        possession: team with the ball, "" when nobody has it or it is not known.
        down: 1 to 4; 0 between downs (kick-off, try) or unknown.
        distance: yards to a first down, 0 when unknown.
        yardline: yards from the ball to the goal line that the team in possession attacks, 0 when unknown.
        prior_home: probability of a home win before the start in ppm; None when nobody knows it.
        microprice: size-weighted middle of the market in ppm, as the home team's; None when its book has an empty side.
        line: what is asked: who wins, by how much the home team wins, or how many points are scored together.
        strike: 1/100 point; the home team's lead (above zero when it must win by more than that) or the points.
        prior_total: points expected before the start, 1/100 point; None when nobody knows it.
    """

    sport: Sport
    status: Literal["scheduled", "live", "halftime", "final"]
    home_points: int
    away_points: int
    period: int
    clock_seconds: int
    seconds_remaining: int
    possession: Literal["home", "away", ""] = ""
    down: int = 0
    distance: int = 0
    yardline: int = 0
    prior_home: Ppm | None = None
    microprice: Ppm | None = None
    line: Line = "winner"
    strike: int = 0
    prior_total: int | None = None


class ModelNumber(msgspec.Struct, frozen=True, gc=False):
    """A model's answer: what a YES is worth, in ppm of its payout, seen from the home team.

    Of a winner market that is the probability of a home win plus half the probability of a tie; of a spread or a total
    the probability that the final lead of the home team, or the points, are above the strike.
    """

    probability: Ppm
    model: str
    version: str


Model = Callable[[GameFacts], ModelNumber | Refusal]
"""A pure function; a refusal says which fact it lacks."""
