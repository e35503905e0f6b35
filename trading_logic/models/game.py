"""What the game-state models of all sports do alike: exact after the end, the prior's word before the start."""

from collections.abc import Callable
from typing import Final

from trading_logic.models.facts import GameFacts, ModelNumber
from trading_logic.models.outlook import NORMAL, POINT, WHOLE_GAME, Outlook, bad_prior, bad_total, settled, worth
from trading_logic.money import ONE_PPM, Ppm
from trading_logic.refusal import Refusal

NAME: Final = "game-state"

Live = Callable[[GameFacts, float, float | None], Outlook | Refusal]
"""Where a game under way may end, from its facts, the home team's strength in points per game and the points that were
expected before the start (None when nobody knows them)."""


def game_state(facts: GameFacts, version: str, live: Live) -> ModelNumber | Refusal:
    """Worth of the line that is asked for. Exact once the game is final; before its start what the prior says."""
    answer = _answer(facts, live)
    return answer if isinstance(answer, Refusal) else ModelNumber(answer, NAME, version)


def _answer(facts: GameFacts, live: Live) -> Ppm | Refusal:
    if facts.status == "final":
        return settled(facts.home_points, facts.away_points, facts.line, facts.strike)
    if facts.line == "winner" and facts.status == "scheduled":
        return bad_prior(facts.prior_home) or facts.prior_home or 0
    found = _outlook(facts, live)
    return found if isinstance(found, Refusal) else worth(found, facts.line, facts.strike)


def _outlook(facts: GameFacts, live: Live) -> Outlook | Refusal:
    """Where the game may end, seen from now. Totals need only the expected total, leads only the strength."""
    bad = bad_total(facts.prior_total) if facts.line == "total" else bad_prior(facts.prior_home)
    if bad is not None:
        return bad
    prior = ONE_PPM // 2 if facts.prior_home is None else facts.prior_home
    total = None if facts.prior_total is None else facts.prior_total / POINT
    whole = WHOLE_GAME[facts.sport]
    strength = whole.lead * NORMAL.inv_cdf(prior / ONE_PPM)
    if facts.status == "scheduled":
        return Outlook(strength, whole.lead, total, whole.points)
    return live(facts, strength, total)
