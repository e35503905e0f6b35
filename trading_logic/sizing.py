"""How many contracts to buy: fractional Kelly, net of fees.

A contract that costs ``c`` dollars with its fee and pays one dollar with probability ``q`` has the growth-optimal
stake (J. L. Kelly, "A New Interpretation of Information Rate", Bell System Technical Journal 35, 1956)::

    f* = (q - c) / (1 - c)      of equity, 0 when q <= c

A fraction of it gives up little growth for much less variance. Everything here is integers, rounded against
buying: stakes and counts down, costs up. In cash units one dollar is 1,000,000, so a probability in ppm is also the
expected payout of one contract in cash.
"""

import msgspec

from trading_logic.contracts.messages import Side
from trading_logic.fees import FeeSchedule, Precision, worst_case_fee
from trading_logic.money import DOLLAR_CASH, DOLLAR_PRICE, ONE_CONTRACT, ONE_PPM, Cash, Count, Ppm, Price


class Terms(msgspec.Struct, frozen=True, gc=False):
    """What a buy on one market would be charged.

    Attributes:
        schedule: the market's fees.
        precision: smallest unit of the account's balance.
        is_taker: whether the order takes liquidity.
        step: smallest count that may be bought: ``ONE_CONTRACT``, or 1 where fractions are wanted.
    """

    schedule: FeeSchedule
    precision: Precision
    is_taker: bool
    step: Count = ONE_CONTRACT


class Sized(msgspec.Struct, frozen=True, gc=False):
    """A buy of one side.

    Attributes:
        price: limit in the side's own dollars.
        count: what to buy, a multiple of the step; 0 when there is nothing to gain or the stake is too small.
        cost: most that ``count`` can cost with its fees, which is also all that it can lose.
        edge: expected gain of one contract net of fees in cash; negative when buying loses.
        stake: the cash that fractional Kelly would put at risk.
    """

    side: Side
    price: Price
    count: Count
    cost: Cash
    edge: Cash
    stake: Cash


def worst_cost(terms: Terms, price: Price, count: Count) -> Cash:
    """Most that a buy of ``count`` at limit ``price`` can cost, fees included."""
    if count == 0:
        return 0
    fee = worst_case_fee(terms.schedule, price, count, terms.precision, is_taker=terms.is_taker)
    return price * count + fee


def net_edge(terms: Terms, price: Price, probability: Ppm) -> Cash:
    """Expected gain of buying one contract at ``price`` that pays with ``probability``, net of its worst-case fee."""
    return probability * DOLLAR_CASH // ONE_PPM - worst_cost(terms, price, ONE_CONTRACT)


def size(
    terms: Terms, *, side: Side, price: Price, probability: Ppm, equity: Cash, kelly: Ppm, most: Count | None = None
) -> Sized:
    """Fractional Kelly for buying ``side`` at ``price``.

    Args:
        terms: fees and step of the market.
        side: the side that would be bought.
        price: limit in that side's dollars.
        probability: that this side pays, in ppm.
        equity: of the account; nothing is bought with none.
        kelly: fraction of the full Kelly stake in ppm, 0 to 1,000,000.
        most: count that can be bought at this price; None for no such bound.

    Raises:
        ValueError: an argument is out of its bounds.
    """
    for name, value, least, highest in (
        ("price", price, 1, DOLLAR_PRICE - 1),
        ("probability", probability, 0, ONE_PPM),
        ("kelly", kelly, 0, ONE_PPM),
        ("step", terms.step, 1, ONE_CONTRACT),
    ):
        if not least <= value <= highest:
            raise ValueError(f"{name}: {value} is not allowed; allowed: {least} to {highest}")
    edge = net_edge(terms, price, probability)
    if edge <= 0 or equity <= 0:
        return Sized(side, price, 0, 0, edge, 0)
    # An edge above zero means a unit cost below a dollar: the denominator is positive.
    unit = worst_cost(terms, price, ONE_CONTRACT)
    stake = equity * kelly * edge // (ONE_PPM * (DOLLAR_CASH - unit))
    count = _affordable(terms, price, stake)
    if most is not None:
        count = min(count, max(0, most) // terms.step * terms.step)
    cost = worst_cost(terms, price, count)
    # Less than a contract carries the rounding of a whole one, which can eat its edge.
    if count * probability <= cost * ONE_CONTRACT:
        return Sized(side, price, 0, 0, edge, stake)
    return Sized(side, price, count, cost, edge, stake)


def _affordable(terms: Terms, price: Price, budget: Cash) -> Count:
    """The highest multiple of the step whose worst-case cost is within ``budget``, by bisection."""
    low, high = 0, budget // (price * terms.step)
    while low < high:
        middle = (low + high + 1) // 2
        if worst_cost(terms, price, middle * terms.step) <= budget:
            low = middle
        else:
            high = middle - 1
    return low * terms.step


def best_side(
    terms: Terms, *, yes_ask: Price | None, no_ask: Price | None, probability: Ppm
) -> tuple[Side, Price, Cash] | None:
    """The side worth more than it costs: side, price and net edge in cash; None when neither can be bought.

    Args:
        terms: fees of the market.
        yes_ask: price of a YES, None when none is for sale.
        no_ask: price of a NO in NO dollars, None when none is for sale.
        probability: that YES pays, in ppm.

    The better of the two may still have an edge of zero or less. A tie goes to YES.
    """
    choices: list[tuple[Side, Price, Cash]] = []
    if yes_ask is not None:
        choices.append(("yes", yes_ask, net_edge(terms, yes_ask, probability)))
    if no_ask is not None:
        choices.append(("no", no_ask, net_edge(terms, no_ask, ONE_PPM - probability)))
    return max(choices, key=lambda choice: choice[2], default=None)
