"""Trading fees with rounding and rebate, from the exchange's fee schedule (July 2026) and its fee-rounding page."""

from dataclasses import dataclass
from typing import Literal

FeeType = Literal["quadratic", "quadratic_with_maker_fees", "quadratic_with_combo_maker_fees"]

DIRECT_MEMBER = 100
"""Balance precision of a direct member: 0.0001 dollar in 1/1,000,000 dollar."""
CENT_MEMBER = 10_000
"""Balance precision of a member behind a clearing firm: one cent."""

# Maker fee as a percentage of the taker fee.
_MAKER_PERCENT: dict[FeeType, int] = {
    "quadratic": 0,
    "quadratic_with_maker_fees": 25,
    "quadratic_with_combo_maker_fees": 50,
}


@dataclass(frozen=True, slots=True)
class FeePlan:
    """Fee type and multiplier (thousandths, so that 0.5 stays exact) of a series or event."""

    fee_type: FeeType
    multiplier_milli: int = 1000


def trade_fee(plan: FeePlan, price: int, count: int, *, is_taker: bool) -> int:
    """Model fee of one fill, rounded up to 1/1,000,000 dollar.

    taker = M x 0.07 x C x P x (1 - P); maker = factor x taker.
    """
    percent = 100 if is_taker else _MAKER_PERCENT[plan.fee_type]
    # 7/100 x multiplier/1000 x percent/100 x count/100 x price/10^4 x (10^4 - price)/10^4 dollars, in 10^-6
    # dollars
    numerator = 7 * plan.multiplier_milli * percent * count * price * (10_000 - price)
    return -(-numerator // 100_000_000_000)


def charge(revenue: int, fee: int, carried: int, precision: int) -> tuple[int, int]:
    """Fee actually charged for one fill and the rounding carried on by its order.

    ``revenue`` is the cash of the fill (negative when it is paid), ``fee`` its ``trade_fee``, ``carried``
    the rounding that the order has
    paid and not got back. The balance change is rounded down to ``precision``; rounding comes back in whole
    multiples of it, and no fee
    falls below zero.
    """
    net = revenue - fee
    rounding = net - net // precision * precision
    carried += rounding
    rebate = min(carried, fee + rounding) // precision * precision
    return fee + rounding - rebate, carried - rebate
