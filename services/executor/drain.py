"""To zero: fence the groups at the venue, cancel what still rests, and read zero twice before believing it."""

from __future__ import annotations

import asyncio

from services.exchange.errors import ExchangeError
from services.exchange.models import OrderRef
from services.exchange.resolve import Resolver
from services.executor.port import Venue
from services.executor.session import Session, close_groups
from services.runtime.app import App
from services.runtime.record import Record
from services.runtime.store import STORE_ERRORS
from trading_logic.contracts.config import ExecutorConfig
from trading_logic.orders import strategy_tag

APART_S = 1.0
REQUEST_OVER_S = 6.5
"""A request of ours is over: time-out (5 s), wait for rate budget (0.5 s), slack."""


class Drain:
    """One strategy's way to nothing resting and nothing in flight."""

    def __init__(
        self, app: App[ExecutorConfig], rec: Record, venue: Venue, session: Session, resolver: Resolver
    ) -> None:
        self._app, self._rec, self._venue = app, rec, venue
        self._session, self._resolver = session, resolver

    async def run(self) -> int:
        """Try until nothing rests; the number that rested at the first reading. Errors of venue and record pass."""
        self._session.trading = False
        await self._in_flight_over()
        await close_groups(self._rec, self._venue, self._app.config.strategy)
        at_first = await self._cancel_resting()
        zeros = 0 if at_first else 1
        while zeros < 2:
            self._app.beats.beat("session")
            await asyncio.sleep(APART_S)
            zeros = 0 if await self._cancel_resting() else zeros + 1
        while await self._resolver.look(self._session.in_flight, fenced=True):
            self._app.beats.beat("session")
            await asyncio.sleep(APART_S)
        self._session.group = ""
        return at_first

    async def _in_flight_over(self) -> None:
        try:
            async with asyncio.timeout(REQUEST_OVER_S):
                while self._session.in_flight:  # noqa: ASYNC110  - a set that several tasks empty; once per drain
                    await asyncio.sleep(0.02)
        except TimeoutError:
            self._app.log.error("in-flight-not-over", intents=sorted(self._session.in_flight))

    async def _cancel_resting(self) -> int:
        """Cancel every resting order whose client id carries this strategy's tag; how many there were."""
        tag = strategy_tag(self._app.config.strategy_uid)
        resting = [
            order for order in await self._venue.orders(status="resting") if order.client_order_id.startswith(tag)
        ]
        if resting:
            answers = await self._venue.batch_cancel([OrderRef(order.order_id, order.ticker) for order in resting])
            refused = [answer for answer in answers if answer.error is not None]
            self._app.log.info("cancelled", orders=len(resting), refused=len(refused))
        return len(resting)


async def drain_until(drain: Drain, app: App[ExecutorConfig], seconds: float) -> bool:
    """Drain, trying again while the venue or the record is away; False when `seconds` ran out first."""
    deadline = app.clock.mono_ms() + int(seconds * 1000)
    while app.clock.mono_ms() < deadline:
        try:
            await drain.run()
        except (ExchangeError, *STORE_ERRORS) as error:
            app.status.fault("drain", "DrainPendingVenue", str(error))
            app.log.error("drain-retry", error=str(error))
            await asyncio.sleep(0.5)
        else:
            app.status.clear("drain")
            return True
    return False
