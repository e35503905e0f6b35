"""One market's book: price levels in order, first come first served inside a level."""

from bisect import bisect_left, insort
from collections import OrderedDict
from typing import Generic, Literal, Protocol, TypeVar


class Resting(Protocol):
    order_id: str
    price: int
    remaining: int


O = TypeVar("O", bound=Resting)  # noqa: E741  - the element of the book: an order


class Level(Generic[O]):
    """Orders at one price, oldest first, and their total."""

    __slots__ = ("orders", "price", "total")

    def __init__(self, price: int) -> None:
        self.price = price
        self.total = 0
        self.orders: OrderedDict[str, O] = OrderedDict()

    def first(self) -> O:
        return next(iter(self.orders.values()))


class HalfBook(Generic[O]):
    """One side. ``prices`` is ascending on both sides; the best bid is the last, the best ask the first."""

    __slots__ = ("best_last", "levels", "prices")

    def __init__(self, *, best_last: bool) -> None:
        self.best_last = best_last
        self.levels: dict[int, Level[O]] = {}
        self.prices: list[int] = []

    def best(self) -> Level[O] | None:
        if not self.prices:
            return None
        return self.levels[self.prices[-1 if self.best_last else 0]]

    def add(self, order: O) -> None:
        level = self.levels.get(order.price)
        if level is None:
            level = self.levels[order.price] = Level(order.price)
            insort(self.prices, order.price)
        level.orders[order.order_id] = order
        level.total += order.remaining

    def reduce(self, order: O, count: int) -> None:
        """Take ``count`` off a resting order, which keeps its place; the caller lowers ``remaining``."""
        self.levels[order.price].total -= count

    def remove(self, order: O) -> None:
        """Take the order out with what still remains of it."""
        level = self.levels[order.price]
        del level.orders[order.order_id]
        level.total -= order.remaining
        if not level.orders:
            del self.levels[order.price]
            del self.prices[bisect_left(self.prices, order.price)]

    def ahead(self, order: O) -> int:
        """Contracts that price-time priority serves before a resting order: better prices, then older orders."""
        better = (price > order.price if self.best_last else price < order.price for price in self.prices)
        count = sum(self.levels[price].total for price, is_better in zip(self.prices, better, strict=True) if is_better)
        for other in self.levels[order.price].orders.values():
            if other is order:
                break
            count += other.remaining
        return count

    def ladder(self) -> list[tuple[int, int]]:
        """(price, total) ascending by price."""
        return [(price, self.levels[price].total) for price in self.prices]


class Book(Generic[O]):
    """Bids and asks on the YES scale."""

    __slots__ = ("asks", "bids")

    def __init__(self) -> None:
        self.bids: HalfBook[O] = HalfBook(best_last=True)
        self.asks: HalfBook[O] = HalfBook(best_last=False)

    def side(self, side: Literal["bid", "ask"]) -> HalfBook[O]:
        return self.bids if side == "bid" else self.asks

    def opposite(self, side: Literal["bid", "ask"]) -> HalfBook[O]:
        return self.asks if side == "bid" else self.bids

    def best_bid(self) -> Level[O] | None:
        return self.bids.best()

    def best_ask(self) -> Level[O] | None:
        return self.asks.best()

    def crossing(self, side: Literal["bid", "ask"], price: int) -> int:
        """Contracts that an incoming order at ``price`` could trade with."""
        half = self.opposite(side)
        if side == "bid":
            return sum(half.levels[p].total for p in half.prices if p <= price)
        return sum(half.levels[p].total for p in half.prices if p >= price)
