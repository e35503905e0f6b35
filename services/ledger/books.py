"""PURE: cash and positions as a function of fills, settlements and transfers.

Units: prices 1/10,000 dollar, counts 1/100 contract, cash 1/1,000,000 dollar, so that price * count is cash exactly.
The venue nets: one signed count per market, buying the other side closes first and gives that part's price back
(Kalshi, "Order direction"). At all times

    cash + cost of the open positions == opening worth + transfers + realized - fees
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from trading_logic.contracts.messages import FillReport, Side
from trading_logic.money import DOLLAR_PRICE


@dataclass(frozen=True, slots=True)
class Holding:
    """Net position of one market: `count` above zero YES, below NO; `cost` is of the open part, without fees."""

    count: int = 0
    cost: int = 0
    realized: int = 0
    fees: int = 0


NOTHING = Holding()


@dataclass(frozen=True, slots=True)
class Books:
    """The account. Markets without a position are not in `holdings`; `realized` and `fees` are of all time."""

    cash: int
    realized: int = 0
    fees: int = 0
    holdings: Mapping[str, Holding] = field(default_factory=dict)

    def holding(self, market: str) -> Holding:
        return self.holdings.get(market, NOTHING)

    @property
    def cost(self) -> int:
        """What the open positions cost."""
        return sum(holding.cost for holding in self.holdings.values())


def side_price(side: Side, yes_price: int) -> int:
    """Price of one contract of `side`, in its own dollars."""
    return yes_price if side == "yes" else DOLLAR_PRICE - yes_price


def _with(books: Books, market: str, holding: Holding, *, cash: int, realized: int, fees: int) -> Books:
    holdings = dict(books.holdings)
    if holding.count:
        holdings[market] = holding
    else:
        holdings.pop(market, None)
    return Books(books.cash + cash, books.realized + realized, books.fees + fees, holdings)


def apply_fill(books: Books, fill: FillReport) -> Books:
    """Books after one fill. Raises ValueError for a fill of nothing."""
    if fill.count <= 0:
        raise ValueError(f"fill {fill.fill_id}: count {fill.count}, allowed: above 0")
    held = books.holding(fill.market)
    signed = fill.count if fill.side == "yes" else -fill.count
    closing = min(fill.count, abs(held.count)) if held.count * signed < 0 else 0
    opening = fill.count - closing
    cash = -fill.fee
    cost, gained = held.cost, 0
    if closing:
        # Buying one side at p ends a contract of the other, which was worth one dollar minus p.
        proceeds = (DOLLAR_PRICE - side_price(fill.side, fill.yes_price)) * closing
        share = cost * closing // abs(held.count)
        cost -= share
        gained = proceeds - share
        cash += proceeds
    paid = side_price(fill.side, fill.yes_price) * opening
    after = Holding(held.count + signed, cost + paid, held.realized + gained, held.fees + fill.fee)
    return _with(books, fill.market, after, cash=cash - paid, realized=gained, fees=fill.fee)


def payout(count: int, value: int) -> int:
    """Cash that a net position is paid when one YES pays `value`."""
    return value * count if count >= 0 else (DOLLAR_PRICE - value) * -count


def apply_settlement(books: Books, market: str, value: int) -> Books:
    """Books after a market settled: the net position is paid and gone."""
    held = books.holding(market)
    paid = payout(held.count, value)
    return _with(books, market, NOTHING, cash=paid, realized=paid - held.cost, fees=0)


def apply_transfer(books: Books, amount: int) -> Books:
    """Books after a deposit (above zero) or a withdrawal."""
    return replace(books, cash=books.cash + amount)
