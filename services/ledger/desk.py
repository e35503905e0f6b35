"""The one owner of the money state: every change goes through here, in one fenced call, and then into memory.

A call whose answer is lost leaves memory behind the record, so the next one reads the record again first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
from structlog.typing import FilteringBoundLogger

from services.ledger import exposures, marks
from services.ledger.books import Books, Holding, apply_fill, apply_settlement, apply_transfer
from services.ledger.exposures import Exposures
from services.ledger.marks import Mark, Valuation
from services.ledger.orders import OrderRow, with_evidence, with_fill, with_record
from services.ledger.statement import (
    Kept,
    Reading,
    StatementError,
    exposure_change,
    parse,
    position_text,
    risk_fields,
)
from services.ledger.writer import Guard, LeaseLost, Loaded, Writer
from services.runtime.app import Fatal
from services.runtime.clock import Clock
from services.runtime.store import STORE_ERRORS
from trading_logic.contracts.config import LedgerConfig
from trading_logic.contracts.messages import CatalogEntry, FillReport, MarketInfo, OrderEvent, RiskEvent, TopOfBook
from trading_logic.contracts.record import Cause
from trading_logic.money import format_cash
from trading_logic.risk import drawdown
from trading_logic.risk.drawdown import EquityTrack, trading_day

WRITE_EVERY_MS = 200
WRITE_AT_LEAST_MS = 1_000


class Desk:
    """Books, orders, marks and equity. Hold `lock` around a change that spans several calls."""

    def __init__(self, cfg: LedgerConfig, writer: Writer, clock: Clock, log: FilteringBoundLogger) -> None:
        self.cfg, self.writer, self._clock, self._log = cfg, writer, clock, log
        self.lock = asyncio.Lock()
        self.books = Books(cash=0)
        self.track = drawdown.begin(0, self.day())
        self.rows: dict[str, OrderRow] = {}
        self.booked: set[str] = set()
        self.settled: set[str] = set()
        self.reading = Reading()
        self.causes: dict[str, Cause] = {}
        self.tops: dict[str, TopOfBook] = {}
        self.markets: dict[str, tuple[CatalogEntry, MarketInfo]] = {}
        self.foreign_status: dict[str, str] = {}
        self.owners: dict[str, tuple[str, str]] = {}  # market -> strategy, game
        self.marks: dict[str, Mark] = {}
        self.resumed = ""
        self.opened = False
        self.orders_at = "0"
        self.last_fill_ms: int | None = None
        self.seq = 0
        self._seen = ""  # the sequence that the record shows, as this ledger last wrote or loaded it
        self._started_equity = 0
        self._exposure: dict[str, str] = {}
        self._written: dict[str, str] = {}
        self._written_rows: dict[str, dict[str, Any]] = {}
        self._wrote_ms = -WRITE_AT_LEAST_MS
        self.risk_at_ms = 0
        self._dirty = False

    def day(self) -> str:
        """The trading day now."""
        rule = self.cfg.trading_day
        return trading_day(self._clock.wall_ms(), rule.time_zone, rule.starts_at)

    @property
    def risk(self) -> Mapping[str, str]:
        """The risk hash as this ledger last wrote it, at `risk_at_ms`; empty before its first write."""
        return self._written

    # -- loading

    async def load(self) -> None:
        """Take the state from the record."""
        loaded = await self.writer.load()
        self._dirty = False
        self.rows = loaded.rows
        self.booked, self.settled = loaded.booked, loaded.settled
        self.orders_at = loaded.orders_at
        self._exposure, self._written, self._written_rows = loaded.exposure, {}, {}
        self._seen = loaded.risk.get("seq", "")
        await self._free_ended()
        self.opened = "cash" in loaded.risk
        if not self.opened:
            return
        try:
            self.books, kept = parse(loaded.risk, loaded.positions)
        except StatementError as error:
            raise Fatal(f"record of policy {self.cfg.policy}: {error}") from error
        self.track, self.seq = kept.track, kept.seq
        self._started_equity, self.resumed = kept.started_equity, kept.resumed
        self._take_positions(loaded)

    async def _free_ended(self) -> None:
        """Free what ended while no ledger listened. An order that the exchange never had comes up in no reading."""
        for row in [row for row in self.rows.values() if row.over]:
            await self._row(row)

    def _take_positions(self, loaded: Loaded) -> None:
        self.owners = {m: (p.strategy, p.game) for m, p in loaded.positions.items()}
        for market, p in loaded.positions.items():
            known = self.marks.get(market)
            if known is None or known.at_ms <= p.marked_ms:
                self.marks[market] = Mark(p.mark // abs(p.count), p.marked_ms)

    async def _fresh(self) -> None:
        if self._dirty:
            await self.load()

    # -- changing

    async def open_books(
        self,
        cash: int,
        holdings: Mapping[str, Holding],
        old_fills: Mapping[str, str],
        old_settlements: Mapping[str, str],
    ) -> None:
        """The first books of an empty record: what the exchange shows now. What led there is never booked again."""
        books = Books(cash=cash, holdings=dict(holdings))
        self.track = drawdown.begin(cash + self._value(books).worth, self.day())
        self._started_equity = self.track.equity
        extra = {"old_fills": dict(old_fills), "old_settlements": dict(old_settlements)}
        await self._commit(books, tuple(holdings), extra=extra)
        self.booked |= set(old_fills)
        self.settled |= set(old_settlements)
        self.opened = True
        self._log.info("books-opened", cash=format_cash(cash), positions=len(holdings))

    async def book_fill(self, fill: FillReport, row: OrderRow | None) -> bool:
        """Book one fill; False when it was booked before. `row` is its order, None when nobody recorded one."""
        await self._fresh()
        if fill.fill_id in self.booked:
            return False
        if row is not None:
            row = with_fill(self.rows.get(row.intent, row), fill.count)
            before = self.owners.get(fill.market)
            if before is None or not before[0]:
                self.owners[fill.market] = (row.strategy, row.game)
        guard = Guard("booked", fill.fill_id, msgspec.json.encode(fill).decode())
        counts = {"fills": 1, "fees": fill.fee}
        return await self._commit(
            apply_fill(self.books, fill), (fill.market,), guard=guard, row=row, extra={"counts": counts}, moved=True
        )

    async def book_settlement(self, market: str, value: int, body: str) -> bool:
        """Pay a settled market's position once; False when it was paid before."""
        await self._fresh()
        if market in self.settled:
            return False
        after = apply_settlement(self.books, market, value)
        return await self._commit(after, (market,), guard=Guard("settled", market, body), moved=True)

    async def book_transfer(self, key: str, amount: int, body: str) -> bool:
        """Book a deposit (above zero) or a withdrawal once: neither gain nor loss."""
        await self._fresh()
        if key in self.booked:
            return False
        old, self.track = self.track, drawdown.transfer(self.track, amount)
        try:
            return await self._commit(apply_transfer(self.books, amount), (), guard=Guard("booked", key, body))
        except BaseException:
            self.track = old
            raise

    async def step(self, event: OrderEvent) -> None:
        """A step that an executor recorded."""
        await self._fresh()
        row = self.rows.get(event.intent_id)
        if row is None and event.state == "claimed":
            row = await self.writer.row(event.intent_id)
        if row is None or row.closed:
            return
        await self._row(with_record(row, event.state, event.order_id))

    async def evidence(self, row: OrderRow, *, ended: bool, filled: int, order_id: str) -> None:
        """What the exchange says of an order of ours."""
        await self._fresh()
        if not row.closed:
            await self._row(
                with_evidence(self.rows.get(row.intent, row), ended=ended, filled=filled, order_id=order_id)
            )

    async def _row(self, row: OrderRow) -> None:
        change = row.change()
        # While an order may still fill, its reservation changes only with a booking.
        if not row.over or change == self._written_rows.get(row.intent):
            self.rows[row.intent] = row
            return
        await self._call(change, None, row)
        self._keep(row, change)

    def _keep(self, row: OrderRow, change: dict[str, Any]) -> None:
        if row.closed or change.get("close"):
            self.rows.pop(row.intent, None)
            self._written_rows.pop(row.intent, None)
        else:
            self.rows[row.intent] = row
            self._written_rows[row.intent] = change

    # -- equity

    def _value(self, books: Books) -> Valuation:
        status = {market: info.status for market, (_, info) in self.markets.items()}
        return marks.value(
            books.holdings,
            self.tops,
            self.marks,
            {**self.foreign_status, **status},
            self._clock.wall_ms(),
            stale_after_ms=self.cfg.limits.stale_after_ms,
        )

    def game_of(self, market: str) -> str:
        """The game a market belongs to; a market nobody knows is a game of its own."""
        if market in self.markets:
            return self.markets[market][0].game
        return self.owners.get(market, ("", ""))[1] or market

    @property
    def _kept(self) -> Kept:
        return Kept(self.track, self.seq, self._started_equity, self.resumed)

    def _exposures(self, books: Books) -> Exposures:
        return exposures.of(books.holdings, self.game_of, self.markets, self.reading.unmanaged.values())

    def _position(self, market: str, books: Books, worth: Valuation) -> str | bool:
        if market not in books.holdings:
            return False
        strategy = self.owners.get(market, ("", ""))[0]
        return position_text(market, books.holdings[market], worth.marks[market], strategy, self.game_of(market))

    async def _commit(
        self,
        books: Books,
        touched: tuple[str, ...],
        *,
        guard: Guard | None = None,
        row: OrderRow | None = None,
        extra: Mapping[str, Any] | None = None,
        moved: bool = False,
    ) -> bool:
        """Write `books` with all that follows from them; then make them ours. False when the guard was there."""
        worth = self._value(books)
        old_track, old_seq = self.track, self.seq
        self.track = drawdown.observe(self.track, books.cash + worth.worth, self.day())
        self.seq += guard is not None or not self.opened
        limits = self._exposures(books)
        wanted = limits.fields()
        risk = risk_fields(books, worth, limits.total, self._kept, self.reading)
        moved_marks = {m for m, mark in worth.marks.items() if mark.price != self.marks.get(m, Mark(-1, 0)).price}
        now = self._clock.wall_ms()
        change: dict[str, Any] = {
            **(extra or {}),
            **(row.change() if row is not None else {}),
            "positions": {market: self._position(market, books, worth) for market in {*touched, *moved_marks}},
            "exposure": exposure_change(wanted, self._exposure),
            "risk": {**risk, "updated_ms": str(now)},
        }
        try:
            reply = await self._call(change, guard, row)
        except BaseException:
            self.track, self.seq = old_track, old_seq
            raise
        if reply == "twice":
            # In the record but not in our memory: an answer of ours was lost.
            self._dirty = True
            return False
        self.books, self.marks = books, dict(worth.marks)
        self.owners = {m: owner for m, owner in self.owners.items() if m in books.holdings}
        self._exposure, self._written, self._seen = wanted, risk, risk["seq"]
        self._wrote_ms = self._clock.mono_ms()
        self.risk_at_ms = now
        if row is not None:
            self._keep(row, row.change())
        if guard is not None:
            (self.settled if guard.kind == "settled" else self.booked).add(guard.id)
        if moved:
            self.last_fill_ms = self._clock.mono_ms()
            await self.writer.nudge("booked")
        await self._check_breaches()
        return True

    async def _call(self, change: Mapping[str, Any], guard: Guard | None, row: OrderRow | None) -> str:
        try:
            reply = await self.writer.book(change, seen=self._seen, guard=guard, order=row)
        except STORE_ERRORS:
            self._dirty = True
            raise
        if reply == "older":
            why = f"the record does not show ledger sequence {self._seen}: it came back as it was earlier"
            await self.record_changed(f"behind-{self._seen}", why)
            raise LeaseLost(f"{why}; this ledger stops and the next one reads the exchange anew")
        return reply

    async def record_changed(self, mark: str, why: str) -> None:
        """Latch that the record lost something; once, whoever else has seen it."""
        if any(cause.source == "RedisChanged" for cause in self.causes.values()):
            return
        now = self._clock.wall_ms()
        await self.latch(Cause(f"redis-changed-{mark}", "RedisChanged", why, self.cfg.process, now))

    async def refresh(self) -> None:
        """Look at marks and the day again; write what changed, at most every 200 ms, and every second anyway."""
        await self._fresh()
        if not self.opened:
            return
        worth = self._value(self.books)
        track = drawdown.observe(self.track, self.books.cash + worth.worth, self.day())
        before, self.track = self.track, track  # every mark counts for the peak, also between two writes
        crossed = track != before and bool(drawdown.breaches(track, self.cfg.limits))
        new_day = track.day != before.day
        total = self._exposures(self.books).total
        age = self._clock.mono_ms() - self._wrote_ms
        changed = risk_fields(self.books, worth, total, self._kept, self.reading) != self._written
        if crossed or new_day or age >= WRITE_AT_LEAST_MS or (changed and age >= WRITE_EVERY_MS):
            await self._commit(self.books, ())
        if new_day:
            await self.event("day", reason=f"trading day {track.day} begins with {format_cash(track.day_start)}")

    async def _check_breaches(self) -> None:
        """Latch a limit at the first fill, mark or settlement that crosses it."""
        for breach in drawdown.breaches(self.track, self.cfg.limits):
            if any(cause.source == breach.source for cause in self.causes.values()):
                continue
            now = self._clock.wall_ms()
            await self.latch(
                Cause(
                    id=f"{breach.source.lower()}-{now}",
                    source=breach.source,
                    reason=f"{breach.rule} crossed: equity {format_cash(self.track.equity)}",
                    by=self.cfg.process,
                    time_ms=now,
                    rule=breach.rule,
                    value=breach.value,
                    limit=breach.limit,
                )
            )

    async def latch(self, cause: Cause) -> None:
        """Add a cause; known here at once, so that the next mark does not latch it again."""
        await self.writer.record.latch(cause, self._clock.wall_ms())
        self.causes[cause.id] = cause
        self._log.error("latched", source=cause.source, reason=cause.reason, value=cause.value, limit=cause.limit)

    async def event(
        self, kind: str, *, reason: str, source: str = "", rule: str = "", value: str = "", limit: str = ""
    ) -> None:
        """Append a risk event."""
        epoch = await self.writer.record.epoch()
        await self.writer.event(
            msgspec.convert(
                {
                    "t": "risk", "kind": kind, "source": source, "rule": rule, "value": value, "limit": limit,
                    "reason": reason, "epoch": epoch, "at_ms": self._clock.wall_ms(),
                },
                RiskEvent,
            )
        )  # fmt: skip

    async def rebase(self, track: EquityTrack, *, accept_cash: bool, once: str) -> None:
        """New baselines with a resume; `accept_cash` takes the exchange's balance for ours."""
        await self._fresh()
        books = self.books
        if accept_cash:
            amount = self.reading.balance - books.cash
            books, track = apply_transfer(books, amount), drawdown.transfer(track, amount)
        old, self.track, self.resumed = self.track, track, once or self.resumed
        try:
            await self._commit(books, ())
        except BaseException:
            self.track = old
            raise
