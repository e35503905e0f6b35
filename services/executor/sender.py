"""An intent's way to the exchange: gate, last look, exactly one send, outcome. Nothing here ever sends twice."""

from __future__ import annotations

import asyncio
from functools import partial

import msgspec

from services.exchange.errors import OutcomeUnknown, PermanentError, TemporaryError
from services.exchange.models import CreateOrder
from services.exchange.resolve import state_of
from services.executor import wire
from services.executor.port import Venue
from services.executor.session import Session
from services.runtime.app import App
from services.runtime.record import Claimed, Record
from trading_logic.contracts.config import ExecutorConfig
from trading_logic.contracts.messages import Intent, OrderState
from trading_logic.orders import client_order_id
from trading_logic.refusal import Refusal
from trading_logic.risk.drawdown import trading_day
from trading_logic.risk.limits import MAX_INTENT_AGE_MS
from trading_logic.stages import EXCHANGE


class Sender:
    """Carries intents. `resolve` is woken when an outcome is unknown."""

    def __init__(
        self, app: App[ExecutorConfig], rec: Record, venue: Venue, session: Session, resolve: asyncio.Event
    ) -> None:
        self._app, self._rec, self._venue, self._session, self._resolve = app, rec, venue, session, resolve
        self._latency = app.histogram("tick_to_order", "from the receipt of the tick to the order's first byte")
        self._gate_time = app.histogram("gate", "one claim")

    async def carry(self, intent: Intent) -> Refusal | OrderState:
        """Take one intent to its outcome as far as it can be known now.

        Safe to call again for the same intent: the gate knows it (`duplicate`). Raises STORE_ERRORS when the record
        is away before the claim; after the claim the order stands in the record as `claimed` and is resolved later.
        """
        app, session = self._app, self._session
        cid = client_order_id(intent.strategy_uid, intent.id)
        fence = session.fence()
        asked = app.clock.mono_ms()
        day = trading_day(app.clock.wall_ms(), app.config.trading_day.time_zone, app.config.trading_day.starts_at)
        with self._gate_time.time():
            answer = await self._rec.claim(
                intent, msgspec.json.encode(intent), cid, fence, app.config.limits, day, app.clock.wall_ms()
            )
        if not isinstance(answer, Claimed):
            app.count(f"dropped:{answer.rule}")
            app.log.info(
                "dropped",
                intent=intent.id,
                market=intent.market,
                kind=intent.kind,
                rule=answer.rule,
                value=answer.value,
                limit=answer.limit,
            )
            return answer
        session.in_flight.add(intent.id)
        try:
            session.lease_until_ms = asked + answer.lease_ms
            order = wire.order_of(intent, cid, fence.group, app.clock.wall_ms())
            fault = (
                wire.last_look(order, intent, app.config.limits, app.config.entry, fence.group) or self._fence_fault()
            )
            if fault is not None:
                app.log.error(
                    "stopped-before-socket", intent=intent.id, rule=fault.rule, value=fault.value, limit=fault.limit
                )
                reason = f"{fault.rule}: {fault.value}, limit {fault.limit}"
                return await self._refused(intent, reason, fault)
            return await self._send(intent, order)
        finally:
            session.in_flight.discard(intent.id)

    def _fence_fault(self) -> Refusal | None:
        """The deadlines that count in this process, from before each lease was asked for: the last check of all."""
        session, now = self._session, self._app.clock.mono_ms()
        if not session.trading:
            return Refusal("trading", "stopped", "trading")
        if now >= session.lease_until_ms:
            return Refusal("tradingLease", str(session.lease_until_ms - now), "> 0")
        if now >= session.writer_until_ms:
            return Refusal("writerLease", str(session.writer_until_ms - now), "> 0")
        return None

    def _time_left(self, intent: Intent) -> float:
        """Seconds in which the order may still leave: no longer than either lease, nor than its tick is young."""
        session, now = self._session, self._app.clock.mono_ms()
        if not session.trading:
            return 0.0
        age_ms = self._app.clock.wall_ms() - intent.received_ms
        left_ms = min(session.lease_until_ms - now, session.writer_until_ms - now, MAX_INTENT_AGE_MS - age_ms)
        return left_ms / 1000

    async def _send(self, intent: Intent, order: CreateOrder) -> OrderState:
        app = self._app
        self._latency.observe(max(0, app.clock.wall_ms() - intent.received_ms) / 1000)
        try:
            ack = await self._venue.create_order(order, time_left=partial(self._time_left, intent))
        except OutcomeUnknown as error:
            app.log.error("outcome-unknown", intent=intent.id, client_order_id=order.client_order_id, error=str(error))
            return await self._unknown(intent, str(error))
        except PermanentError as error:
            if error.code == "order_already_exists":
                # Some send of this id arrived; which one, and what became of it, only the venue's list says.
                return await self._unknown(intent, str(error))
            app.log.warning("refused", intent=intent.id, market=intent.market, code=error.code, error=str(error))
            return await self._refused(intent, str(error), Refusal(EXCHANGE, error.code, "accepted"))
        except TemporaryError as error:
            app.log.warning("not-sent", intent=intent.id, market=intent.market, error=str(error))
            return await self._refused(intent, f"not sent: {error}", error.no)
        state = state_of(intent.count, ack.fill_count, ack.remaining_count)
        app.count("orders")
        app.log.info(
            "accepted",
            intent=intent.id,
            order=ack.order_id,
            market=intent.market,
            kind=intent.kind,
            side=intent.side,
            price=intent.price,
            count=intent.count,
            filled=ack.fill_count,
            state=state,
        )
        return await self._settle(
            intent, state, order_id=ack.order_id, filled=ack.fill_count, remaining=ack.remaining_count, reason=""
        )

    async def _unknown(self, intent: Intent, reason: str) -> OrderState:
        state = await self._settle(intent, "unknown", order_id="", filled=0, remaining=intent.count, reason=reason)
        self._resolve.set()
        return state

    async def _refused(self, intent: Intent, reason: str, no: Refusal | None) -> OrderState:
        return await self._settle(intent, "refused", order_id="", filled=0, remaining=0, reason=reason, no=no)

    async def _settle(
        self,
        intent: Intent,
        state: OrderState,
        *,
        order_id: str,
        filled: int,
        remaining: int,
        reason: str,
        no: Refusal | None = None,
    ) -> OrderState:
        """Write the outcome. When the record is away the order stays `claimed` there: the resolver asks the venue."""
        answer = await self._rec.outcome(
            intent.id,
            state,
            order_id=order_id,
            filled=filled,
            remaining=remaining,
            reason=reason,
            now_ms=self._app.clock.wall_ms(),
            no=no,
        )
        if answer != "ok":
            # The private stream was quicker and has written a later state; that one stands.
            self._app.log.info("outcome-known", intent=intent.id, state=state, stands=answer)
        return state
