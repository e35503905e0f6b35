"""What the exchange itself says, over the ledger's own connection: frames at once, readings against every loss.

Fills are booked from whichever tells first; the reading that follows finds what a lost frame hid.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence

from services.exchange import models
from services.exchange.errors import AuthenticationError, ExchangeError, NotFound
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
from services.ledger.audit import Audit
from services.ledger.desk import Desk
from services.ledger.orders import OrderRow
from services.ledger.port import Venue
from services.runtime.app import App
from services.runtime.store import STORE_ERRORS
from trading_logic.contracts.config import LedgerConfig
from trading_logic.contracts.messages import FillReport
from trading_logic.contracts.record import Cause
from trading_logic.orders import intent_of, strategy_tag

CHANNELS = ("fill", "user_orders", "order_group_updates")
READ_EVERY_S = 2.0
READ_GAP_S = 0.5
FILL_SLACK_MS = 60_000
ORDER_SLACK_MS = 60_000
KNOWN_ORDERS = 10_000


class Witness:
    """Follows one account and tells the desk."""

    def __init__(self, app: App[LedgerConfig], desk: Desk, venue: Venue, stream: ExchangeStream) -> None:
        self._app, self._desk, self._venue, self._stream = app, desk, venue, stream
        self._audit = Audit(app, desk, venue)
        self._client_ids: OrderedDict[str, str] = OrderedDict()
        self._fills_from_ms: int | None = None
        self._settled_from_ms: int | None = None
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
                fill = frame.report()
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
                await self._groups_tripped([frame.order_group_id])
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

    async def _groups_tripped(self, triggered: Sequence[str]) -> None:
        """Groups that nobody of ours triggered: the exchange's own brake acted. Ours are marked before it is asked."""
        if self._desk.causes or not triggered:
            return
        known = await self._desk.writer.groups()
        for group in triggered:
            strategy, body = known.get(group, ("", None))
            if body is None or body.state != "open":
                continue
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
            except AuthenticationError as error:
                self._app.status.fault("venue", "KeyRefused", str(error), spec=True)
                self._app.log.error("key-refused", error=str(error))
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
                async with asyncio.timeout(period - READ_GAP_S if period > READ_GAP_S else READ_GAP_S):
                    await self.wake.wait()
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
        transfers, groups = await asyncio.gather(self._audit.transfers(), self._venue.order_groups())
        for order in [*orders, *resting]:
            self._know(order.order_id, order.client_order_id)
        await self._learn([reading.fill_of(fill) for fill in fills])
        # What a frame said that never came. The exchange does not say that a group without auto-cancel has tripped, so
        # only one that was seen with it counts.
        armed = [found.id for found in groups if found.is_auto_cancel_enabled]
        unarmed = [found.id for found in groups if not found.is_auto_cancel_enabled]
        await self._groups_tripped(await self._desk.writer.disarmed(armed, unarmed))
        await self._audit.foreign_marks()
        async with self._desk.lock:
            if not self._desk.opened:
                await self._audit.open(fills, positions, balance, settlements, transfers)
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
            settled = [await self._audit.settle(settlement) for settlement in settlements]
            await self._audit.unmanaged(resting, self._row)
            for order in resting:
                await self._claim_lost(order.order_id)
            await self._audit.reconcile(balance, positions, len(resting))
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

    async def _claim_lost(self, order_id: str) -> None:
        """An order that carries a strategy's tag was claimed before it was sent: without its claim the record is older.

        Call with the desk's lock held.
        """
        client_id = self._client_ids.get(order_id, "")
        if not client_id or await self._row(order_id) is not None:
            return
        for strategy, uid in (await self._desk.writer.strategy_uids()).items():
            if client_id.startswith(strategy_tag(uid)):
                why = f"order {order_id} of strategy {strategy} is at the exchange and its claim is not in the record"
                await self._desk.record_changed(f"order-{order_id}", why)

    async def _book(self, fill: FillReport) -> None:
        if fill.fill_id in self._desk.booked:
            return
        row = await self._row(fill.order_id)
        if not await self._desk.book_fill(fill, row):
            return
        self._app.count("booked")
        await self._claim_lost(fill.order_id)
        if row is None:
            await self._desk.event(
                "gap",
                source="Reconciliation",
                rule="unmanagedFill",
                value=fill.order_id,
                limit="recorded by an executor",
                reason=f"fill {fill.fill_id} in {fill.market} belongs to an order that no executor recorded",
            )
