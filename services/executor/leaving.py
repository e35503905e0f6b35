"""The loop of exits: follows tops of book and the ledger's positions, and sells when the plan says so."""

from __future__ import annotations

import asyncio
import contextlib

import msgspec

from services.executor.exits import exit_intent, leave
from services.executor.sender import Sender
from services.executor.session import Session
from services.runtime.app import App
from services.runtime.channels import listen
from services.runtime.record import Record
from services.runtime.store import STORE_ERRORS, result
from trading_logic.contracts.codec import CodecError, Reader
from trading_logic.contracts.config import ExecutorConfig
from trading_logic.contracts.messages import TopOfBook
from trading_logic.contracts.record import ExitPlanRecord, PositionRecord
from trading_logic.contracts.topics import MarketDataTopics

LOOK_S = 0.1
AGAIN_MS = 3_000
"""An exit's fill is booked well within this; before, the same position is not sold a second time."""


class Exits:
    """Positions of this strategy that have a plan."""

    def __init__(
        self, app: App[ExecutorConfig], rec: Record, sender: Sender, session: Session, market_data: MarketDataTopics
    ) -> None:
        self._app, self._rec, self._sender, self._session = app, rec, sender, session
        self._md = market_data
        self._tops: dict[str, TopOfBook] = {}
        self._moved = asyncio.Event()
        self._sold: dict[str, tuple[int, int]] = {}  # market -> (position when sold, monotonic ms)
        self._read_top = Reader(TopOfBook)

    async def follow_tops(self) -> None:
        """Keep the last top of every market of this strategy's events; until cancelled."""
        channels = [self._md.top(event) for event in self._app.config.events]
        while True:
            try:
                await self._load()
                async for message in listen(self._app.bus, channels, wait_s=1.0):
                    self._app.beats.beat("tops", within_ms=30_000)
                    if message is not None:
                        self._take(message[1])
            except STORE_ERRORS as error:
                self._app.log.warning("tops-lost", error=str(error))
                await asyncio.sleep(0.5)

    async def _load(self) -> None:
        for event in self._app.config.events:
            for body in (await result(self._app.bus.client.hgetall(self._md.tops(event)))).values():
                self._take(body)

    def _take(self, body: bytes) -> None:
        try:
            top = self._read_top.one(body)
        except CodecError as error:
            self._app.count("bad_tops")
            self._app.log.warning("bad-top", error=str(error))
            return
        self._tops[top.market] = top
        self._moved.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._app.beats.beat("exits", within_ms=30_000)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._moved.wait()
            self._moved.clear()
            if self._session.trading:
                try:
                    await self._look()
                except STORE_ERRORS as error:
                    self._app.log.warning("exits-blind", error=str(error))
            await asyncio.sleep(LOOK_S)

    async def _look(self) -> None:
        cfg = self._app.config
        pipe = self._rec.store.pipeline(transaction=False)
        pipe.hgetall(self._rec.topics.positions())
        pipe.hgetall(self._rec.topics.exit_plans(cfg.strategy))
        pipe.hget(self._rec.topics.flatten(), cfg.strategy)
        positions, plans, until = await pipe.execute()
        flatten = int(until or 0) > self._app.clock.wall_ms()
        for market, body in plans.items():
            name = market.decode()
            top, held = self._tops.get(name), positions.get(market)
            if top is None or held is None:
                self._sold.pop(name, None)
                continue
            position = msgspec.json.decode(held, type=PositionRecord)
            plan = msgspec.json.decode(body, type=ExitPlanRecord)
            if not self._may_sell(name, position.count):
                continue
            now = self._app.clock.wall_ms()
            # What a sibling opened is not ours to sell, also where we once had a plan.
            found = leave(position, plan, top, now, flatten=flatten and position.strategy == cfg.strategy)
            if found is None:
                continue
            self._app.log.info("exit", market=name, rule=found.rule, price=found.price, count=found.count)
            self._sold[name] = (position.count, self._app.clock.mono_ms())
            await self._sender.carry(exit_intent(cfg.strategy, cfg.strategy_uid, cfg.policy, plan, top, found, now))

    def _may_sell(self, market: str, count: int) -> bool:
        """Not while the last exit of this same position may still be on its way into the books."""
        sold = self._sold.get(market)
        return sold is None or sold[0] != count or self._app.clock.mono_ms() - sold[1] >= AGAIN_MS
