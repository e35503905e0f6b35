"""How much: fractional Kelly of what is not held yet, clipped by every limit of the policy. Pure."""

from __future__ import annotations

from typing import Final

import msgspec

from services.decision.view import RiskView
from trading_logic.contracts.config import Limits
from trading_logic.contracts.messages import Side, Sizing
from trading_logic.money import ONE_CONTRACT, ONE_PPM, Cash, Count, Ppm, Price, format_cash, format_fraction
from trading_logic.refusal import Refusal
from trading_logic.sizing import Sized, Terms, size, worst_cost

AVAILABLE: Final = "available at the price"


def entry_size(
    terms: Terms,
    *,
    side: Side,
    price: Price,
    probability: Ppm,
    kelly_ppm: Ppm,
    limits: Limits,
    view: RiskView,
    market: str,
    game: str,
    available: Count | None,
) -> tuple[Sized | Refusal, Sizing]:
    """The entry that fits everything or the rule that leaves too little, and how it came to that.

    Args:
        terms: what the market charges.
        side: to buy.
        price: limit in the side's own dollars.
        probability: that this side pays.
        kelly_ppm: fraction of the full Kelly stake.
        limits: of the policy.
        view: of the record; its equity is above zero.
        market: whose holdings count against the Kelly stake and the position limits.
        game: whose holdings count against `maxGameFraction`.
        available: count for sale at `price`; None when the order would rest.
    """
    wanted = size(terms, side=side, price=price, probability=probability, equity=view.equity, kelly=kelly_ppm)
    held = view.held(market)
    rooms = {
        "kelly": wanted.stake - held,
        "maxPositionDollars": limits.max_position_cash - held,
        "maxPositionFraction": _part(view.equity, limits.max_position_fraction_ppm) - held,
        "maxGameFraction": _part(view.equity, limits.max_game_fraction_ppm) - view.by_game.get(game, 0),
        "maxExposureFraction": _part(view.equity, limits.max_exposure_fraction_ppm) - view.total,
    }
    known = Sizing(view.equity, kelly_ppm, wanted.stake, held, rooms, available, clipped_by="", count=0, cost=0)
    if wanted.count == 0 or wanted.stake <= held:
        value = f"stake {format_cash(wanted.stake)}, held {format_cash(held)}"
        return Refusal("kelly", value, f"a contract more at a fraction of {format_fraction(kelly_ppm)}"), known
    binding = min(rooms, key=lambda rule: rooms[rule])
    # A contract's own worst cost bounds its part of a larger order: fees only round up once.
    unit = worst_cost(terms, price, ONE_CONTRACT)
    most: Count = max(0, rooms[binding]) // unit * ONE_CONTRACT
    if available is not None and available < most:
        binding, most = AVAILABLE, available
    count = min(wanted.count, most // terms.step * terms.step)
    cost = worst_cost(terms, price, count)
    known = msgspec.structs.replace(known, clipped_by=binding, count=count, cost=cost)
    if cost < max(limits.min_position_cash, 1):
        value = f"{format_cash(cost)}, left by {binding}"
        return Refusal("minPositionDollars", value, format_cash(limits.min_position_cash)), known
    return msgspec.structs.replace(wanted, count=count, cost=cost), known


def _part(equity: Cash, ppm: Ppm) -> Cash:
    return max(0, equity * ppm // ONE_PPM)
