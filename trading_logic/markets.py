"""Which prices a market accepts and what its contracts pay.

A market's own ``price_ranges`` are authoritative: the legal prices are ``start + k * step`` of each band. The
names of the exchange's price structures are kept here only to build such ranges (simulator, tests).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Final

from trading_logic.money import DOLLAR_PRICE, MoneyError, Price, format_price, parse_price

Band = tuple[Price, Price, Price]


class PriceGrid:
    """The legal order prices of one market, ascending. Immutable; build it with :meth:`from_ranges`."""

    __slots__ = ("_legal", "_prices")

    def __init__(self, bands: tuple[Band, ...]) -> None:
        prices: set[Price] = set()
        for start, end, step in bands:
            prices.update(range(start, end + 1, step))
        # Nothing can be bought for nothing or for the whole payout: the exchange refuses both ends.
        prices -= {0, DOLLAR_PRICE}
        self._prices: tuple[Price, ...] = tuple(sorted(prices))
        self._legal: frozenset[Price] = frozenset(prices)

    @staticmethod
    def from_ranges(ranges: Iterable[Mapping[str, object]], field: str = "price_ranges") -> "PriceGrid":
        """Grid of the wire's ``[{"start", "end", "step"}, ...]``.

        Raises:
            MoneyError: a band is malformed, empty, overlaps the one before it, or its step does not divide it.
        """
        bands: list[Band] = []
        for index, entry in enumerate(ranges):
            where = f"{field}[{index}]"
            for key in ("start", "end", "step"):
                if key not in entry:
                    raise MoneyError(f"{where}.{key}", None, "a price string; the key is missing")
            start = parse_price(entry["start"], f"{where}.start")
            end = parse_price(entry["end"], f"{where}.end")
            step = parse_price(entry["step"], f"{where}.step")
            if start >= end:
                raise MoneyError(f"{where}.end", entry["end"], f"more than start {format_price(start)}")
            if step == 0 or (end - start) % step:
                raise MoneyError(f"{where}.step", entry["step"], "a step that divides end - start")
            if bands and start < bands[-1][1]:
                raise MoneyError(
                    f"{where}.start", entry["start"], f"at least {format_price(bands[-1][1])}, where the last band ends"
                )
            bands.append((start, end, step))
        if not bands:
            raise MoneyError(field, [], "at least one band")
        return _grid(tuple(bands))

    @property
    def prices(self) -> tuple[Price, ...]:
        """Every legal price, ascending."""
        return self._prices

    def is_legal(self, price: Price) -> bool:
        return price in self._legal

    def floor(self, price: Price) -> Price | None:
        """The highest legal price that is not above ``price``; None below the grid."""
        index = bisect_right(self._prices, price)
        return self._prices[index - 1] if index else None

    def ceil(self, price: Price) -> Price | None:
        """The lowest legal price that is not below ``price``; None above the grid."""
        index = bisect_left(self._prices, price)
        return self._prices[index] if index < len(self._prices) else None

    def next_up(self, price: Price) -> Price | None:
        """The lowest legal price above ``price``."""
        return self.ceil(price + 1)

    def next_down(self, price: Price) -> Price | None:
        """The highest legal price below ``price``."""
        return self.floor(price - 1)


@lru_cache(maxsize=64)
def _grid(bands: tuple[Band, ...]) -> PriceGrid:
    """Markets of one structure share one grid: thousands of markets use a handful of them."""
    return PriceGrid(bands)


def _edges(band: str, outer: str, middle: str) -> tuple[dict[str, str], ...]:
    upper = format_price(DOLLAR_PRICE - parse_price(band, "band"))
    return (
        {"start": "0.0000", "end": band, "step": outer},
        {"start": band, "end": upper, "step": middle},
        {"start": upper, "end": "1.0000", "step": outer},
    )


def _even(step: str) -> tuple[dict[str, str], ...]:
    return ({"start": "0.0000", "end": "1.0000", "step": step},)


PRICE_STRUCTURES: Final[Mapping[str, tuple[dict[str, str], ...]]] = {
    "linear_cent": _even("0.0100"),
    "deci_cent": _even("0.0010"),
    "tapered_deci_cent": _edges("0.1000", "0.0010", "0.0100"),
    "center_whole_edge_half_cent": _edges("0.1000", "0.0050", "0.0100"),
    "center_whole_edge_quint_cent": _edges("0.1000", "0.0020", "0.0100"),
    "center_half_edge_half_cent": _even("0.0050"),
    "center_half_edge_quint_cent": _edges("0.1000", "0.0020", "0.0050"),
    "center_half_edge_deci_cent": _edges("0.1000", "0.0010", "0.0050"),
    "center_quint_edge_quint_cent": _even("0.0020"),
    "center_quint_edge_deci_cent": _edges("0.1000", "0.0010", "0.0020"),
    "center_centi_edge_centi_cent": _even("0.0001"),
    "center_deci_edge_centi_cent": _edges("0.0100", "0.0001", "0.0010"),
}
"""The exchange's named structures as the ``price_ranges`` it sends for them. Prefer a market's own ranges."""


class Outcome(StrEnum):
    """How a two-sided game can end."""

    HOME = "home"
    AWAY = "away"
    TIE = "tie"


# A tie splits the dollar between both teams' markets.
TIE_PAYOUT: Final[Price] = DOLLAR_PRICE // 2


def winner_side(target: str, home: str, away: str, field: str = "custom_strike") -> Outcome:
    """Which team a winner market is about, from the structured target it names and the game's two targets.

    Raises:
        MoneyError: the market names neither team, or the two teams cannot be told apart.
    """
    if not home or not away or home == away:
        raise MoneyError(field, target, f"two different teams, got home {home!r} and away {away!r}")
    if target == home:
        return Outcome.HOME
    if target == away:
        return Outcome.AWAY
    raise MoneyError(field, target, f"home {home!r} or away {away!r}")
