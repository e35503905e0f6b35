"""What the exchange itself says, over the ledger's own connection: frames at once, readings against every loss.

Fills are booked from whichever tells first; the reading that follows finds what a lost frame hid.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence

from services.exchange import models
from services.exchange.errors import ExchangeError, NotFound
from services.exchange.frames import (
    BadFrame,
    Connected,
    Disconnected,
    ErrorFrame,
    FillFrame,
    Frame,
    OrderGroupFrame,
    UserOrderFrame,
)
from services.exchange.stream import ExchangeStream
from services.ledger import reading
from services.ledger.books import Holding
from services.ledger.desk import Desk
from services.ledger.exposures import Unmanaged
from services.ledger.orders import OrderRow
from services.ledger.port import Venue
from services.ledger.reconcile import Watch, differences
from services.runtime.app import App
from services.runtime.store import STORE_ERRORS
from trading_logic.contracts.config import LedgerConfig
from trading_logic.contracts.messages import FillReport
from trading_logic.contracts.record import Cause
from trading_logic.orders import intent_of

CHANNELS = ("fill", "user_orders", "order_group_updates")
READ_EVERY_S = 2.0
READ_GAP_S = 0.5
TRANSFERS_EVERY_MS = 30_000
FILL_SLACK_MS = 60_000
ORDER_SLACK_MS = 60_000
KNOWN_ORDERS = 10_000


class Witness:
    """Follows one account and tells the desk."""

    def __init__(self, app: App[LedgerConfig], desk: Desk, venue: Venue, stream: ExchangeStream) -> None:
        self._app, self._desk, self._venue, self._stream = app, desk, venue, stream
        self._watch = Watch()
        self._client_ids: OrderedDict[str, str] = OrderedDict()
        self._fills_from_ms: int | None = None
        self._settled_from_ms: int | None = None
        self._transfers_at_ms = -TRANSFERS_EVERY_MS
        self.wake = asyncio.Event()
        self.contact_ms = -1_000_000
        """Monotonic: when the exchange last answered a reading."""

    # -- frames

    async def follow(self) -> None:
        """Until cancelled: frames as they come."""
        await self._stream.subscribe(CHANNELS)
        async for batch in self._stream.batches():
            self._app.beats.beat("witness", within_ms=60_000)
            for frame in batch:
                try:
                    await self._take(frame)
                except (ExchangeError, *STORE_ERRORS) as error:
                    # The reading finds it again.
                    self._app.log.warning("frame-not-booked", error=str(error))
                    self.wake.set()

    async def _take(self, frame: Frame) -> None:
        match frame:
            case FillFrame():
                if frame.client_order_id is not None:
                    self._know(frame.order_id, frame.client_order_id)
                fill = reading.fill_of_frame(frame)
                await self._learn([fill])
                async with self._desk.lock:
                    if self._desk.opened:
                        await self._book(fill)
                self.wake.set()
            case UserOrderFrame():
                self._know(frame.order_id, frame.client_order_id)
                async with self._desk.lock:
                    row = await self._row(frame.order_id) if self._desk.opened else None
                    if row is not None and frame.status != "unknown":
                        await self._desk.evidence(
                            row, ended=frame.status != "resting", filled=frame.fill_count, order_id=frame.order_id
                        )
                self.wake.set()
            case OrderGroupFrame(event_type="triggered"):
                await self._group_tripped(frame.order_group_id)
            case Connected():
                self._app.status.clear("stream")
                self.wake.set()
            case Disconnected():
                self._app.status.fault("stream", "ExchangeStreamDown", frame.reason)
            case BadFrame():
                self._app.count("bad_frames")
                self._app.log.warning("bad-frame", error=frame.error)
                self.wake.set()
            case ErrorFrame():
                self._app.log.error("stream-error", code=frame.code, message=frame.message)
            case _:
                pass  # acknowledgements, and group events that need nothing done

    async def _group_tripped(self, group: str) -> None:
        """A group that nobody of ours triggered: the exchange's own brake acted."""
        if self._desk.causes:
            return
        known = (await self._desk.writer.groups()).get(group)
        if known is None or known[1].state != "open":
            return
        strategy = known[0]
        async with self._desk.lock:
            await self._desk.latch(
                Cause(
                    id=f"group-{group}",
                    source="GroupTripped",
                    reason=f"the exchange triggered order group {group} of strategy {strategy}",
                    by=self._app.config.process,
                    time_ms=self._app.clock.wall_ms(),
                )
            )

    # -- readings

    async def read_loop(self) -> None:
        """Until the process stops: a reading every two seconds, and at once after something happened."""
        period = min(READ_EVERY_S, self._app.config.limits.stale_after_ms / 5_000)
        while not self._app.stop.is_set():
            self._app.beats.beat("readings", within_ms=60_000)
            self.wake.clear()
            try:
                await self.read()
                self._app.status.clear("venue")
            except ExchangeError as error:
                self._app.status.fault("venue", "ExchangeFault", str(error))
                self._app.log.warning("reading-failed", error=str(error))
            except STORE_ERRORS as error:
                self._app.status.fault("record", "RecordFault", f"record Redis: {error}")
                self._app.log.warning("reading-not-booked", error=str(error))
            else:
                self._app.status.clear("record")
            if await self._app.sleep(READ_GAP_S):
                return
            try:
                await asyncio.wait_for(self.wake.wait(), period - READ_GAP_S if period > READ_GAP_S else READ_GAP_S)
            except TimeoutError:
                continue

    async def read(self) -> None:
        """One reading of the whole account, booked and reconciled. Errors of exchange and record pass."""
        asked = self._app.clock.mono_ms()
        since = self._fills_from_ms if self._desk.reading.verdict.clean else None
        fills, resting, positions, balance, settlements, orders = await asyncio.gather(
            self._venue.fills(min_ts=since),
            self._venue.orders(status="resting"),
            self._venue.positions(),
            self._venue.balance(),
            self._venue.settlements(min_ts=self._settled_from_ms),
            self._open_at_venue(),
        )
        transfers = await self._transfers()
        for order in [*orders, *resting]:
            self._know(order.order_id, order.client_order_id)
        await self._learn([reading.fill_of(fill) for fill in fills])
        await self._foreign_marks()
        async with self._desk.lock:
            if not self._desk.opened:
                await self._open(fills, positions, balance, settlements, transfers)
            for fill in reversed(fills):
                await self._book(reading.fill_of(fill))
            for order in [*orders, *resting]:
                row = await self._row(order.order_id)
                if row is not None:
                    await self._desk.evidence(
                        row, ended=order.status != "resting", filled=order.fill_count, order_id=order.order_id
                    )
            for key, amount, body in transfers:
                if await self._desk.book_transfer(key, amount, body):
                    self._app.log.info("transfer-booked", key=key, amount=amount)
            settled = [await self._settle(settlement) for settlement in settlements]
            await self._unmanaged(resting)
            await self._reconcile(balance, positions, len(resting))
        self.contact_ms = max(self.contact_ms, asked)
        self._advance(fills, settlements if all(settled) else [])

    def _advance(self, fills: Sequence[models.Fill], settlements: Sequence[models.Settlement]) -> None:
        """Next time ask only for what is new, with slack for the exchange's own delay."""
        if fills and fills[0].created_time is not None:
            self._fills_from_ms = fills[0].created_time - FILL_SLACK_MS
        if settlements:
            self._settled_from_ms = max(found.settled_time for found in settlements) - FILL_SLACK_MS

    async def _open_at_venue(self) -> list[models.Order]:
        """The exchange's list since the oldest order of ours that is not over."""
        claimed = [row.claimed_ms for row in self._desk.rows.values() if not row.over]
        return await self._venue.orders(min_ts=min(claimed) - ORDER_SLACK_MS) if claimed else []

    async def _transfers(self) -> list[tuple[str, int, str]]:
        """Deposits and withdrawals that moved money; some accounts may not ask, then none are known."""
        now = self._app.clock.mono_ms()
        if now - self._transfers_at_ms < TRANSFERS_EVERY_MS and self._desk.reading.verdict.clean:
            return []
        found: list[tuple[str, int, str]] = []
        for ask, sign in ((self._venue.deposits, 1), (self._venue.withdrawals, -1)):
            try:
                found += reading.applied(await ask(), sign)
            except NotFound:
                continue
        self._transfers_at_ms = now
        return found

    async def _open(
        self,
        fills: Sequence[models.Fill],
        positions: Sequence[models.Position],
        balance: models.Balance,
        settlements: Sequence[models.Settlement],
        transfers: Sequence[tuple[str, int, str]],
    ) -> None:
        """First books of an empty record: as the exchange shows the account now."""
        old = {fill.fill_id: reading.text_of(reading.fill_of(fill)) for fill in fills}
        old |= {key: body for key, _, body in transfers}
        await self._desk.open_books(
            balance.balance,
            {p.ticker: Holding(p.position, p.market_exposure) for p in positions if p.position},
            old,
            {found.ticker: reading.settlement_text(found) for found in settlements},
        )

    # -- what a reading says

    def _know(self, order_id: str, client_order_id: str) -> None:
        self._client_ids[order_id] = client_order_id
        self._client_ids.move_to_end(order_id)
        while len(self._client_ids) > KNOWN_ORDERS:
            self._client_ids.popitem(last=False)

    async def _learn(self, fills: Sequence[FillReport]) -> None:
        """Fills carry no client id: ask for the orders of those that nobody has named yet, before the desk is held."""
        for fill in fills:
            if fill.fill_id in self._desk.booked or fill.order_id in self._client_ids:
                continue
            try:
                self._know(fill.order_id, (await self._venue.order(fill.order_id)).client_order_id)
            except NotFound:
                self._know(fill.order_id, "")

    async def _row(self, order_id: str) -> OrderRow | None:
        """The recorded order behind an exchange order id; None when no executor recorded one."""
        intent = await self._desk.writer.intent_of_order(order_id)
        client_id = self._client_ids.get(order_id)
        if intent is None:
            try:
                intent = intent_of(client_id or "")
            except ValueError:
                return None
        row = self._desk.rows.get(intent) or await self._desk.writer.row(intent)
        if row is None or (client_id and row.client_order_id != client_id):
            return None
        return row

    async def _book(self, fill: FillReport) -> None:
        if fill.fill_id in self._desk.booked:
            return
        row = await self._row(fill.order_id)
        if not await self._desk.book_fill(fill, row):
            return
        self._app.count("booked")
        if row is None:
            await self._desk.event(
                "gap",
                source="Reconciliation",
                rule="unmanagedFill",
                value=fill.order_id,
                limit="recorded by an executor",
                reason=f"fill {fill.fill_id} in {fill.market} belongs to an order that no executor recorded",
            )

    async def _settle(self, found: models.Settlement) -> bool:
        """Pay a settlement when our net position is the one it was paid for; False to look again."""
        if found.ticker in self._desk.settled:
            return True
        net = found.yes_count - found.no_count
        held = self._desk.books.holding(found.ticker).count
        value = reading.yes_value(found)
        if net != held:
            self._app.log.warning("settlement-waits-for-fills", market=found.ticker, ours=held, exchange=net)
            return False
        if await self._desk.book_settlement(found.ticker, value, reading.settlement_text(found)):
            self._app.count("settled")
            await self._desk.event(
                "settled",
                reason=f"{found.ticker} settled {found.market_result}",
                rule="settlement",
                value=str(value),
                limit=str(held),
            )
        return True

    async def _unmanaged(self, resting: Sequence[models.Order]) -> None:
        """Orders at the exchange that no executor recorded: exposure, told once, cancelled by a halt."""
        known, found = self._desk.reading.unmanaged, {}
        for order in resting:
            row = await self._row(order.order_id)
            if row is not None and not (row.closed and row.never_placed):
                continue
            found[order.order_id] = Unmanaged(order.order_id, order.ticker, reading.cost_of(order))
        self._desk.reading.unmanaged = found
        for order_id, order_found in found.items():
            if order_id not in known:
                self._app.log.error("unmanaged-order", order=order_id, market=order_found.market)
                await self._desk.event(
                    "gap",
                    source="Reconciliation",
                    rule="unmanagedOrder",
                    value=order_id,
                    limit="recorded by an executor",
                    reason=f"order {order_id} rests in {order_found.market} and no executor recorded it",
                )

    async def _foreign_marks(self) -> None:
        """Positions in markets without a feed of ours are valued by the exchange's own word."""
        for market in tuple(self._desk.books.holdings):
            if market not in self._desk.markets:
                found = await self._venue.market(market)
                self._desk.foreign_status[market] = found.status.value
                self._desk.tops[market] = reading.top_of(found, self._app.clock.wall_ms())

    async def _reconcile(self, balance: models.Balance, positions: Sequence[models.Position], resting: int) -> None:
        desk, now = self._desk, self._app.clock.mono_ms()
        gaps = differences(desk.books, balance.balance, {p.ticker: p.position for p in positions})
        verdict = self._watch.judge(gaps, now, desk.last_fill_ms)
        state = desk.reading
        newly = set(map(str, verdict.held)) - set(map(str, state.verdict.held))
        state.verdict, state.balance, state.resting, state.complete = verdict, balance.balance, resting, True
        for text in sorted(newly):
            self._app.log.error("books-differ", gap=text)
            await desk.event("gap", source="Reconciliation", rule="reconciliation", reason=text)
        if verdict.fatal and not any(cause.source == "Reconciliation" for cause in desk.causes.values()):
            wall = self._app.clock.wall_ms()
            gap = verdict.fatal[0]
            await desk.latch(
                Cause(
                    id=f"reconciliation-{wall}",
                    source="Reconciliation",
                    reason="; ".join(map(str, verdict.fatal)),
                    by=self._app.config.process,
                    time_ms=wall,
                    rule="reconciliation",
                    value=str(gap.ours),
                    limit=str(gap.venue),
                )
            )
        await desk.refresh()
