"""A book whose depth is a recording's, with our own resting orders beside it."""

from bisect import bisect_left, bisect_right
from typing import Literal

from services.simulator.engine.book import Book, HalfBook, Level
from services.simulator.engine.model import Order, Side


class RecordedHalf(HalfBook[Order]):
    """One side. ``levels`` and ``prices`` are our orders; ``shown`` the recorded totals by YES price.

    ``taken`` is what our orders took at a price since the recording last changed it.
    """

    __slots__ = ("shown", "taken")

    def __init__(self, *, best_last: bool) -> None:
        super().__init__(best_last=best_last)
        self.shown: dict[int, int] = {}
        self.taken: dict[int, int] = {}

    def set(self, levels: dict[int, int]) -> None:
        """Start anew from a snapshot."""
        self.shown = levels
        self.taken.clear()

    def change(self, price: int, delta: int) -> int:
        """Apply a recorded change; the price's new total."""
        total = self.shown.get(price, 0) + delta
        if total > 0:
            self.shown[price] = total
        else:
            self.shown.pop(price, None)
        if self.taken:
            self.taken.pop(price, None)
        return total

    def left(self, price: int) -> int:
        """Recorded contracts that are still there for us."""
        return self.shown.get(price, 0) - self.taken.get(price, 0)

    def take(self, price: int, count: int) -> None:
        self.taken[price] = self.taken.get(price, 0) + count

    def within(self, price: int) -> list[int]:
        """Recorded prices at ``price`` or better, best first."""
        prices = sorted(self.shown, reverse=self.best_last)
        if self.best_last:
            return [found for found in prices if found >= price]
        return prices[: bisect_right(prices, price)]

    def own_within(self, price: int) -> list[int]:
        """Prices of our orders at ``price`` or better, in ascending order."""
        if self.best_last:
            return self.prices[bisect_left(self.prices, price) :]
        return self.prices[: bisect_right(self.prices, price)]

    def shown_best(self) -> Level[Order] | None:
        if not self.shown:
            return None
        level: Level[Order] = Level(max(self.shown) if self.best_last else min(self.shown))
        level.total = self.shown[level.price]
        return level

    def ladder(self) -> list[tuple[int, int]]:
        """What the public sees: the recording, without our orders and without what they took."""
        return sorted(self.shown.items())


class RecordedBook(Book[Order]):
    """Public views show the recording alone; ``crossing`` counts what an order of ours could meet."""

    __slots__ = ()

    bids: RecordedHalf
    asks: RecordedHalf

    def __init__(self) -> None:
        self.bids = RecordedHalf(best_last=True)
        self.asks = RecordedHalf(best_last=False)

    def recorded(self, side: Side) -> RecordedHalf:
        return self.bids if side == "bid" else self.asks

    def best_bid(self) -> Level[Order] | None:
        return self.bids.shown_best()

    def best_ask(self) -> Level[Order] | None:
        return self.asks.shown_best()

    def crossing(self, side: Literal["bid", "ask"], price: int) -> int:
        half = self.asks if side == "bid" else self.bids
        own = super().crossing(side, price)
        return own + sum(max(0, half.left(found)) for found in half.within(price))
