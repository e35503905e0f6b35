"""Tells people of halts and resumes, from a loop of its own: nothing that guards money waits for a webhook.

The record's risk events are the queue and a marker beside them says how far people were told, so a restart loses
none; it repeats one only when it falls between the receiver's answer and the marker, and then under the same id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import msgspec
from prometheus_client import Counter

from services.ledger import alerts
from services.ledger.alerts import Alert, Standing, Who
from services.ledger.desk import Desk
from services.ledger.halting import Halter
from services.ledger.webhook import BAD_SECRET, Webhook, WebhookError
from services.ledger.writer import Writer
from services.runtime.app import App
from services.runtime.store import STORE_ERRORS, result
from services.runtime.streams import tail
from trading_logic.contracts import codec
from trading_logic.contracts.config import LedgerConfig
from trading_logic.contracts.messages import RiskEvent

SENT, LATE = "sent", "late"
BACK_OFF_S = (0.5, 2.0)
"""Between the three tries of one round."""
ROUND_S = 30.0
"""From one failed round to the next, for as long as it takes; a changed Secret ends the wait."""
LOOK_MS = 500
RETRY_S = 0.5
SEARCHED = 1_000


class Alerting:
    """One receiver. What it has not accepted is tried until it does, in order."""

    def __init__(self, app: App[LedgerConfig], desk: Desk, writer: Writer, halter: Halter, hook: Webhook) -> None:
        self._app, self._desk, self._writer, self._halter, self._hook = app, desk, writer, halter, hook
        cfg = app.config
        self._who = Who(cfg.policy, cfg.namespace, cfg.mode, cfg.exchange.environment)
        self._sent = Counter("touchline_alerts_sent", "alerts that the receiver accepted", registry=app.registry)
        self._failed = Counter(
            "touchline_alerts_failed", "rounds of three tries after which an alert waits", registry=app.registry
        )

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._app.beats.beat("alerts", within_ms=60_000)
            try:
                await self._follow()
            except STORE_ERRORS as error:
                self._app.log.warning("alerts-not-read", error=str(error))
                await asyncio.sleep(RETRY_S)

    async def _follow(self) -> None:
        topics, store = self._writer.record.topics, self._writer.record.store
        async for rows in tail(store, topics.risk_events(), start=await self._start(), block_ms=LOOK_MS):
            self._app.beats.beat("alerts", within_ms=60_000)
            self._check_secret()
            for entry_id, fields in rows:
                await self._take(entry_id, fields)
            await self._late()

    async def _start(self) -> str:
        """The marker. The first time: from now on, and what a halt that is under way began with."""
        record = self._writer.record
        marker = await result(record.store.client.hget(record.topics.alerts(), SENT))
        if marker is not None:
            return str(marker.decode())
        rows = await result(record.store.client.xrevrange(record.topics.risk_events(), count=SEARCHED))
        start = rows[0][0].decode() if rows else "0-0"
        if await record.causes():
            epoch = await record.epoch()
            for entry_id, fields in rows:
                event = self._event(entry_id.decode(), fields)
                if event is not None and event.kind == "latched" and event.epoch == epoch:
                    start = alerts.before(entry_id.decode())
        await self._mark(SENT, start)
        return start

    async def _mark(self, field: str, value: str) -> None:
        record = self._writer.record
        await result(record.store.client.hset(record.topics.alerts(), field, value))

    def _event(self, entry_id: str, fields: Mapping[bytes, bytes]) -> RiskEvent | None:
        try:
            return msgspec.json.decode(fields.get(codec.JSON_FIELD, b""), type=RiskEvent)
        except msgspec.DecodeError as error:
            self._app.log.error("bad-risk-event", entry=entry_id, error=str(error))
            return None

    async def _take(self, entry_id: str, fields: Mapping[bytes, bytes]) -> None:
        event = self._event(entry_id, fields)
        if event is None:
            return
        alert = alerts.of_event(entry_id, event, self._who, await self._standing())
        if alert is not None:
            await self._deliver(alert)
            await self._mark(SENT, entry_id)

    async def _late(self) -> None:
        halt = self._halter.state
        if halt is None:
            return
        alert = alerts.not_confirmed(halt, self._app.clock.wall_ms(), self._who, await self._standing())
        record = self._writer.record
        if alert is None or await result(record.store.client.hget(record.topics.alerts(), LATE)) == alert.id.encode():
            return
        await self._deliver(alert)
        await self._mark(LATE, alert.id)

    async def _standing(self) -> Standing:
        reading = self._desk.reading
        return Standing(await self._writer.record.causes(), reading.resting if reading.complete else None)

    # -- the receiver

    def _check_secret(self) -> None:
        """A Secret that cannot be used is told before there is anything to alert of."""
        try:
            self._hook.read()
        except WebhookError as error:
            self._complain(error)
        else:
            if self._app.status.noticed("alerts") == BAD_SECRET:
                self._app.status.notice("alerts", "", "")

    def _complain(self, error: WebhookError) -> None:
        if self._app.status.noticed("alerts") != error.reason:
            self._app.log.error("alerts", reason=error.reason, error=str(error))
        self._app.status.notice("alerts", error.reason, f"spec.alerts: {error}")

    async def _deliver(self, alert: Alert) -> None:
        """Return when the receiver has accepted it, however long that takes."""
        body = msgspec.json.encode(alert)
        while (error := await self._round(body)) is not None:
            self._failed.inc()
            self._app.log.error("alert-not-delivered", id=alert.id, alert=alert.event, error=str(error))
            self._complain(error)
            await self._hold()
        self._app.status.notice("alerts", "", "")
        self._sent.inc()
        self._app.log.info("alert-sent", id=alert.id, alert=alert.event)

    async def _round(self, body: bytes) -> WebhookError | None:
        """Three tries; the last one's error, None when it was accepted."""
        last: WebhookError | None = None
        for pause in (0.0, *BACK_OFF_S):
            await asyncio.sleep(pause)
            self._app.beats.beat("alerts", within_ms=60_000)
            try:
                await self._hook.post(body)
            except WebhookError as error:
                last = error
            else:
                return None
        return last

    async def _hold(self) -> None:
        began, old = self._app.clock.mono_ms(), self._secret()
        while self._app.clock.mono_ms() - began < ROUND_S * 1000 and self._secret() == old:
            self._app.beats.beat("alerts", within_ms=60_000)
            await asyncio.sleep(RETRY_S)

    def _secret(self) -> object:
        try:
            return self._hook.read()
        except WebhookError as error:
            return str(error)


async def forget(writer: Writer) -> None:
    """Nobody is to be told any more: who asks again later is not told of what happened in between."""
    record = writer.record
    await result(record.store.client.delete(record.topics.alerts()))
