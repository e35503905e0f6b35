"""What the exchange charges for a fill, exactly.

Model fee of ``C`` contracts at price ``P`` dollars with the market's multiplier ``M``::

    taker = M * 0.07 * C * P * (1 - P)          maker = factor(fee_type) * taker

Rounding of one fill, with ``u`` the smallest amount the account's balance is kept in (``Precision``):

1. ``trade_fee`` = model fee rounded up to $0.000001;
2. the balance changes by ``revenue - trade_fee`` rounded down to a multiple of ``u``;
3. ``rounding_fee`` = what that rounding took;
4. rounding fees add up per order and are given back in whole multiples of ``u``, never below a net fee of zero.

Source: Kalshi Fee Schedule (July 2026) and the exchange's page on fee rounding. Prices are in 1/10,000 dollar,
counts in 1/100 contract, cash in 1/1,000,000 dollar.
"""

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from trading_logic.money import DOLLAR_PRICE, ONE_CONTRACT, ONE_PPM, Cash, Count, MoneyError, Ppm, Price, parse_ppm

SCHEDULE_DATE: Final = "2026-07"
"""Month of the published schedule that these rules were written from."""

# Taker fees per fee_type are 7 % of C * P * (1 - P); makers pay this part of them.
_MAKER_QUARTERS: Final = {
    "quadratic": 0,
    "quadratic_with_maker_fees": 1,
    "quadratic_with_combo_maker_fees": 2,
}
# Up to here a lower price always means a lower total cost (1 + 0.07 M (1 - 2P) > 0), which worst_case_fee needs.
_MOST_MULTIPLIER: Final[Ppm] = 10 * ONE_PPM
# M (ppm) * 7 * C (1/100) * P (1/10^4) * (1 - P) (1/10^4) / 100 dollars, in 1/10^6 dollar, times 4 for the quarters.
_DENOMINATOR: Final = 4 * 10**12


class Precision(IntEnum):
    """The unit of an account's balance in cash units."""

    DIRECT = 100  # direct members: $0.0001
    CENT = 10_000  # members behind a broker: $0.01


def parse_multiplier(value: object, field: str) -> Ppm:
    """Fee multiplier in ppm of a JSON number or decimal string: ``0.5`` is 500,000.

    A JSON number that arrived as ``float`` is read by its shortest decimal form, which is what stood on the wire.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise MoneyError(field, value, "a number or decimal string from 0 to 10 with at most 6 decimals")
    text = value if isinstance(value, str) else re.sub(r"\.0$", "", repr(value))
    try:
        return parse_ppm(text, field, most=_MOST_MULTIPLIER)
    except MoneyError as error:
        raise MoneyError(field, value, error.allowed) from error


@dataclass(frozen=True, slots=True)
class FeeSchedule:
    """How a market is charged: its fee type and multiplier in ppm (0 while fees are waived)."""

    fee_type: str
    multiplier: Ppm

    def __post_init__(self) -> None:
        """Refuse what the formula above does not cover: a wrong fee is worse than no trade."""
        if self.fee_type not in _MAKER_QUARTERS:
            raise MoneyError("fee_type", self.fee_type, ", ".join(_MAKER_QUARTERS))
        if not 0 <= self.multiplier <= _MOST_MULTIPLIER:
            raise MoneyError("fee_multiplier", self.multiplier, f"0 to {_MOST_MULTIPLIER} ppm")


@dataclass(frozen=True, slots=True)
class FeeAccount:
    """Rounding fees of one order that were not given back yet. Immutable: each fill returns the next one."""

    precision: Precision
    owed: Cash = 0


@dataclass(frozen=True, slots=True)
class FillFee:
    """The parts of one fill's fee; ``cost`` is what the fill reports as ``fee_cost``."""

    trade_fee: Cash
    rounding_fee: Cash
    rebate: Cash

    @property
    def cost(self) -> Cash:
        return self.trade_fee + self.rounding_fee - self.rebate


def model_fee(schedule: FeeSchedule, price: Price, count: Count, *, is_taker: bool) -> Cash:
    """The formula's fee, rounded up to a cash unit (step 1). The same for YES at P and NO at 1 - P."""
    if not 0 <= price <= DOLLAR_PRICE:
        raise MoneyError("price", price, f"0 to {DOLLAR_PRICE}")
    if count < 0:
        raise MoneyError("count", count, "0 or more")
    quarters = 4 if is_taker else _MAKER_QUARTERS[schedule.fee_type]
    exact = quarters * schedule.multiplier * 7 * count * price * (DOLLAR_PRICE - price)
    return -(-exact // _DENOMINATOR)


def fill_fee(
    schedule: FeeSchedule, account: FeeAccount, *, price: Price, count: Count, is_taker: bool, revenue: Cash
) -> tuple[FillFee, FeeAccount]:
    """Fee of one fill and the order's account after it.

    Args:
        schedule: the market's fees at the time of the fill.
        account: the order's account before the fill.
        price: price of the fill on either side's scale.
        count: contracts filled.
        is_taker: whether the order took liquidity.
        revenue: cash of the fill before fees: ``-price * count`` for a buy, ``+price * count`` for a sale.
    """
    trade_fee = model_fee(schedule, price, count, is_taker=is_taker)
    unit = int(account.precision)
    rounding_fee = (revenue - trade_fee) % unit
    owed = account.owed + rounding_fee
    rebate = min(owed, trade_fee + rounding_fee) // unit * unit
    return FillFee(trade_fee, rounding_fee, rebate), FeeAccount(account.precision, owed - rebate)


def worst_case_fee(schedule: FeeSchedule, price: Price, count: Count, precision: Precision, *, is_taker: bool) -> Cash:
    """Most that a buy of ``count`` at limit ``price`` can pay in fees over its whole life, for sizing and reserving.

    ``price * count + worst_case_fee`` bounds cash spent however the order is split into fills of a contract or
    more at prices at or below the limit: each fill can lose less than one unit to rounding. Fills of less than a
    contract can each add less than one unit more.
    """
    fills = -(-count // ONE_CONTRACT)
    return model_fee(schedule, price, count, is_taker=is_taker) + fills * int(precision)
