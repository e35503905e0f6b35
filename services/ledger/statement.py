"""PURE: the money state as the record shows it, to people, to the gate, and to the next ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.ledger.books import Books, Holding
from services.ledger.exposures import Unmanaged
from services.ledger.marks import Mark, Valuation
from services.ledger.reconcile import CLEAN, Verdict
from trading_logic.contracts.record import PositionRecord, encode
from trading_logic.risk import drawdown
from trading_logic.risk.drawdown import EquityTrack


class StatementError(ValueError):
    """A risk hash of the record that lacks a field or holds something else; names the field."""


@dataclass(slots=True)
class Reading:
    """What the exchange last said of the account as a whole."""

    verdict: Verdict = CLEAN
    complete: bool = False  # a full reading was reconciled since the start
    balance: int = 0
    resting: int = 0
    unmanaged: dict[str, Unmanaged] = field(default_factory=dict)

    @property
    def unclean(self) -> str:
        """Why the books are not reconciled with the exchange; "" when they are."""
        return self.verdict.note if self.complete else "no complete reading of the exchange yet"


@dataclass(frozen=True, slots=True)
class Kept:
    """What outlives a ledger beside its positions; `resumed` is the haltID that was last acted on."""

    track: EquityTrack
    seq: int
    started_equity: int
    resumed: str


def risk_fields(books: Books, worth: Valuation, exposure: int, kept: Kept, reading: Reading) -> dict[str, str]:
    """The risk hash, without the time it is written."""
    track = kept.track
    fields: dict[str, int | str] = {
        "equity": track.equity,
        "cash": books.cash,
        "peak": track.peak,
        "day_start": track.day_start,
        "day": track.day,
        "drawdown_ppm": drawdown.drawdown(track),
        "daily_loss_ppm": drawdown.daily_loss(track),
        "exposure": exposure,
        "seq": kept.seq,
        "reconciled": "1" if reading.complete and not reading.verdict.fatal else "0",
        "reconcile_note": reading.unclean,
        # A market whose position differs is as blind as one without a mark: no entries until it is explained.
        "marks": ",".join([*worth.blind, *(gap.what for gap in reading.verdict.held)]),
        "realized": books.realized,
        "unrealized": worth.worth - books.cost,
        "fees": books.fees,
        "balance": reading.balance,
        "started_equity": kept.started_equity,
        "unmanaged": len(reading.unmanaged),
        "resting": reading.resting,
        "resumed": kept.resumed,
    }
    return {name: str(value) for name, value in fields.items()}


def parse(risk: Mapping[str, str], positions: Mapping[str, PositionRecord]) -> tuple[Books, Kept]:
    """Books and baselines of a record. Raises StatementError naming the field."""

    def text(name: str) -> str:
        if name not in risk:
            raise StatementError(f"risk.{name} is missing")
        return risk[name]

    def number(name: str) -> int:
        found = text(name)
        try:
            return int(found)
        except ValueError:
            raise StatementError(f"risk.{name}: {found!r} is not a whole number") from None

    for market, found in positions.items():
        if not found.count:
            raise StatementError(f"positions.{market}: count 0, allowed: any other")
    books = Books(
        cash=number("cash"),
        realized=number("realized"),
        fees=number("fees"),
        holdings={m: Holding(p.count, p.cost, p.realized, p.fees) for m, p in positions.items()},
    )
    track = EquityTrack(number("equity"), number("peak"), text("day"), number("day_start"))
    return books, Kept(track, number("seq"), number("started_equity"), text("resumed"))


def position_text(market: str, holding: Holding, mark: Mark, strategy: str, game: str) -> str:
    """One position of the record."""
    return encode(
        PositionRecord(
            market=market,
            game=game,
            strategy=strategy,
            count=holding.count,
            cost=holding.cost,
            realized=holding.realized,
            fees=holding.fees,
            mark=mark.price * abs(holding.count),
            marked_ms=mark.at_ms,
        )
    )


def exposure_change(wanted: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    """What must be written so that the exposure hash is `wanted`; "0" takes a field away."""
    return {name: wanted.get(name, "0") for name in {*wanted, *known} if wanted.get(name) != known.get(name)}
