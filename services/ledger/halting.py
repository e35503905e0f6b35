"""The halt, done: fence the groups at once, cancel what else rests, and say how far it has come."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from services.exchange.errors import ExchangeError
from services.exchange.models import OrderRef
from services.ledger.desk import Desk
from services.ledger.fencing import fence
from services.ledger.halt import ExecutorView, Halt
from services.ledger.port import Venue
from services.ledger.writer import Writer
from services.runtime.app import App
from services.runtime.store import STORE_ERRORS, result
from trading_logic.contracts.config import LedgerConfig
from trading_logic.contracts.record import HaltState, OrderGroupRecord

LOOK_S = 0.1
AGAIN_S = 0.2
ZERO_APART_S = 1.0
AFTER_S = 2.0


class Halter:
    """Watches the latch and takes every halt to its end. Never waits for an executor before it fences."""

    def __init__(self, app: App[LedgerConfig], desk: Desk, writer: Writer, venue: Venue) -> None:
        self._app, self._desk, self._writer, self._venue = app, desk, writer, venue
        self._halt: Halt | None = None
        self._written: HaltState | None = None
        self._work: asyncio.Task[None] | None = None
        self.refusal = ""
        self.wake = asyncio.Event()

    @property
    def confirmed(self) -> bool:
        """Whether the present halt is at its end."""
        return self._halt is not None and self._halt.confirmed

    @property
    def state(self) -> HaltState | None:
        """How far the present halt has come, as last written; None when there is none."""
        return self._written

    async def run(self) -> None:
        """Until the process stops: look at the latch every 100 ms, and at once when nudged."""
        try:
            while not self._app.stop.is_set():
                self._app.beats.beat("halt")
                self.wake.clear()
                try:
                    await self.look()
                except STORE_ERRORS as error:
                    self._app.log.warning("latch-not-read", error=str(error))
                try:
                    async with asyncio.timeout(LOOK_S):
                        await self.wake.wait()
                except TimeoutError:
                    continue
        finally:
            self._drop_work()

    async def look(self) -> None:
        """Read the latch once and act on it."""
        causes, epoch = await self._writer.record.latched()
        self._desk.causes = causes
        if not causes:
            self._halt = self._written = None
            self.refusal = ""
            self._drop_work()
            return
        if self._halt is None or self._halt.epoch != epoch:
            self._drop_work()
            self._halt = await self._begin(epoch)
            self._app.log.error("halting", epoch=epoch, causes=sorted(causes))
            # The lease goes at once; the grant of an empty latch is what would bring it back.
            await result(self._writer.record.store.client.delete(self._writer.record.topics.trading_lease()))
        if self._work is None:
            self._work = asyncio.create_task(self._drain(self._halt), name="drain")
        elif self._work.done():
            self._work.result()
        self._halt.executors(await self._executors(), self._app.clock.mono_ms())
        await self._tell(self._halt)

    async def _begin(self, epoch: int) -> Halt:
        """The halt of this epoch, as far as an earlier ledger had brought it."""
        fields = await result(self._writer.record.store.client.hgetall(self._writer.record.topics.halt()))
        row = {key.decode(): value.decode() for key, value in fields.items()}
        now = self._app.clock.mono_ms()
        if row.get("epoch") == str(epoch):
            return Halt(epoch, now, int(row["since_ms"]), confirmed_wall_ms=int(row["confirmed_ms"]))
        return Halt(epoch, now, self._app.clock.wall_ms())

    def _drop_work(self) -> None:
        if self._work is not None:
            self._work.cancel()
            self._work = None

    async def _executors(self) -> dict[str, ExecutorView]:
        strategies = await self._writer.strategies()
        topics = self._writer.record.topics
        pipe = self._writer.record.store.pipeline(transaction=False)
        for strategy in strategies:
            pipe.hmget(topics.ack(strategy), ["epoch", "in_flight"])
            pipe.exists(topics.writer_lease(strategy))
        replies = await pipe.execute() if strategies else []
        views = {}
        for i, strategy in enumerate(strategies):
            (epoch, in_flight), lease = replies[2 * i], replies[2 * i + 1]
            acked = epoch is not None and in_flight is not None
            views[strategy] = ExecutorView(int(epoch) if acked else -1, int(in_flight) if acked else 0, bool(lease))
        return views

    async def _tell(self, halt: Halt) -> None:
        was_confirmed = halt.confirmed
        state = halt.state(self._app.clock.mono_ms(), self._app.clock.wall_ms())
        if self.refusal:
            state = HaltState(state.epoch, state.since_ms, state.resting, state.state, state.confirmed_ms, self.refusal)
        if state == self._written:
            return
        before = self._written
        await self._writer.halt_state(state)
        self._written = state
        if state.state == "confirmed" and not was_confirmed:
            self._app.log.error("halted", epoch=state.epoch, after_ms=state.confirmed_ms - state.since_ms)
            await self._event("halted", "nothing rests and every executor has stopped")
        elif state.state == "pending-venue" and (before is None or before.state != "pending-venue"):
            self._app.log.error("halt-pending-venue", message=state.message)
            await self._event("pending-venue", state.message)

    async def _event(self, kind: str, reason: str) -> None:
        cause = min(self._desk.causes.values(), key=lambda found: found.time_ms)
        await self._desk.event(
            kind, reason=reason, source=cause.source, rule=cause.rule, value=cause.value, limit=cause.limit
        )

    # -- the exchange

    async def _drain(self, halt: Halt) -> None:
        """Fence, cancel and read until cancelled; faster while something rests."""
        while True:
            try:
                wait = await self._pass(halt)
            except (ExchangeError, *STORE_ERRORS) as error:
                self._app.log.warning("halt-retry", error=str(error))
                wait = AGAIN_S
            await asyncio.sleep(wait)

    async def _pass(self, halt: Halt) -> float:
        groups = await self._writer.groups()
        if not halt.confirmed:
            groups = {**await self._strays(groups), **groups}
        wanted = halt.to_trigger({group: body for group, (_, body) in groups.items()})
        if wanted:
            done = await asyncio.gather(
                *(self._trigger(halt, group, *groups[group]) for group in wanted), return_exceptions=True
            )
            for group, error in zip(wanted, done, strict=True):
                if isinstance(error, ExchangeError):
                    # Tried again in the next pass; what rests is cancelled all the same.
                    halt.not_triggered(group, str(error))
                    self._app.log.error("group-not-triggered", group=group, error=str(error))
                elif isinstance(error, BaseException):
                    raise error
            # Look again: an executor may have opened one more before it saw the latch.
            halt.to_trigger({group: body for group, (_, body) in (await self._writer.groups()).items()})
        asked = self._app.clock.mono_ms()
        resting = await self._venue.orders(status="resting")
        halt.reading(len(resting), asked)
        if resting:
            answers = await self._venue.batch_cancel([OrderRef(order.order_id, order.ticker) for order in resting])
            refused = sum(answer.error is not None for answer in answers)
            self._app.log.warning("halt-cancelled", orders=len(resting), refused=refused)
            return AGAIN_S
        return AFTER_S if halt.confirmed else ZERO_APART_S

    async def _strays(self, known: Mapping[str, object]) -> dict[str, tuple[str, OrderGroupRecord]]:
        """Armed groups of the account that the record does not know: a lost record's, or another program's."""
        armed = OrderGroupRecord(epoch=0, term=0, exchange_index=0, state="triggered")
        return {
            found.id: ("", armed)
            for found in await self._venue.order_groups()
            if found.is_auto_cancel_enabled and found.id not in known
        }

    async def _trigger(self, halt: Halt, group: str, strategy: str, body: OrderGroupRecord) -> None:
        await fence(self._writer, self._venue, self._app.log, strategy=strategy, group=group, body=body)
        halt.triggered(group, self._app.clock.mono_ms())
