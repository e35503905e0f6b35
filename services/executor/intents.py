"""The stream of intents: each is carried once, acknowledged when the record knows what became of it.

It is on the bus: losing it loses nothing that would still be worth an order, and twice is once at the gate.
"""

from __future__ import annotations

import asyncio
import itertools

from services.executor.sender import Sender
from services.runtime.app import App
from services.runtime.record import Record
from services.runtime.store import STORE_ERRORS
from services.runtime.streams import Entry, GroupReader
from trading_logic.contracts.codec import CodecError, Reader
from trading_logic.contracts.config import ExecutorConfig
from trading_logic.contracts.messages import Intent

BATCH = 32
BLOCK_MS = 500
TRIM_EVERY = 32
"""Turns of the loop between trims: the stream's length is what a decision takes for the backlog."""
AT_ONCE = 8
"""Requests under way at the same time: more would only wait for the exchange's write budget."""


class Intents:
    """Reads intents, hands them on in order, and does not wait for one order before it asks the gate for the next."""

    def __init__(self, app: App[ExecutorConfig], rec: Record, sender: Sender, consumer: str) -> None:
        self._app, self._rec, self._sender = app, rec, sender
        topics = rec.topics
        self._reader = GroupReader(
            app.bus,
            topics.intents(app.config.strategy),
            "executor",
            consumer,
            topics.dead(),
            app.clock,
            app.log,
            start="0",
        )
        self._decode = Reader(Intent)
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        """Until cancelled."""
        opened = False
        async with asyncio.TaskGroup() as under_way:
            for turn in itertools.count():
                self._app.beats.beat("intents", within_ms=30_000)
                try:
                    if opened and turn % TRIM_EVERY == 0:
                        await self._reader.trim()
                    if not opened:
                        await self._reader.open()
                        opened = True
                    entries = await self._reader.read(count=BATCH, block_ms=BLOCK_MS)
                    for entry in entries:
                        await self._slots.acquire()
                        under_way.create_task(self._one(entry))
                except STORE_ERRORS as error:
                    self._app.log.warning("intents-not-read", error=str(error))
                    await asyncio.sleep(0.2)

    async def _one(self, entry: Entry) -> None:
        try:
            try:
                intent = self._decode.one(entry.body)
            except CodecError as error:
                await self._reader.bury(entry, str(error))
                return
            if intent.strategy_uid != self._app.config.strategy_uid:
                await self._reader.bury(entry, f"intent of strategy UID {intent.strategy_uid}")
                return
            await self._sender.carry(intent)
            await self._reader.ack([entry])
        except STORE_ERRORS as error:
            # Not acknowledged: it comes again, and the gate knows whether it was claimed.
            self._app.log.warning("intent-interrupted", entry=entry.id.decode(), error=str(error))
        finally:
            self._slots.release()
