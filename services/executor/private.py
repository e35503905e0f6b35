"""What the exchange says of our own orders and fills, as it happens: evidence that goes to the record at once."""

from __future__ import annotations

import asyncio

from services.exchange.frames import BadFrame, Connected, Disconnected, ErrorFrame, FillFrame, Frame, UserOrderFrame
from services.exchange.resolve import state_of
from services.exchange.stream import ExchangeStream
from services.runtime.app import App
from services.runtime.record import Record
from services.runtime.store import STORE_ERRORS, result
from trading_logic.contracts import codec
from trading_logic.contracts.config import ExecutorConfig
from trading_logic.contracts.messages import OrderState
from trading_logic.orders import intent_of, strategy_tag

FILLS_MAXLEN = 100_000


class PrivateFeed:
    """Follows the channels `fill` and `user_orders`. What is lost here, the resolver's and the ledger's reads find."""

    def __init__(self, app: App[ExecutorConfig], rec: Record, stream: ExchangeStream, resolve: asyncio.Event) -> None:
        self._app, self._rec, self._stream, self._resolve = app, rec, stream, resolve
        self._tag = strategy_tag(app.config.strategy_uid)

    async def run(self) -> None:
        """Until cancelled."""
        await self._stream.subscribe(["fill", "user_orders"])
        async for batch in self._stream.batches():
            self._app.beats.beat("private", within_ms=30_000)
            for frame in batch:
                try:
                    await self._take(frame)
                except STORE_ERRORS as error:
                    self._app.log.warning("private-frame-not-written", error=str(error))
                    self._resolve.set()

    async def _take(self, frame: Frame) -> None:
        match frame:
            case FillFrame():
                if frame.client_order_id is None or frame.client_order_id.startswith(self._tag):
                    await self._fill(frame)
            case UserOrderFrame() if frame.client_order_id.startswith(self._tag):
                await self._order(frame)
            case Connected():
                self._app.status.clear("private")
                self._resolve.set()
            case Disconnected():
                self._app.status.fault("private", "ExchangeStreamDown", frame.reason)
            case BadFrame():
                self._app.count("bad_frames")
                self._app.log.warning("bad-frame", error=frame.error)
                self._resolve.set()
            case ErrorFrame():
                self._app.log.error("stream-error", code=frame.code, message=frame.message)
            case _:
                pass  # snapshots and acknowledgements of channels that need nothing done

    async def _fill(self, frame: FillFrame) -> None:
        self._app.count("fills")
        await result(
            self._rec.store.client.xadd(
                self._rec.topics.fills(),
                {codec.FIELD: codec.encode(frame.report())},
                maxlen=FILLS_MAXLEN,
                approximate=True,
            )
        )

    async def _order(self, frame: UserOrderFrame) -> None:
        if frame.status == "unknown":
            self._resolve.set()
            return
        state: OrderState = (
            "resting"
            if frame.status == "resting"
            else state_of(frame.initial_count, frame.fill_count, frame.remaining_count)
        )
        answer = await self._rec.outcome(
            intent_of(frame.client_order_id),
            state,
            order_id=frame.order_id,
            filled=frame.fill_count,
            remaining=frame.remaining_count,
            reason=frame.last_update_reason or "",
            now_ms=self._app.clock.wall_ms(),
        )
        if answer == "no:absent":
            self._app.log.error("order-without-claim", order=frame.order_id, client_order_id=frame.client_order_id)
