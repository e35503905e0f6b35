"""The life of one term: settle what was, trade under an epoch, stop at the first sign of a halt, settle again."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import msgspec

from services.exchange.errors import ExchangeError
from services.executor import wire
from services.executor.drain import Drain
from services.executor.port import Venue
from services.executor.session import Session, acknowledge, forget_groups, open_group
from services.runtime.app import App
from services.runtime.record import Record
from services.runtime.store import STORE_ERRORS, result
from trading_logic.contracts import record
from trading_logic.contracts.config import ExecutorConfig

WATCH_S = 0.1
RETRY_S = 0.5


@dataclass(frozen=True, slots=True)
class Seen:
    """The record's halting state at one moment."""

    epoch: int
    halted: bool
    incarnation: str


async def look(rec: Record) -> Seen:
    """Read epoch, latch and incarnation in one round trip."""
    pipe = rec.store.pipeline(transaction=True)
    pipe.get(rec.topics.epoch())
    pipe.hlen(rec.topics.latch())
    pipe.get(rec.topics.incarnation())
    epoch, causes, incarnation = await pipe.execute()
    return Seen(int(epoch or 0), causes > 0, incarnation.decode() if incarnation else "")


async def armed(rec: Record, strategy: str, group: str) -> bool:
    """Whether the record has the group as open: one that was triggered, by whomever, refuses every order."""
    body = await result(rec.store.client.hget(rec.topics.groups(strategy), group))
    return body is not None and msgspec.json.decode(body, type=record.OrderGroupRecord).state == "open"


class Term:
    """Trades while this process holds the writer lease. `lost` is set when it does not any more."""

    def __init__(
        self, app: App[ExecutorConfig], rec: Record, venue: Venue, session: Session, drain: Drain, lost: asyncio.Event
    ) -> None:
        self._app, self._rec, self._venue = app, rec, venue
        self._session, self._drain, self._lost = session, drain, lost
        self._incarnation = ""

    @property
    def _over(self) -> bool:
        return self._app.stop.is_set() or self._lost.is_set()

    async def run(self) -> None:
        """Until told to stop or the lease is lost. Faults of the venue or the record end trading, not the loop."""
        settled_epoch = -1
        while not self._over:
            self._app.beats.beat("session", within_ms=30_000)
            try:
                seen = await look(self._rec)
                await self._check_incarnation(seen)
                if seen.epoch != settled_epoch:
                    await self._drain.run()
                    settled_epoch = seen.epoch
                self._app.status.clear("venue")
                if seen.halted or seen.epoch == 0:
                    await self._stand_by(seen)
                    continue
                await self._trade(seen)
                settled_epoch = -1
            except ExchangeError as error:
                self._stop_trading("ExchangeFault", str(error))
                settled_epoch = -1
            except STORE_ERRORS as error:
                self._stop_trading("RecordFault", f"record Redis: {error}")
                settled_epoch = -1
            if self._app.status.first()[0]:
                await self._app.sleep(RETRY_S)

    def _stop_trading(self, reason: str, message: str) -> None:
        self._session.trading = False
        self._app.status.fault("venue", reason, message)
        self._app.log.error("not-trading", reason=reason, error=message)

    async def _stand_by(self, seen: Seen) -> None:
        """Halted, or no ledger has ever opened this record: say that nothing of ours is left, and wait."""
        reason = ("Halted", "the policy is halted") if seen.halted else ("NoLedger", "the ledger has not started yet")
        self._app.status.fault("halt", *reason)
        await acknowledge(self._app, self._rec, self._session, seen.epoch, 0)
        await self._app.sleep(WATCH_S)

    async def _check_incarnation(self, seen: Seen) -> None:
        """A record with another identity than the one we knew was wiped or rolled back: latch."""
        if self._incarnation and seen.incarnation != self._incarnation:
            self._session.trading = False
            cause = record.Cause(
                id=f"redis-changed-{seen.incarnation or 'empty'}",
                source="RedisChanged",
                reason=f"record incarnation was {self._incarnation}, now {seen.incarnation or 'absent'}",
                by=self._app.config.process,
                time_ms=self._app.clock.wall_ms(),
            )
            await self._rec.latch(cause, self._app.clock.wall_ms())
        self._incarnation = seen.incarnation or self._incarnation

    async def _trade(self, seen: Seen) -> None:
        """Open this epoch's group and trade until something changes."""
        cfg, session = self._app.config, self._session
        await forget_groups(self._rec, self._venue, cfg.strategy, self._app)
        session.epoch = seen.epoch
        await open_group(self._rec, self._venue, cfg.strategy, session, wire.group_limit(cfg.limits, cfg.entry))
        if await look(self._rec) != seen:
            return
        session.trading = True
        self._app.status.clear("halt")
        self._app.log.info(
            "trading", strategy=cfg.strategy, epoch=session.epoch, term=session.term, group=session.group
        )
        while not self._over:
            self._app.beats.beat("session", within_ms=30_000)
            if await look(self._rec) != seen or not await armed(self._rec, cfg.strategy, session.group):
                break
            if await self._app.sleep(WATCH_S):
                break
        session.trading = False
