"""Ingest's loops: frames to the bus, a heartbeat while the connection lives, and the catalog's markets."""

from __future__ import annotations

import asyncio

from services.exchange.budget import TIERS, Budget
from services.exchange.clock import SystemClock
from services.exchange.keys import KeySource
from services.exchange.reads import ExchangeReads
from services.exchange.rotation import first_key, follow_key
from services.exchange.stream import ExchangeStream
from services.ingest.desk import BOOKS, TRADES, Desk
from services.runtime.app import App
from services.runtime.direct import Command
from services.runtime.store import STORE_ERRORS, result
from services.runtime.streams import appended
from trading_logic.contracts import codec, config, topics
from trading_logic.contracts.messages import BookState, CatalogEntry, MarketData, TopOfBook, TradePrint

HEARTBEAT_S = 1.0
BOOK_EVERY_MS = 200
"""Book snapshots are for readers that start: often enough to keep their catch-up short, seldom enough to be cheap."""

MOST_PER_ENTRY = 4_096
MOST_KINDS = 100
"""Different problems of frames that are logged; the counter goes on."""

SILENCE_S = 3.0
MAX_BUFFER = 4_096
"""Frames held in memory; beyond it the socket waits, and with it the exchange."""


async def main(app: App[config.Ingest]) -> None:
    """Follow one event until told to stop."""
    cfg = app.config
    app.subject = cfg.event
    app.count_from_zero("failed_writes", "bad_frames", "exchange_errors")
    app.status.expect("exchange", "no frame of the exchange yet")
    entry = await _catalog(app)
    keys = await first_key(app, app.config.exchange) if entry else None
    if entry is None or keys is None:
        return
    desk = Desk(market.market for market in entry.markets)
    async with ExchangeStream(
        cfg.exchange.ws_url, keys, SystemClock(), app.clock.new_id, silence_s=SILENCE_S, max_buffer=MAX_BUFFER
    ) as stream:
        await stream.subscribe([BOOKS, TRADES], list(desk.feed.markets))
        ingest = Ingest(app, desk, stream)
        await ingest.begin()
        stopped = asyncio.create_task(app.stop.wait(), name="stop")
        loops = {
            asyncio.create_task(ingest.frames(), name="frames"),
            asyncio.create_task(ingest.heartbeat(), name="heartbeat"),
            asyncio.create_task(_follow_key(app, keys, stream), name="key"),
        }
        try:
            done, _ = await asyncio.wait({*loops, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not app.stop.is_set():
                for task in done:
                    task.result()  # a loop that ended by itself ends the process, with its own error
        finally:
            for task in (*loops, stopped):
                task.cancel()
            await asyncio.gather(*loops, stopped, return_exceptions=True)


async def _catalog(app: App[config.Ingest]) -> CatalogEntry | None:
    """Wait for the event's catalog entry; None when told to stop before."""
    reader = codec.Reader(CatalogEntry)
    key = topics.MarketDataTopics(app.config.namespace, app.config.feed).catalog(app.config.event)
    while not app.stop.is_set():
        app.beats.beat("catalog")
        try:
            body = await result(app.bus.client.get(key))
            if body is not None:
                entry = reader.one(body)
                app.status.clear("catalog")
                app.beats.done("catalog")
                return entry
            app.status.fault("catalog", "WaitingForCatalog", f"no catalog entry for event {app.config.event} yet")
        except STORE_ERRORS as error:
            app.status.fault("catalog", "BusUnavailable", f"{app.bus.url}: {error}")
        except codec.CodecError as error:
            app.status.fault("catalog", "BadCatalogEntry", f"event {app.config.event}: {error}")
        await app.sleep(0.2)
    return None


async def _follow_key(app: App[config.Ingest], keys: KeySource, stream: ExchangeStream) -> None:
    """A changed key is tried on a read call of a client that ingest needs for nothing else."""
    cfg, clock = app.config.exchange, SystemClock()
    budget = Budget(TIERS["basic"], clock)
    async with ExchangeReads(cfg.rest_url, keys, budget, clock, subaccount=cfg.subaccount) as reads:
        await follow_key(app, keys, reads, stream.reconnect)


class Ingest:
    """One event's desk, bound to its stream and the bus."""

    def __init__(self, app: App[config.Ingest], desk: Desk, stream: ExchangeStream) -> None:
        self._app, self._desk, self._stream = app, desk, stream
        self._topics = topics.MarketDataTopics(app.config.namespace, app.config.feed)
        self._last_id = ""
        self._hole = False  # the bus may have missed something: say everything again
        self._books_ms = 0
        self._heard_ms = 0
        self._writing = asyncio.Lock()  # a book may only be published with the id of the entry that made it
        self._kinds: set[str] = set()
        self._reader = codec.Reader(CatalogEntry)
        self._latency = app.histogram("publish", "from a batch's oldest frame to its write on the bus")

    async def begin(self) -> None:
        """Say that whatever an earlier life published is not to be trusted until its next snapshot."""
        self._app.status.fault("exchange", "Connecting", f"waiting for {self._app.config.exchange.ws_url}")
        started = self._desk.block("", "ingest started; waiting for the first snapshot", self._app.clock.wall_ms())
        self._desk.feed.apply(started)
        async with self._writing:
            await self._write([started], [])

    async def frames(self) -> None:
        """Carry every batch of frames to the bus."""
        async for batch in self._stream.batches():
            self._app.beats.beat("frames", within_ms=60_000)
            async with self._writing:
                # Before the frames are applied the books are exactly those of the last entry.
                states = self._due_states()
                messages = self._desk.take(batch)
                self._tell()
                await self._write(messages, states)
            if messages:
                self._latency.observe((self._app.clock.wall_ms() - messages[0].received_ms) / 1000)

    async def heartbeat(self) -> None:
        """Once a second: tops again while the connection lives, books in full, new markets of the catalog."""
        while not await self._app.sleep(HEARTBEAT_S):
            self._app.beats.beat("heartbeat", within_ms=30_000)
            self._app.beats.beat("frames", within_ms=60_000)  # a quiet exchange is no stuck loop
            async with self._writing:
                if self._hole:
                    await self._write([], [])
                elif self._last_id:
                    every = self._stream.is_connected
                    await self._write([], self._desk.states(self._last_id, every=True), every_top=every)
            await self._follow_catalog()

    def _due_states(self) -> list[BookState]:
        now = self._app.clock.mono_ms()
        if self._hole or not self._last_id or now - self._books_ms < BOOK_EVERY_MS:
            return []
        self._books_ms = now
        return self._desk.states(self._last_id, every=False)

    async def _write(self, messages: list[MarketData], states: list[BookState], *, every_top: bool = False) -> None:
        """One round trip. A failed one may have half happened, so the next begins with all books in full."""
        now_ms = self._app.clock.wall_ms()
        if self._hole:
            # The snapshots include every delta of `messages`; trades have no other trace.
            trades = [message for message in messages if isinstance(message, TradePrint)]
            messages = [*self._desk.snapshots(now_ms), *trades]
        tops = self._desk.tops(self._alive_ms(now_ms), every=every_top or self._hole)
        if not (messages or states or tops):
            return
        event = self._app.config.event
        commands: list[Command] = []
        if states:
            fields = [word for state in states for word in (state.market, codec.encode(state))]
            commands.append(("HSET", self._topics.book(event), *fields))
        for start in range(0, len(messages), MOST_PER_ENTRY):
            body = codec.encode_batch(messages[start : start + MOST_PER_ENTRY])
            commands.append(appended(self._topics.md(event), body, topics.MD_MAXLEN))
        written = len(commands)
        commands += self._top_commands(tops)
        try:
            replies = await self._app.bus.hot.batch(commands)
        except STORE_ERRORS as error:
            if not self._hole:
                self._app.log.error("bus-write-failed", error=str(error))
            self._hole = True
            self._app.count("failed_writes")
            self._app.status.fault("bus", "BusUnavailable", f"{self._app.bus.url}: {error}")
            await self._app.sleep(0.2)
            return
        if messages:
            self._last_id = replies[written - 1].decode()
            self._hole = False
            self._app.status.clear("bus")

    def _top_commands(self, tops: list[TopOfBook]) -> list[Command]:
        if not tops:
            return []
        event = self._app.config.event
        bodies = {top.market: codec.encode(top) for top in tops}
        fields = [word for pair in bodies.items() for word in pair]
        told: list[Command] = [("PUBLISH", self._topics.top(event), body) for body in bodies.values()]
        return [("HSET", self._topics.tops(event), *fields), *told]

    def _alive_ms(self, now_ms: int) -> int:
        """When the exchange was last heard on this connection; stays where it was while there is none."""
        silent_s = self._stream.silent_s
        if silent_s is not None:
            self._heard_ms = max(self._heard_ms, now_ms - round(silent_s * 1000))
        return self._heard_ms

    async def _follow_catalog(self) -> None:
        """Subscribe to markets that the event got since."""
        try:
            body = await result(self._app.bus.client.get(self._topics.catalog(self._app.config.event)))
            entry = self._reader.one(body) if body is not None else None
        except (*STORE_ERRORS, codec.CodecError) as error:
            self._app.log.warning("catalog-unreadable", error=str(error))
            return
        new = [m.market for m in entry.markets if m.market not in self._desk.feed.markets] if entry else []
        for market in new:
            self._desk.add(market)
        if new:
            await self._stream.subscribe([BOOKS, TRADES], new)

    def _tell(self) -> None:
        """Counters and faults of what the desk saw."""
        desk, counters = self._desk, self._app.counters
        counters["frames"], counters["gaps"] = desk.frames, desk.gaps
        counters["reconnects"] = max(0, desk.connections - 1)
        for kind, text in desk.problems:
            self._app.count("bad_frames" if kind == "bad-frame" else "exchange_errors")
            if text not in self._kinds and len(self._kinds) < MOST_KINDS:
                self._kinds.add(text)
                self._app.log.error(kind, problem=text)
        desk.problems.clear()
        if desk.up:
            self._app.status.clear("exchange")
        elif desk.down_reason:
            kind = "KeyRefused" if desk.key_refused else "ExchangeUnreachable"
            if self._app.status.fault_is_new("exchange", kind):
                self._app.log.error("exchange-unreachable", kind=kind, reason=desk.down_reason)
            self._app.status.fault("exchange", kind, desk.down_reason, spec=desk.key_refused)
