"""The most that positions can still lose: what they cost, less the least they can pay.

Counts are signed (above zero YES, below zero NO), costs are what the open part cost without fees, and payoffs are
what one YES pays, in 1/10,000 dollar, per outcome of the game.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Final

import msgspec

from trading_logic.contracts.messages import Line, Outcome
from trading_logic.markets import TIE_PAYOUT
from trading_logic.money import DOLLAR_PRICE, Cash, Count, Price

WINNER_OR_NOTHING: Final[tuple[Price, Price]] = (DOLLAR_PRICE, 0)
"""Payoffs of a market of which nothing is known but that YES pays a dollar or nothing."""


class Position(msgspec.Struct, frozen=True, gc=False):
    """Net position of one market."""

    market: str
    count: Count
    cost: Cash


class Question(msgspec.Struct, frozen=True, gc=False):
    """What a market asks about the final score: who wins, by how much, how many points; strike in 1/100 point."""

    line: Line
    outcome: Outcome
    strike: int


def yes_payoff(asked: Question, lead: int, points: int) -> Price:
    """What one YES pays when the home team ends ahead by `lead` and both have `points`, in 1/100 point."""
    if asked.line == "total":
        return DOLLAR_PRICE if points > asked.strike else 0
    own = lead if asked.outcome == "home" else -lead
    if asked.line == "winner" and own == 0:
        return TIE_PAYOUT
    return DOLLAR_PRICE if own > (asked.strike if asked.line == "spread" else 0) else 0


POINT: Final = 100
"""Scores are whole points; strikes are hundredths and lie between them."""


def game_payoffs(asked: Mapping[str, Question]) -> dict[str, tuple[Price, ...]]:
    """Per market what one YES pays in every way the game can end that its markets tell apart.

    Between two strikes all final scores pay the same, so one of each stretch stands for it. Leads and points are put
    together freely: that also counts some scores that no game can have, so the worst of them is never too good.
    """
    leads: set[int] = set()
    points: set[int] = set()
    for one in asked.values():
        below = one.strike // POINT * POINT  # the highest score that is not above the strike
        if one.line == "total":
            points.add(below)
        elif one.line == "winner":
            leads |= {-POINT, 0}
        else:
            leads.add(below if one.outcome == "home" else -below - POINT)
    ends = list(product(_stretches(leads), _stretches(points)))
    return {market: tuple(yes_payoff(one, lead, total) for lead, total in ends) for market, one in asked.items()}


def _stretches(cuts: set[int]) -> list[int]:
    """One score of each stretch: up to the first cut, from there up to the next, and beyond the last."""
    return [*sorted(cuts), max(cuts) + POINT] if cuts else [0]


class PayoffError(ValueError):
    """Payoffs that do not fit the positions; names the market."""


def payout(count: Count, yes_payoff: Price) -> Cash:
    """What a net position is paid when one YES pays ``yes_payoff``."""
    return count * yes_payoff if count >= 0 else -count * (DOLLAR_PRICE - yes_payoff)


def market_loss(position: Position, payoffs: Sequence[Price] = WINNER_OR_NOTHING) -> Cash:
    """Worst-case loss of one market; never below zero."""
    return game_loss((position,), {position.market: payoffs})


def game_loss(positions: Iterable[Position], payoffs: Mapping[str, Sequence[Price]]) -> Cash:
    """Worst-case loss of all markets of one game over its outcomes; never below zero.

    Args:
        positions: of the game, any number of them.
        payoffs: per market what one YES pays in outcome 0, 1, 2, … of the game: a column is one way it can end.

    Raises:
        PayoffError: a market has no payoffs, as many as no other, or one outside the dollar.
    """
    held = tuple(positions)
    outcomes = len(payoffs[held[0].market]) if held and held[0].market in payoffs else 0
    for position in held:
        row = payoffs.get(position.market)
        if not row or len(row) != outcomes:
            raise PayoffError(
                f"payoffs.{position.market}: {row} is not allowed; allowed: {outcomes or 'some'} outcomes"
            )
        if not all(0 <= payoff <= DOLLAR_PRICE for payoff in row):
            raise PayoffError(f"payoffs.{position.market}: {row} is not allowed; allowed: 0 to {DOLLAR_PRICE}")
    cost = sum(position.cost for position in held)
    paid = (sum(payout(p.count, payoffs[p.market][outcome]) for p in held) for outcome in range(outcomes))
    return max(0, cost - min(paid, default=0))


def portfolio_loss(games: Iterable[Cash]) -> Cash:
    """Worst-case loss of games that end independently: all of them can end at their worst."""
    return sum(games)
