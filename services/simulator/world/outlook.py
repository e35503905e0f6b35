"""What a moment of a game says of its final margin and total: the flow's own numbers, never shown."""

import math
from dataclasses import dataclass
from statistics import NormalDist

from services.simulator.world.sports import Sport
from services.simulator.world.timeline import Moment

_STANDARD = NormalDist()
_SURE = 0.998
_LEAST_LEFT = 0.002


@dataclass(frozen=True, slots=True)
class Outlook:
    """Final margin (home minus away) and total as normal variables; a deviation of 0 means known."""

    home_chance: float
    margin: float
    margin_sd: float
    total: float
    total_sd: float

    def margin_above(self, line: float) -> float:
        """Chance that home minus away ends above ``line`` points."""
        return _above(self.margin, self.margin_sd, line)

    def total_above(self, line: float) -> float:
        """Chance that both teams together end above ``line`` points."""
        return _above(self.total, self.total_sd, line)


def outlook(sport: Sport, moment: Moment, opening_margin: float, opening_total: float) -> Outlook:
    """Margin and total as ``moment`` lets them be expected.

    The mean margin is the one that gives the moment's home chance, as far as that chance says anything: near 0
    and 1 it gives way to the lead plus what is left of the opening line.
    """
    points, lead = moment.home_points + moment.away_points, moment.home_points - moment.away_points
    if moment.status == "closed":
        return Outlook(moment.home_chance, lead, 0.0, points, 0.0)
    left = 1.0 if moment.status == "scheduled" else sport.time_left(moment.quarter, moment.clock)
    root = math.sqrt(max(left, _LEAST_LEFT))
    chance = min(max(moment.home_chance, 1 - _SURE), _SURE)
    told = sport.margin_sd * root * _STANDARD.inv_cdf(chance)
    weight = 4 * chance * (1 - chance)
    margin = weight * told + (1 - weight) * (lead + left * opening_margin)
    return Outlook(
        moment.home_chance, margin, sport.margin_sd * root, points + left * opening_total, sport.total_sd * root
    )


def _above(mean: float, deviation: float, line: float) -> float:
    if deviation == 0:
        return 1.0 if mean > line else 0.0
    return _STANDARD.cdf((mean - line) / deviation)
