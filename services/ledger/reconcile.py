"""PURE: our books against the exchange's own view, and how long they have differed.

The exchange's reads lag its fills by about a second, so a difference counts only when it stays the same. The same
difference for more than 5 s in a quiet account stops new entries; for more than 30 s, quiet or not, it is the account's
and latches (reliability R17).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from services.ledger.books import Books
from trading_logic.money import format_cash, format_count

QUIET_MS = 2_000
MARKET_AFTER_MS = 5_000
ACCOUNT_AFTER_MS = 30_000
BALANCE_STEP = 100
"""The exchange shows its balance in 1/10,000 dollar."""

CASH = "cash"


@dataclass(frozen=True, slots=True)
class Gap:
    """One difference; `what` is "cash" or a market."""

    what: str
    ours: int
    venue: int

    @property
    def shown(self) -> tuple[str, str]:
        """Ours and the exchange's, in dollars or contracts."""
        show = format_cash if self.what == CASH else format_count
        return show(self.ours), show(self.venue)

    def __str__(self) -> str:
        ours, venue = self.shown
        return f"{self.what}: ours {ours}, the exchange's {venue}"


def differences(books: Books, balance: int, positions: Mapping[str, int]) -> tuple[Gap, ...]:
    """Every difference between our books and one reading of the exchange.

    `balance` is taken to include the collateral of resting orders and to exclude what positions cost. Kalshi says
    neither; were it otherwise, it would show here as a gap.
    """
    gaps = []
    if abs(balance - books.cash) >= BALANCE_STEP:
        gaps.append(Gap(CASH, books.cash, balance))
    for market in sorted({*books.holdings, *positions}):
        ours, venue = books.holding(market).count, positions.get(market, 0)
        if ours != venue:
            gaps.append(Gap(market, ours, venue))
    return tuple(gaps)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`held` gaps stop entries; `fatal` ones stop the account. Clean: no gap at all at the last reading."""

    gaps: tuple[Gap, ...]
    held: tuple[Gap, ...]
    fatal: tuple[Gap, ...]

    @property
    def clean(self) -> bool:
        return not self.gaps

    @property
    def note(self) -> str:
        return "; ".join(str(gap) for gap in self.gaps)


CLEAN = Verdict((), (), ())


class Watch:
    """Remembers since when each difference has been the same. Times are monotonic milliseconds."""

    def __init__(self) -> None:
        self._since: dict[tuple[str, int], int] = {}

    def judge(self, gaps: tuple[Gap, ...], now_ms: int, last_fill_ms: int | None) -> Verdict:
        """Judge one reading; `last_fill_ms` is when something was last booked, None when never."""
        # A gap is known by its size: books and exchange may both move on while the same contract stays missing.
        keys = {(gap.what, gap.venue - gap.ours): gap for gap in gaps}
        self._since = {key: self._since.get(key, now_ms) for key in keys}
        quiet = last_fill_ms is None or now_ms - last_fill_ms >= QUIET_MS
        ages = [(gap, now_ms - self._since[key]) for key, gap in keys.items()]
        fatal = tuple(gap for gap, age in ages if age > ACCOUNT_AFTER_MS)
        held = tuple(gap for gap, age in ages if (quiet and age > MARKET_AFTER_MS) or age > ACCOUNT_AFTER_MS)
        return Verdict(gaps, held, fatal)
