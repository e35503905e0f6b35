"""What the ledger hears from other processes: tops and catalog (bus); orders, fills and nudges (record)."""

from __future__ import annotations

import asyncio

from services.ledger.desk import Desk
from services.ledger.halting import Halter
from services.ledger.lease import Leases
from services.ledger.witness import Witness
from services.ledger.writer import LeaseLost
from services.runtime.app import App
from services.runtime.channels import listen
from services.runtime.store import STORE_ERRORS, result
from services.runtime.streams import tail
from trading_logic.contracts import codec
from trading_logic.contracts.config import LedgerConfig
from trading_logic.contracts.messages import CatalogEntry, OrderEvent, TopOfBook
from trading_logic.contracts.topics import MarketDataTopics, RecordTopics

TOPS_EVERY_S = 1.0
CATALOG_EVERY_TURNS = 3
BLOCK_MS = 1_000
RETRY_S = 0.5

_top = codec.Reader(TopOfBook)
_catalog = codec.Reader(CatalogEntry)
_order = codec.Reader(OrderEvent)


def _entry_id(text: str) -> tuple[int, int]:
    """A stream entry id in its own order."""
    head, _, tail_ = text.partition("-")
    return int(head), int(tail_ or 0)


class Feeds:
    """The loops that listen. Each ends when the process stops."""

    def __init__(
        self, app: App[LedgerConfig], desk: Desk, witness: Witness, halter: Halter, leases: Leases, start: str
    ) -> None:
        self._app, self._desk = app, desk
        self._witness, self._halter, self._leases = witness, halter, leases
        self._record = RecordTopics(app.config.namespace, app.config.policy)
        self._market = MarketDataTopics(app.config.namespace, app.config.feed)
        self._orders_at = start
        self.marked = asyncio.Event()

    async def tops_loop(self) -> None:
        """Tops as they are published; they are read again every second by `reread_loop`."""
        channels = [self._market.top(event) for event in self._app.config.events]
        while channels and not self._app.stop.is_set():
            self._app.beats.beat("tops")
            try:
                async for message in listen(self._app.bus, channels, wait_s=BLOCK_MS / 1000):
                    self._app.beats.beat("tops")
                    if self._app.stop.is_set():
                        return
                    if message is not None:
                        self._take_top(message[1])
            except STORE_ERRORS as error:
                self._app.log.warning("tops-not-heard", error=str(error))
                await self._app.sleep(RETRY_S)

    def _take_top(self, body: bytes) -> None:
        try:
            top = _top.one(body)
        except codec.CodecError as error:
            self._app.count("bad_tops")
            self._app.log.warning("bad-top", error=str(error))
            return
        self._desk.tops[top.market] = top
        if top.market in self._desk.books.holdings:
            self.marked.set()

    async def reread_loop(self) -> None:
        """The tops and the catalog as keys: what pub/sub lost, and the proof that the bus is there."""
        turn = 0
        while not self._app.stop.is_set():
            self._app.beats.beat("reread")
            try:
                if turn % CATALOG_EVERY_TURNS == 0:
                    await self.read_catalog()
                await self._read_tops()
                self._app.status.clear("bus")
            except STORE_ERRORS as error:
                self._app.status.fault("bus", "BusFault", f"bus Redis: {error}")
            turn += 1
            if await self._app.sleep(TOPS_EVERY_S):
                return

    async def read_catalog(self) -> None:
        """Which market belongs to which game, and whether it can be traded. Raises STORE_ERRORS."""
        for event in self._app.config.events:
            body = await result(self._app.bus.client.get(self._market.catalog(event)))
            if body is None:
                continue
            try:
                entry = _catalog.one(body)
            except codec.CodecError as error:
                self._app.log.warning("bad-catalog-entry", event_ticker=event, error=str(error))
                continue
            for info in entry.markets:
                self._desk.markets[info.market] = (entry, info)

    async def _read_tops(self) -> None:
        for event in self._app.config.events:
            for body in (await result(self._app.bus.client.hgetall(self._market.tops(event)))).values():
                self._take_top(body)
        await result(self._app.bus.client.ping())
        self._leases.marks_read_ms = self._app.clock.mono_ms()

    async def orders_loop(self) -> None:
        """Every step that an executor or the gate wrote."""
        while not self._app.stop.is_set():
            try:
                await self._not_older()
                async for rows in tail(
                    self._app.record, self._record.orders(), start=self._orders_at, block_ms=BLOCK_MS
                ):
                    self._app.beats.beat("orders")
                    for entry_id, fields in rows:
                        await self._take_order(fields.get(codec.JSON_FIELD, b""))
                        self._orders_at = entry_id
                    if self._app.stop.is_set():
                        return
            except STORE_ERRORS as error:
                self._app.log.warning("orders-not-read", error=str(error))
                await self._app.sleep(RETRY_S)

    async def _not_older(self) -> None:
        """A record that lacks the last step we read came back as it was earlier. Raises LeaseLost to begin anew."""
        stream, at = self._record.orders(), self._orders_at
        if at == "0" or await result(self._app.record.client.xrange(stream, min=at, max=at)):
            return
        first = await result(self._app.record.client.xrange(stream, count=1))
        if first and _entry_id(first[0][0].decode()) > _entry_id(at):
            return  # trimmed
        why = f"the record does not have step {at} of its orders any more: it came back as it was earlier"
        async with self._desk.lock:
            await self._desk.record_changed(f"orders-{at}", why)
        raise LeaseLost(f"{why}; this ledger stops and the next one reads the exchange anew")

    async def _take_order(self, body: bytes) -> None:
        try:
            event = _order.json(body)
        except codec.CodecError as error:
            self._app.count("bad_orders")
            self._app.log.error("bad-order-event", error=str(error))
            return
        async with self._desk.lock:
            await self._desk.step(event)
        if event.state not in {"claimed", "dropped"}:
            self._witness.wake.set()

    async def fills_loop(self) -> None:
        """An executor heard of a fill: look at the exchange now. What it says is not booked, only what we read."""
        while not self._app.stop.is_set():
            try:
                async for rows in tail(self._app.record, self._record.fills(), start="$", block_ms=BLOCK_MS):
                    self._app.beats.beat("fills")
                    if rows:
                        self._witness.wake.set()
                    if self._app.stop.is_set():
                        return
            except STORE_ERRORS as error:
                self._app.log.warning("fills-not-read", error=str(error))
                await self._app.sleep(RETRY_S)

    async def nudges_loop(self) -> None:
        """Nudges only shorten the wait for the next look."""
        while not self._app.stop.is_set():
            try:
                async for message in listen(self._app.record, [self._record.nudge()], wait_s=BLOCK_MS / 1000):
                    self._app.beats.beat("nudges")
                    if self._app.stop.is_set():
                        return
                    if message is not None and message[1] not in {b"booked", b"halt"}:
                        self._halter.wake.set()
            except STORE_ERRORS as error:
                self._app.log.warning("nudges-not-heard", error=str(error))
                await self._app.sleep(RETRY_S)

    async def risk_loop(self) -> None:
        """Equity after every mark, at the latest after 200 ms."""
        while not self._app.stop.is_set():
            self._app.beats.beat("risk")
            self.marked.clear()
            try:
                async with self._desk.lock:
                    await self._desk.refresh()
            except STORE_ERRORS as error:
                self._app.log.warning("risk-not-written", error=str(error))
                await self._app.sleep(RETRY_S)
            try:
                async with asyncio.timeout(0.2):
                    await self.marked.wait()
                await self._app.sleep(0.02)  # marks come in bursts: one valuation for all of them
            except TimeoutError:
                continue
