"""The most that positions can still lose: what they cost, less the least they can pay.

Counts are signed (above zero YES, below zero NO), costs are what the open part cost without fees, and payoffs are
what one YES pays, in 1/10,000 dollar, per outcome of the game.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from trading_logic.money import DOLLAR_PRICE, Cash, Count, Price

WINNER_OR_NOTHING: Final[tuple[Price, Price]] = (DOLLAR_PRICE, 0)
"""Payoffs of a market of which nothing is known but that YES pays a dollar or nothing."""


class Position(msgspec.Struct, frozen=True, gc=False):
    """Net position of one market."""

    market: str
    count: Count
    cost: Cash


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
