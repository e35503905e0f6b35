"""The right to trade: writer lease and term, one order group per epoch, and how it is wound down."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from services.exchange.errors import ExchangeError, NotFound
from services.executor.port import Venue
from services.runtime.app import App
from services.runtime.record import Fence, Record
from services.runtime.store import STORE_ERRORS, result
from trading_logic.contracts.config import ExecutorConfig
from trading_logic.contracts.record import OrderGroupRecord, encode

WRITER_TTL_MS = 6_000
WRITER_RENEW_S = 1.5
SHARD = 0
"""Football trades on the exchange's shard 0; groups never span shards (see docs/architecture.md)."""


@dataclass
class Session:
    """What this executor may do now. `trading` is False from the first sign of a halt, a lost lease or a stop."""

    token: str
    term: int = 0
    epoch: int = 0
    group: str = ""
    trading: bool = False
    writer_until_ms: int = 0  # monotonic, counted from before the lease was asked for
    lease_until_ms: int = 0  # trading lease, the same way
    in_flight: set[str] = field(default_factory=set)

    def fence(self) -> Fence:
        """The fence for the gate; epoch 0 never passes, so an executor that may not trade is refused there, by name."""
        return Fence(self.epoch if self.trading else 0, self.term, self.token, self.group)


async def acquire(app: App[ExecutorConfig], rec: Record, session: Session) -> bool:
    """Wait for the writer lease; False when told to stop. The term is raised in the same call."""
    cfg = app.config
    while not app.stop.is_set():
        app.beats.beat("session")
        asked = app.clock.mono_ms()
        term, held_ms = await rec.take_over(cfg.strategy, cfg.strategy_uid, session.token, WRITER_TTL_MS)
        if term:
            session.term = term
            session.writer_until_ms = asked + WRITER_TTL_MS
            app.status.clear("writer")
            app.log.info("took-over", strategy=cfg.strategy, term=term)
            return True
        app.status.fault("writer", "AnotherExecutor", f"writer lease held by another for {held_ms} ms more")
        if await app.sleep(min(max(held_ms, 100), 1_000) / 1000):
            return False
    return False


async def keep_writer(app: App[ExecutorConfig], rec: Record, session: Session, until: asyncio.Event) -> None:
    """Renew the writer lease until `until` is set. A lost lease ends trading at once and sets `until`.

    While the record is away nothing is lost yet: the deadline of the last renewal still stands, here and in the gate,
    and no order leaves after it.
    """
    lease = rec.topics.writer_lease(app.config.strategy)
    while not until.is_set():
        app.beats.beat("writer")
        asked = app.clock.mono_ms()
        try:
            held = await rec.renew(lease, session.token, WRITER_TTL_MS)
        except STORE_ERRORS as error:
            app.log.warning("writer-lease-not-renewed", error=str(error), left_ms=session.writer_until_ms - asked)
        else:
            if not held:
                session.trading = False
                app.log.error("writer-lease-lost", strategy=app.config.strategy, term=session.term)
                until.set()
                return
            session.writer_until_ms = asked + WRITER_TTL_MS
        try:
            async with asyncio.timeout(WRITER_RENEW_S):
                await until.wait()
        except TimeoutError:
            continue
    app.beats.done("writer")


async def groups(rec: Record, strategy: str) -> dict[str, OrderGroupRecord]:
    """Every order group this strategy ever had that is not deleted."""
    rows = await result(rec.store.client.hgetall(rec.topics.groups(strategy)))
    found = {key.decode(): msgspec.json.decode(body, type=OrderGroupRecord) for key, body in rows.items()}
    return {key: group for key, group in found.items() if group.state != "deleted"}


async def mark_group(
    rec: Record, strategy: str, group_id: str, group: OrderGroupRecord, state: Literal["triggered", "deleted"]
) -> None:
    """Write what became of a group; deleted ones are forgotten."""
    key = rec.topics.groups(strategy)
    if state == "deleted":
        await result(rec.store.client.hdel(key, group_id))
    else:
        await result(rec.store.client.hset(key, group_id, encode(msgspec.structs.replace(group, state=state))))


async def close_groups(rec: Record, venue: Venue, strategy: str) -> None:
    """Trigger every group that is open: the venue cancels what rests and refuses what still arrives.

    The record says `triggered` before the venue is asked, so that the ledger knows that we caused it. Raises
    ExchangeError when the venue does not confirm.
    """
    for group_id, group in (await groups(rec, strategy)).items():
        if group.state == "open":
            await mark_group(rec, strategy, group_id, group, "triggered")
        try:
            await venue.trigger_order_group(group_id)
        except NotFound:
            await mark_group(rec, strategy, group_id, group, "deleted")


async def forget_groups(rec: Record, venue: Venue, strategy: str, log: App[ExecutorConfig]) -> None:
    """Delete the triggered groups after reconciliation. A refusal only delays it to the next time."""
    for group_id, group in (await groups(rec, strategy)).items():
        if group.state != "triggered":
            continue
        try:
            await venue.delete_order_group(group_id)
        except NotFound:
            pass
        except ExchangeError as error:
            log.log.warning("group-not-deleted", group=group_id, error=str(error))
            continue
        await mark_group(rec, strategy, group_id, group, "deleted")


async def open_group(rec: Record, venue: Venue, strategy: str, session: Session, limit: int) -> None:
    """Create this epoch's and term's group and make it known before any order uses it."""
    group_id = await venue.create_order_group(limit, exchange_index=SHARD)
    body = OrderGroupRecord(epoch=session.epoch, term=session.term, exchange_index=SHARD, state="open")
    await result(rec.store.client.hset(rec.topics.groups(strategy), group_id, encode(body)))
    session.group = group_id


async def acknowledge(app: App[ExecutorConfig], rec: Record, session: Session, epoch: int, resting: int) -> None:
    """Tell the ledger that under `epoch` nothing of ours is in flight and how many orders of ours rest."""
    await result(
        rec.store.client.hset(
            rec.topics.ack(app.config.strategy),
            mapping={
                "epoch": epoch,
                "term": session.term,
                "in_flight": len(session.in_flight),
                "resting": resting,
                "at_ms": app.clock.wall_ms(),
            },
        )
    )
    await result(rec.store.client.publish(rec.topics.nudge(), "ack"))
