"""Reading the risk view of the record: every 200 ms and whenever the record nudges."""

from __future__ import annotations

import asyncio

from services.decision.view import Raw, RiskView, ViewError, parse
from services.runtime.app import App
from services.runtime.channels import listen
from services.runtime.store import STORE_ERRORS, result
from trading_logic.contracts.config import DecisionConfig
from trading_logic.contracts.topics import RecordTopics
from trading_logic.refusal import Refusal

READ_S = 0.2
UNSEEN_MS = 1_500
"""The gate drops intents older than a second: after this long a view shows what became of one."""


class RecordView:
    """The last view of the record, and the markets whose newest intent it cannot show yet."""

    def __init__(self, app: App[DecisionConfig]) -> None:
        self._app = app
        self._topics = RecordTopics(app.config.namespace, app.config.policy)
        self._nudged = asyncio.Event()
        self.sent: dict[str, int] = {}
        """Market -> when its newest intent was made (epoch milliseconds)."""
        self.now: RiskView | Refusal = Refusal("risk", "record not read yet", "a risk view")

    async def run(self) -> None:
        """Keep the view fresh until told to stop."""
        while not self._app.stop.is_set():
            self._app.beats.beat("view")
            try:
                self.now = await self.read()
            except STORE_ERRORS as error:
                self._no("StoreUnavailable", f"record {self._app.record.url} or bus {self._app.bus.url}: {error}")
            except ViewError as error:
                self._no("RiskViewIncomplete", str(error))
            else:
                self._app.status.clear("risk")
                at = self.now.read_ms
                self.sent = {market: made for market, made in self.sent.items() if at < made + UNSEEN_MS}
            try:
                async with asyncio.timeout(READ_S):
                    await self._nudged.wait()
            except TimeoutError:
                continue
            self._nudged.clear()
        self._app.beats.done("view")

    async def nudges(self) -> None:
        """Wake the reader at every nudge of the record."""
        while not self._app.stop.is_set():
            self._app.beats.beat("nudges", within_ms=30_000)
            try:
                async for message in listen(self._app.record, [self._topics.nudge()], wait_s=1.0):
                    self._app.beats.beat("nudges", within_ms=30_000)
                    if self._app.stop.is_set():
                        break
                    if message is not None:
                        self._nudged.set()
            except STORE_ERRORS as error:
                self._app.log.warning("nudges-lost", error=str(error))
                await self._app.sleep(0.5)
        self._app.beats.done("nudges")

    async def read(self) -> RiskView:
        """One consistent picture. Raises ViewError and store errors."""
        read_ms = self._app.clock.wall_ms()
        pipe = self._app.record.pipeline(transaction=True)
        pipe.hkeys(self._topics.latch())
        pipe.hgetall(self._topics.risk())
        pipe.hgetall(self._topics.exposure())
        pipe.hgetall(self._topics.reserved())
        pipe.hgetall(self._topics.positions())
        pipe.smembers(self._topics.open_orders())
        causes, risk, exposure, reserved, positions, open_orders = await pipe.execute()
        backlog = await result(self._app.bus.client.xlen(self._topics.intents(self._app.config.strategy)))
        orders: list[bytes | None] = []
        if open_orders:
            pipe = self._app.record.pipeline(transaction=False)
            for intent in open_orders:
                pipe.hget(self._topics.order(intent.decode()), "market")
            orders = await pipe.execute()
        return parse(Raw(causes, risk, exposure, reserved, positions, orders, backlog), read_ms)

    def _no(self, reason: str, message: str) -> None:
        self.now = Refusal("risk", message, "a risk view")
        if self._app.status.fault_is_new("risk", reason):
            self._app.log.warning("no-risk-view", reason=reason, message=message)
        self._app.status.fault("risk", reason, message)
