"""What a market asks about its game: who wins, by how much, how many points. Pure.

The exchange's strike fields say it: a winner is ``structured`` on a team, a spread is ``greater`` than
``floor_strike`` points for the team in ``custom_strike``, a total the same without a team.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from services.exchange.models import Market
from trading_logic.contracts.messages import Line, Outcome
from trading_logic.markets import Outcome as Side
from trading_logic.markets import winner_side
from trading_logic.models.outlook import MOST_POINTS, POINT


class CatalogError(ValueError):
    """The event exists but cannot be traded; the message names the field, its value and what is allowed."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What YES of a market is about; `strike` in 1/100 point, 0 for a winner."""

    line: Line
    outcome: Outcome
    strike: int


def terms_of(market: Market, home_id: str, away_id: str) -> Terms:
    """Raises CatalogError, and MoneyError for a team that does not play."""
    if market.strike_type == "structured":
        return Terms("winner", _team(market, home_id, away_id), 0)
    if market.strike_type != "greater":
        raise CatalogError(f"market {market.ticker}: strike_type {market.strike_type!r}; allowed: structured, greater")
    strike = _strike(market)
    if market.custom_strike:
        return Terms("spread", _team(market, home_id, away_id), strike)
    return Terms("total", "over", strike)


def _strike(market: Market) -> int:
    """Half points only: then no final score is on the strike."""
    value = market.floor_strike
    hundredths = None if value is None else value * POINT
    if hundredths is None or hundredths % POINT != Decimal(POINT) / 2 or not 0 < hundredths < MOST_POINTS:
        raise CatalogError(f"market {market.ticker}: floor_strike {value}; allowed: 0.5, 1.5, 2.5, …")
    return int(hundredths)


def _team(market: Market, home_id: str, away_id: str) -> Outcome:
    targets = list((market.custom_strike or {}).values())
    if len(targets) != 1 or not isinstance(targets[0], str):
        raise CatalogError(f"market {market.ticker}: custom_strike {market.custom_strike!r}; one team id is needed")
    side = winner_side(targets[0], home_id, away_id, f"{market.ticker}.custom_strike")
    return "home" if side is Side.HOME else "away"
