"""How a game may end: final lead and final points as normal distributions, and what a line is worth under them.

Both are Brownian motions with drift, as H. S. Stern found for the lead ("A Brownian Motion Model for the Progress of
Sports Scores", JASA 89, 1994). For the points the drift is the expected total. Strikes of the exchange end in half a
point, so a final score is never on one and the smooth distribution needs no correction.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import Final

from trading_logic.contracts.messages import CatalogEntry, Line, Sport
from trading_logic.money import ONE_PPM, Ppm
from trading_logic.refusal import Refusal

NORMAL: Final = NormalDist()
POINT: Final = 100
"""Strikes and expected points are in 1/100 point."""

PRIOR_BOUND: Final[Ppm] = 1_000
"""Priors beyond this are not strengths but errors; the normal quantile would run away."""

MOST_POINTS: Final = 1_000 * POINT
PRICE_PPM: Final = 100  # 1/10,000 dollar in ppm of a dollar


@dataclass(frozen=True, slots=True)
class Spread:
    """Standard deviations over a whole game, in points."""

    lead: float
    points: float


WHOLE_GAME: Final[dict[Sport, Spread]] = {
    # Lead: 13.86 around the point spread (Stern 1991, see `football`) and 3 for the last drive's lump. Points: when
    # the scores of two teams do not hang together, their sum varies as their difference does.
    "football": Spread(sqrt(13.86**2 + 3.0**2), 13.86),
    # Own estimate: 320 games of the 2025-26 regular season end with leads of standard deviation 15.0 and totals of
    # 19.0; lines tell the strengths (8 points) and the pace (6 points) that are in these. Both teams play the same
    # number of possessions, so totals vary more than leads.
    "basketball": Spread(12.7, 18.0),
}


@dataclass(frozen=True, slots=True)
class Outlook:
    """Where a game may end: means and standard deviations in points, above zero."""

    lead: float
    lead_deviation: float
    points: float | None
    points_deviation: float


def above(mean: float, deviation: float, strike: int) -> Ppm:
    """Probability that a normal number of this mean and deviation is above the strike."""
    return round(NORMAL.cdf((mean - strike / POINT) / deviation) * ONE_PPM)


def worth(outlook: Outlook, line: Line, strike: int) -> Ppm | Refusal:
    """What a YES of this line is worth before the end. A winner market is a spread at nought."""
    if line != "total":
        return above(outlook.lead, outlook.lead_deviation, strike if line == "spread" else 0)
    if outlook.points is None:
        return Refusal("priorTotal", "missing", "expected points from before the start")
    return above(outlook.points, outlook.points_deviation, strike)


def settled(home: int, away: int, line: Line, strike: int) -> Ppm:
    """What a YES pays at this final score; a tied winner market pays half."""
    lead = home - away
    if line == "winner":
        return ONE_PPM // 2 if lead == 0 else ONE_PPM if lead > 0 else 0
    return ONE_PPM if (lead if line == "spread" else home + away) * POINT > strike else 0


def bad_prior(prior: Ppm | None) -> Refusal | None:
    """Why a prior cannot be used."""
    if prior is None:
        return Refusal("prior", "missing", "a probability from before the start")
    if not PRIOR_BOUND <= prior <= ONE_PPM - PRIOR_BOUND:
        return Refusal("prior", str(prior), f"{PRIOR_BOUND} to {ONE_PPM - PRIOR_BOUND} ppm")
    return None


def bad_total(total: int | None) -> Refusal | None:
    """Why expected points cannot be used; not knowing them is no fault while nobody asks for them."""
    if total is not None and not 0 < total < MOST_POINTS:
        return Refusal("priorTotal", str(total), f"1 to {MOST_POINTS - 1} hundredths of a point")
    return None


def prior_home(entry: CatalogEntry) -> Ppm | None:
    """Probability of a home win before the start, from the event's prices then; None until one is known.

    Two winner prices carry a margin; dividing by their sum takes it out. Of spreads each price tells the expected
    lead, and that the chance to win.
    """
    prices = {m.outcome: m.prior for m in entry.markets if m.line == "winner" and m.prior is not None}
    home, away = prices.get("home"), prices.get("away")
    if home is not None and away is not None and home + away > 0:
        return home * ONE_PPM // (home + away)
    if home is not None:
        return home * PRICE_PPM
    if away is not None:
        return ONE_PPM - away * PRICE_PPM
    deviation = WHOLE_GAME[entry.sport].lead
    leads = [
        (m.strike, m.prior) if m.outcome == "home" else (-m.strike, ONE_PPM // PRICE_PPM - m.prior)
        for m in entry.markets
        if m.line == "spread" and m.prior is not None
    ]
    lead = _expected(leads, deviation)
    return None if lead is None else round(NORMAL.cdf(lead / deviation) * ONE_PPM)


def prior_total(entry: CatalogEntry) -> int | None:
    """Points expected before the start, 1/100 point, from the prices of totals then; None until one is known."""
    known = [(m.strike, m.prior) for m in entry.markets if m.line == "total" and m.prior is not None]
    found = _expected(known, WHOLE_GAME[entry.sport].points)
    return None if found is None else round(found * POINT)


def _expected(prices: Iterable[tuple[int, int]], deviation: float) -> float | None:
    """Mean of the number that these (strike, price of being above it) are about.

    A price near one half tells the most: an error of a cent moves it the least, so it weighs the square of the
    density there.
    """
    total, weights = 0.0, 0.0
    for strike, price in prices:
        chance = price * PRICE_PPM / ONE_PPM
        if PRIOR_BOUND / ONE_PPM <= chance <= 1 - PRIOR_BOUND / ONE_PPM:
            quantile = NORMAL.inv_cdf(chance)
            weight = NORMAL.pdf(quantile) ** 2
            total += weight * (strike / POINT + deviation * quantile)
            weights += weight
    return total / weights if weights else None
