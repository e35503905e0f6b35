"""What a decision must know of a market besides its prices: grid, fees, status, close. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from trading_logic.contracts.messages import CatalogEntry, MarketInfo, Side
from trading_logic.fees import FeeSchedule, Precision
from trading_logic.markets import PriceGrid
from trading_logic.money import DOLLAR_PRICE, Price
from trading_logic.sizing import Terms

PRECISION: Final = Precision.DIRECT
"""The account is a direct member's: its balance is kept in 1/10,000 dollar."""


@dataclass(frozen=True, slots=True)
class MarketTerms:
    """One market as the catalog describes it."""

    game: str
    exchange_index: int
    exchange_active: bool
    info: MarketInfo
    grid: PriceGrid
    schedule: FeeSchedule

    def terms(self, *, is_taker: bool) -> Terms:
        """What a buy would be charged."""
        return Terms(schedule=self.schedule, precision=PRECISION, is_taker=is_taker)

    def next_up(self, side: Side, price: Price) -> Price | None:
        """The lowest legal price above `price`, in the side's own dollars."""
        if side == "yes":
            return self.grid.next_up(price)
        mirrored = self.grid.next_down(DOLLAR_PRICE - price)
        return None if mirrored is None else DOLLAR_PRICE - mirrored

    def nearest(self, side: Side, price: Price) -> Price:
        """The highest legal price not above `price`, in the side's own dollars; the lowest legal one when none is."""
        if side == "yes":
            found = self.grid.floor(price)
            return self.grid.prices[0] if found is None else found
        mirrored = self.grid.ceil(DOLLAR_PRICE - price)
        return DOLLAR_PRICE - (self.grid.prices[-1] if mirrored is None else mirrored)


def market_terms(entry: CatalogEntry) -> dict[str, MarketTerms]:
    """Terms of every market of the event. Raises MoneyError when a grid or a fee is not understood."""
    schedule = FeeSchedule(entry.fee_type, entry.fee_multiplier_ppm)
    found: dict[str, MarketTerms] = {}
    for info in entry.markets:
        ranges = [{"start": start, "end": end, "step": step} for start, end, step in info.price_ranges]
        grid = PriceGrid.from_ranges(ranges, f"{info.market}.price_ranges")
        found[info.market] = MarketTerms(entry.game, entry.exchange_index, entry.exchange_active, info, grid, schedule)
    return found
