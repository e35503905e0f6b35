"""The numbers that the gate derives from a RiskPolicy's limits (:class:`trading_logic.contracts.config.Limits`)."""

from typing import Final

from trading_logic.money import ONE_PPM, Cash, Ppm

MAX_INTENT_AGE_MS: Final = 1_000
"""An intent whose tick was received longer ago, or that far in the future, is dropped: its price is history."""

ORDER_WINDOW_MS: Final = 60_000
"""How far back ``maxOrdersPerMinute`` counts."""

_EXIT_SHARE: Final = 5


def orders_allowed(per_minute: int, *, entry: bool) -> int:
    """Orders per minute that this kind of order may use up.

    A fifth of the rate, at least one order, is kept for exits, so that entries can never starve a stop loss. A rate
    of one has nothing to share.
    """
    if not entry or per_minute <= 1:
        return per_minute
    return per_minute - max(1, per_minute // _EXIT_SHARE)


def part_of(equity: Cash, fraction: Ppm) -> Cash:
    """A fraction of equity, rounded down; nothing of an account that is worth less than nothing."""
    return max(0, equity * fraction // ONE_PPM)
