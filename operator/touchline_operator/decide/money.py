"""Figures of the record as people read them. Strict: the ledger writes all of them or none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trading_logic import money


class BadRiskError(ValueError):
    """The risk hash holds something that is no integer; the message names the field."""


@dataclass(frozen=True, slots=True)
class Figures:
    """One account. Cash in 1/1,000,000 dollar, fractions in ppm, times in epoch ms."""

    equity: int
    day_start: int
    drawdown_ppm: int
    daily_loss_ppm: int
    started_equity: int
    fees: int
    resting: int
    updated_ms: int
    reconciled: bool
    note: str
    marks: str

    @property
    def today(self) -> int:
        """Change of equity since the trading day began."""
        return self.equity - self.day_start

    @property
    def pnl(self) -> int:
        """Change of equity since the ledger first saw the account."""
        return self.equity - self.started_equity


_NUMBERS = (
    *("equity", "day_start", "drawdown_ppm", "daily_loss_ppm", "started_equity"),
    *("fees", "resting", "updated_ms"),
)


def figures(risk: Mapping[str, str]) -> Figures | None:
    """The figures, or None before the ledger wrote any. Raises BadRiskError."""
    if "equity" not in risk:
        return None
    numbers: dict[str, int] = {}
    for name in _NUMBERS:
        try:
            numbers[name] = int(risk[name])
        except KeyError as error:
            raise BadRiskError(f"risk.{name}: missing in the record") from error
        except ValueError as error:
            raise BadRiskError(f"risk.{name}: {risk[name]!r} in the record is not a whole number") from error
    return Figures(
        **numbers,
        reconciled=risk.get("reconciled") == "1",
        note=risk.get("reconcile_note", ""),
        marks=risk.get("marks", ""),
    )


def dollars(cash: int) -> str:
    """Two decimals without a sign for the currency, as status fields hold it: `-12.34`."""
    return money.format_dollars(cash).replace("$", "")


def percent(ppm: int) -> str:
    """One decimal: `12.3%`."""
    return f"{ppm // 10_000}.{ppm % 10_000 // 1_000}%"
