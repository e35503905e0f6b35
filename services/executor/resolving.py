"""The loop that asks for the fate of orders: at once when an outcome is unknown, and now and then for all that rest."""

from __future__ import annotations

import asyncio

from services.exchange.errors import ExchangeError
from services.exchange.resolve import Resolver
from services.executor.session import Session
from services.runtime.app import App
from services.runtime.store import STORE_ERRORS
from trading_logic.contracts.config import ExecutorConfig

EVERY_S = 2.0
"""The private stream tells of an order's end within milliseconds; this finds what it lost."""


async def resolve_loop(app: App[ExecutorConfig], resolver: Resolver, session: Session, wake: asyncio.Event) -> None:
    """Until cancelled. Only the holder of the writer lease writes."""
    while True:
        app.beats.beat("resolve", within_ms=30_000)
        try:
            async with asyncio.timeout(EVERY_S):
                await wake.wait()
            wake.clear()
        except TimeoutError:
            pass
        if session.term == 0 or app.clock.mono_ms() >= session.writer_until_ms:
            continue
        try:
            left = await resolver.look(session.in_flight)
        except (ExchangeError, *STORE_ERRORS) as error:
            app.status.fault("resolve", "OrdersUnresolved", str(error))
            app.log.warning("resolve-retry", error=str(error))
            continue
        unknown = [order.intent_id for order in left if order.state != "resting"]
        if unknown:
            app.status.fault("resolve", "OrdersUnresolved", f"{len(unknown)} orders without an answer: {unknown[0]}…")
        else:
            app.status.clear("resolve")
