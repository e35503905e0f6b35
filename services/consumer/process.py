"""The consumer's loops: the stream of market data, the channels around it, and the care once a second."""

from __future__ import annotations

import asyncio

from services.consumer.desk import Desk, entry_id
from services.consumer.games import Games
from services.runtime.app import App
from services.runtime.channels import listen
from services.runtime.direct import Command
from services.runtime.store import STORE_ERRORS, result
from services.runtime.streams import Entry, GroupReader, appended
from trading_logic.contracts import codec, config, topics
from trading_logic.contracts.codec import CodecError, Reader, decode_market_data
from trading_logic.contracts.messages import BookState, CatalogEntry, Signal, TopOfBook

BATCH = 256
BLOCK_MS = 500
CARE_S = 1.0
SILENT_MS = 3_000


async def main(app: App[config.Consumer]) -> None:
    """Serve one event until told to stop."""
    app.subject = app.config.event
    app.count_from_zero("entries", "signals", "dead")
    app.status.expect("feed", "no book yet")
    consumer = Consumer(app)
    if not await consumer.wait_for_catalog():
        return
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(consumer.books(), name="books")
        tasks.create_task(consumer.channels(), name="channels")
        tasks.create_task(consumer.care(), name="care")


class Consumer:
    """One event's desk, bound to the bus."""

    def __init__(self, app: App[config.Consumer]) -> None:
        self._app = app
        self._event = app.config.event
        self._topics = topics.MarketDataTopics(app.config.namespace, app.config.feed)
        self._desk = Desk(self._event)
        self._games = Games(app.config.sources)
        self._ready = False  # books are complete: signals may leave
        self._resume = asyncio.Event()  # somebody found the books incomplete
        self._catalog = Reader(CatalogEntry)
        self._tops = Reader(TopOfBook)
        self._latency = app.histogram("signal", "from the tick's receipt to its signal's write")

    # ------------------------------------------------------------------------------------------ the stream

    async def books(self) -> None:
        """Read market data in batches; signals and the ack of a batch leave in one call."""
        reader: GroupReader | None = None
        recreated = 0
        while not self._app.stop.is_set():
            self._app.beats.beat("books", within_ms=30_000)
            try:
                if reader is None or self._resume.is_set():
                    self._ready = False
                    self._resume.clear()
                    reader = await self._open()
                    recreated = reader.recreated
                entries = await reader.read(count=BATCH, block_ms=BLOCK_MS)
                if reader.recreated != recreated:
                    self._app.log.warning("stream-lost", subject=self._event)
                    self._resume.set()
                elif entries:
                    await self._batch(reader, entries)
            except STORE_ERRORS as error:
                # What was applied but not written is made good by resuming: books anew, a signal for every market.
                self._resume.set()
                self._fault("bus", "BusUnavailable", f"{self._app.bus.url}: {error}")
                await self._app.sleep(0.5)
        self._app.beats.done("books")

    async def _open(self) -> GroupReader:
        """Books as of where the group stands, a signal for every market, and nothing left unacknowledged."""
        client = self._app.bus.client
        rows = await result(client.hgetall(self._topics.book(self._event)))
        states = [state for body in rows.values() if (state := self._state(body)) is not None]
        start = self._desk.restore(states)
        reader = GroupReader(
            self._app.bus,
            self._topics.md(self._event),
            topics.CONSUMER_GROUP,
            self._app.config.process,
            self._topics.dead(self._event),
            self._app.clock,
            self._app.log,
            start=f"{start[0]}-{start[1]}",
        )
        await reader.open()
        delivered = await reader.delivered()
        # The group's ">" begins after what it delivered: what lies between the snapshots and there is read here.
        at = f"({start[0]}-{start[1]}"
        while entry_id(delivered) > start:
            chunk = await result(client.xrange(self._topics.md(self._event), min=at, max=delivered, count=BATCH))
            for row_id, fields in chunk:
                self._apply(Entry(row_id, fields.get(codec.FIELD, b"")))
            if len(chunk) < BATCH:
                break
            at = f"({chunk[-1][0].decode()}"
        self._desk.take()
        await self._write(None, [], self._desk.everything("book"))
        while unfinished := await reader.unfinished(count=BATCH):
            await reader.ack(unfinished)
            self._app.count("recovered", len(unfinished))
        self._ready = True
        self._app.status.clear("bus")
        return reader

    async def _batch(self, reader: GroupReader, entries: list[Entry]) -> None:
        good = []
        for entry in entries:
            problem = self._apply(entry)
            if problem:
                self._app.count("dead")
                await reader.bury(entry, problem)
            else:
                good.append(entry)
        self._app.count("entries", len(good))
        await self._write(reader, good, self._desk.take())

    def _apply(self, entry: Entry) -> str:
        """Apply one entry; what is wrong with it, or an empty text."""
        try:
            messages = decode_market_data(entry.body)
        except CodecError as error:
            return str(error)
        self._desk.apply(entry_id(entry.id.decode()), messages)
        if messages:
            self._desk.alive_ms = max(self._desk.alive_ms, messages[-1].received_ms)
        return ""

    async def _write(self, reader: GroupReader | None, entries: list[Entry], signals: list[Signal]) -> None:
        """Signals first, then the ack, in one transaction: an ack without its signals would lose them."""
        if not signals and not entries:
            return
        commands: list[Command] = []
        if signals:
            commands.append(
                appended(self._topics.signals(self._event), codec.encode_batch(signals), topics.SIGNALS_MAXLEN)
            )
        if reader is not None and entries:
            commands.append(reader.acked(entries))
        await self._app.bus.hot.batch(commands, transaction=len(commands) > 1)
        if signals:
            now = self._app.clock.wall_ms()
            for signal in signals:
                self._latency.observe((now - signal.received_ms) / 1000)
            self._app.count("signals", len(signals))

    # ------------------------------------------------------------------------------------------ channels and care

    async def channels(self) -> None:
        """Follow games, heartbeats of tops, and changes of the catalog."""
        sources = {self._topics.source(name): name for name in self._app.config.sources}
        top, nudge = self._topics.top(self._event), self._topics.catalog_nudge()
        while not self._app.stop.is_set():
            try:
                async for message in listen(self._app.bus, [*sources, top, nudge], wait_s=1.0):
                    self._app.beats.beat("channels", within_ms=30_000)
                    self._app.status.clear("channels")
                    if self._app.stop.is_set():
                        break
                    if message is None:
                        continue
                    channel, body = message
                    if channel == top:
                        self._alive(body)
                    elif channel == nudge:
                        await self._read_catalog()
                    else:
                        self._game(sources[channel], body)
                        await self._game_signals()
            except STORE_ERRORS as error:
                self._fault("channels", "BusUnavailable", f"{self._app.bus.url}: {error}")
                await self._app.sleep(0.5)
        self._app.beats.done("channels")

    async def care(self) -> None:
        """Once a second: states that no message brought, a late source, a silent feed, a stream trimmed past us."""
        client = self._app.bus.client
        while not await self._app.sleep(CARE_S):
            self._app.beats.beat("care", within_ms=30_000)
            try:
                await self._read_games()
                await self._game_signals()
                first = await result(client.xrange(self._topics.md(self._event), count=1))
                lost = first and entry_id(first[0][0].decode()) > self._desk.applied
                if self._ready and (lost or self._desk.blind()) and await self._can_heal():
                    self._resume.set()
            except STORE_ERRORS as error:
                self._fault("care", "BusUnavailable", f"{self._app.bus.url}: {error}")
            else:
                self._app.status.clear("care")
            self._say_feed()
        self._app.beats.done("care")

    async def _can_heal(self) -> bool:
        """Whether ingest has a usable book where this desk has none, or the stream lost entries before we read them."""
        rows = await result(self._app.bus.client.hgetall(self._topics.book(self._event)))
        states = [state for body in rows.values() if (state := self._state(body)) is not None]
        good = {state.market for state in states if state.status not in {"empty", "gap"}}
        return bool(good) and (not self._desk.blind() or bool(good & set(self._desk.blind())))

    async def wait_for_catalog(self) -> bool:
        """Wait until the event's catalog entry is there; False when told to stop before."""
        while not self._app.stop.is_set():
            self._app.beats.beat("catalog")
            try:
                await self._read_catalog()
            except STORE_ERRORS as error:
                self._fault("catalog", "BusUnavailable", f"{self._app.bus.url}: {error}")
            if self._desk.catalog is not None:
                await self._read_games()
                break
            await self._app.sleep(0.2)
        self._app.beats.done("catalog")
        return not self._app.stop.is_set()

    async def _read_catalog(self) -> None:
        body = await result(self._app.bus.client.get(self._topics.catalog(self._event)))
        if body is None:
            self._fault("catalog", "WaitingForCatalog", f"no catalog entry for event {self._event} yet")
            return
        try:
            self._desk.set_catalog(self._catalog.one(body))
        except CodecError as error:
            self._fault("catalog", "BadCatalogEntry", f"event {self._event}: {error}")
            return
        self._app.status.clear("catalog")

    async def _read_games(self) -> None:
        assert self._desk.catalog is not None
        game = self._desk.catalog.game
        for name in self._app.config.sources:
            body = await result(self._app.bus.client.get(self._topics.source_state(name, game)))
            if body is not None:
                self._game(name, body)

    def _game(self, source: str, body: bytes) -> None:
        assert self._desk.catalog is not None
        try:
            self._games.put(source, self._desk.catalog.game, body)
        except CodecError as error:
            self._app.count("bad_states")
            self._fault(f"source:{source}", "BadGameState", f"source {source}: {error}")
        else:
            self._app.status.clear(f"source:{source}")

    async def _game_signals(self) -> None:
        now_ms = self._app.clock.wall_ms()
        changed = self._desk.set_game(self._games.best(now_ms), now_ms)
        if changed and self._ready:
            await self._write(None, [], self._desk.everything("game"))

    def _alive(self, body: bytes) -> None:
        try:
            top = self._tops.one(body)
        except CodecError:
            self._app.count("bad_tops")
            return
        self._desk.alive_ms = max(self._desk.alive_ms, top.alive_ms)

    def _state(self, body: bytes) -> BookState | None:
        try:
            return _BOOKS.one(body)
        except CodecError as error:
            self._app.log.warning("book-unreadable", error=str(error))
            return None

    def _say_feed(self) -> None:
        silent = self._app.clock.wall_ms() - self._desk.alive_ms
        if silent > SILENT_MS:
            self._app.status.fault(
                "feed", "FeedSilent", f"event {self._event}: nothing heard from ingest for {silent} ms"
            )
        elif blind := self._desk.blind():
            self._app.status.fault("feed", "BookIncomplete", f"no complete book of {', '.join(blind)}")
        else:
            self._app.status.clear("feed")

    def _fault(self, part: str, reason: str, message: str) -> None:
        if self._app.status.fault_is_new(part, reason):
            self._app.log.warning("consumer-fault", reason=reason, message=message)
        self._app.status.fault(part, reason, message)


_BOOKS = Reader(BookState)
