"""What the record says about money and halts, as one consistent picture, parsed strictly. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from trading_logic.contracts.record import PositionRecord
from trading_logic.money import Cash
from trading_logic.refusal import Refusal

MAX_BACKLOG = 500
"""Intents waiting on a stream that is never trimmed past them: with no executor to take them, no more are made."""


class ViewError(ValueError):
    """Something in the record is missing or malformed; names the key and the field."""


@dataclass(frozen=True, slots=True)
class RiskView:
    """The record at `read_ms`. Cash in 1/1,000,000 dollar; positions signed, YES above zero."""

    read_ms: int
    causes: tuple[str, ...]
    equity: Cash
    reconciled: bool
    reconcile_note: str
    marks: str
    updated_ms: int
    total: Cash  # worst-case loss of all positions and reservations
    by_market: Mapping[str, Cash]
    by_game: Mapping[str, Cash]
    positions: Mapping[str, int]
    outstanding: frozenset[str]  # markets with an order that has not ended
    backlog: int  # intents that the executor has not taken up, and some that it has and not yet trimmed

    def held(self, market: str) -> Cash:
        """Worst-case loss in one market, reservations included."""
        return self.by_market.get(market, 0)


@dataclass(frozen=True, slots=True)
class Raw:
    """The replies the view is made of. `orders` are the markets of the open orders."""

    causes: Sequence[bytes]
    risk: Mapping[bytes, bytes]
    exposure: Mapping[bytes, bytes]
    reserved: Mapping[bytes, bytes]
    positions: Mapping[bytes, bytes]
    orders: Sequence[bytes | None]
    backlog: int


def parse(raw: Raw, read_ms: int) -> RiskView:
    """The view. Raises ViewError; an order that is gone since (`None` in `orders`) is no error."""
    by_market: dict[str, Cash] = {}
    by_game: dict[str, Cash] = {}
    for field, body in raw.exposure.items():
        kind, _, name = field.decode().partition(":")
        if kind not in {"m", "g"} or not name:
            raise ViewError(f"exposure.{field.decode()}: not a field of the exposure hash; allowed: m:… and g:…")
        (by_market if kind == "m" else by_game)[name] = _integer("exposure", field.decode(), body)
    total = _risk(raw.risk, "exposure")
    for intent, body in raw.reserved.items():
        parts = body.decode().split("|")
        if len(parts) != 3:
            raise ViewError(f"reserved.{intent.decode()}: {body.decode()!r}; allowed: market|game|cash")
        cash = _integer("reserved", intent.decode(), parts[2].encode())
        total += cash
        by_market[parts[0]] = by_market.get(parts[0], 0) + cash
        by_game[parts[1]] = by_game.get(parts[1], 0) + cash
    return RiskView(
        read_ms=read_ms,
        causes=tuple(sorted(cause.decode() for cause in raw.causes)),
        equity=_risk(raw.risk, "equity"),
        reconciled=_text(raw.risk, "reconciled") == "1",
        reconcile_note=_text(raw.risk, "reconcile_note"),
        marks=_text(raw.risk, "marks"),
        updated_ms=_risk(raw.risk, "updated_ms"),
        total=total,
        by_market=by_market,
        by_game=by_game,
        positions={market.decode(): _position(market, body) for market, body in raw.positions.items()},
        backlog=raw.backlog,
        outstanding=frozenset(market.decode() for market in raw.orders if market is not None),
    )


def check(view: RiskView, now_ms: int, stale_after_ms: int, read_within_ms: int) -> Refusal | None:
    """Whether the view may be traded on: read just now, written by a living ledger, reconciled, marks fresh."""
    if now_ms - view.read_ms > read_within_ms:
        return Refusal("risk", f"record read {now_ms - view.read_ms} ms ago", f"{read_within_ms} ms")
    if now_ms - view.updated_ms > stale_after_ms:
        return Refusal("risk", f"ledger silent for {now_ms - view.updated_ms} ms", f"{stale_after_ms} ms")
    if not view.reconciled:
        return Refusal("risk", f"not reconciled: {view.reconcile_note}", "reconciled")
    if view.marks:
        return Refusal("risk", f"no fresh mark: {view.marks}", "fresh marks")
    if view.backlog > MAX_BACKLOG:
        return Refusal("executorBacklog", str(view.backlog), str(MAX_BACKLOG))
    return None


def _text(risk: Mapping[bytes, bytes], field: str) -> str:
    body = risk.get(field.encode())
    if body is None:
        raise ViewError(f"risk.{field}: missing")
    return body.decode()


def _risk(risk: Mapping[bytes, bytes], field: str) -> int:
    return _integer("risk", field, _text(risk, field).encode())


def _integer(key: str, field: str, body: bytes) -> int:
    try:
        return int(body)
    except ValueError as error:
        raise ViewError(f"{key}.{field}: {body.decode(errors='replace')!r}; a whole number is needed") from error


def _position(market: bytes, body: bytes) -> int:
    try:
        return _POSITION.decode(body).count
    except msgspec.DecodeError as error:
        raise ViewError(f"positions.{market.decode()}: {error}") from error


_POSITION = msgspec.json.Decoder(PositionRecord)
