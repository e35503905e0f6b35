"""The ledger's own lease, the record's identity, and the trading lease that executors live by."""

from __future__ import annotations

import asyncio

from services.ledger.desk import Desk
from services.ledger.halting import Halter
from services.ledger.witness import Witness
from services.ledger.writer import LeaseLost, Writer
from services.runtime.app import App
from services.runtime.store import STORE_ERRORS, result
from trading_logic.contracts.config import LedgerConfig
from trading_logic.contracts.record import Cause, TradingLease

LEDGER_TTL_MS = 4_000
RENEW_S = 0.8
LEAST_GRANT_S = 0.2
FIRST_EPOCH = 1


async def acquire(app: App[LedgerConfig], writer: Writer) -> bool:
    """Wait until this is the policy's one ledger; False when told to stop before."""
    key = writer.record.topics.ledger_lease()
    client = writer.record.store.client
    while not app.stop.is_set():
        app.beats.beat("lease")
        try:
            if await result(client.set(key, writer.token, nx=True, px=LEDGER_TTL_MS)):
                app.status.clear("lease")
                return True
            app.status.fault("lease", "AnotherLedger", f"the ledger lease of {app.config.policy} is held by another")
        except STORE_ERRORS as error:
            app.status.fault("lease", "RecordFault", f"record Redis: {error}")
        if await app.sleep(0.2):
            return False
    return False


async def identify(app: App[LedgerConfig], writer: Writer) -> str:
    """The record's incarnation; an empty record gets one, and its first epoch."""
    topics, client = writer.record.topics, writer.record.store.client
    await result(client.set(topics.incarnation(), app.clock.new_id(), nx=True))
    await result(client.set(topics.epoch(), FIRST_EPOCH, nx=True))
    found = await result(client.get(topics.incarnation()))
    return str(found.decode())


class Leases:
    """Keeps the ledger's lease and grants the trading lease, while there is every reason to."""

    def __init__(
        self, app: App[LedgerConfig], writer: Writer, desk: Desk, witness: Witness, halter: Halter, incarnation: str
    ) -> None:
        self._app, self._writer, self._desk = app, writer, desk
        self._witness, self._halter, self._incarnation = witness, halter, incarnation
        self.marks_read_ms = -1_000_000
        """Monotonic: when the tops were last read."""

    async def keep(self) -> None:
        """Renew the ledger's lease until the process stops. Raises LeaseLost when it is gone."""
        lease = self._writer.record.topics.ledger_lease()
        good_until = self._app.clock.mono_ms() + LEDGER_TTL_MS
        while not self._app.stop.is_set():
            self._app.beats.beat("lease")
            asked = self._app.clock.mono_ms()
            try:
                await self.check_incarnation()
                if not await self._writer.record.renew(lease, self._writer.token, LEDGER_TTL_MS):
                    raise LeaseLost("the ledger lease is held by another or gone: this ledger stops")
                good_until = asked + LEDGER_TTL_MS
            except STORE_ERRORS as error:
                self._app.log.warning("lease-not-renewed", error=str(error), left_ms=good_until - asked)
            await self._app.sleep(RENEW_S)

    async def check_incarnation(self) -> None:
        """A record with another identity was wiped or rolled back: latch there. Raises LeaseLost to begin anew."""
        found = await result(self._writer.record.store.client.get(self._writer.record.topics.incarnation()))
        now = found.decode() if found is not None else ""
        if now == self._incarnation:
            return
        wall = self._app.clock.wall_ms()
        reason = f"record incarnation was {self._incarnation}, now {now or 'absent'}"
        cause = Cause(f"redis-changed-{now or 'empty'}", "RedisChanged", reason, self._app.config.process, wall)
        await self._writer.record.latch(cause, wall)
        raise LeaseLost(f"{reason}: this ledger stops and the next one reads the exchange anew")

    async def grant_loop(self) -> None:
        """Grant the trading lease ten times in its life, while everything it stands for is so."""
        ttl = self._app.config.limits.stale_after_ms
        every = max(ttl / 10_000, LEAST_GRANT_S)
        while not self._app.stop.is_set():
            self._app.beats.beat("grant")
            why = self.missing()
            if why:
                self._app.status.fault("grant", "NoTradingLease", why)
            else:
                await self._grant(ttl)
            if await self._app.sleep(every):
                return

    async def _grant(self, ttl: int) -> None:
        try:
            epoch = await self._writer.record.epoch()
            lease = TradingLease(epoch, self._desk.seq, self._incarnation, self._app.clock.wall_ms())
            answer = await self._writer.grant(lease, ttl)
        except STORE_ERRORS as error:
            self._app.log.warning("lease-not-granted", error=str(error))
            return
        self._app.status.clear("grant")
        if answer in {"latch", "epoch"}:
            self._halter.wake.set()

    def missing(self) -> str:
        """Why no lease may be granted now; "" when it may."""
        now, half = self._app.clock.mono_ms(), self._app.config.limits.stale_after_ms // 2
        desk = self._desk
        if not desk.opened or not desk.reading.complete:
            return "books are not reconciled yet"
        if desk.reading.verdict.fatal:
            return f"books differ: {desk.reading.unclean}"
        if now - self._witness.contact_ms > half:
            return f"the exchange has not answered for {(now - self._witness.contact_ms) // 1000} s"
        if now - self.marks_read_ms > half:
            return "marks were not read: the bus is away"
        return ""


async def release(app: App[LedgerConfig], writer: Writer) -> None:
    """Give the ledger's lease back, so that a successor need not wait for it."""
    try:
        async with asyncio.timeout(2.0):
            await writer.record.renew(writer.record.topics.ledger_lease(), writer.token, 0)
    except (TimeoutError, *STORE_ERRORS) as error:
        app.log.warning("lease-not-released", error=str(error))
