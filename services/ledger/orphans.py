"""Strategies without an executor: what theirs left behind is fenced, and its orders are brought to their end.

A successor would do the same before it trades; but none comes when a strategy is stopped, suspended or halted just
after its executor died. The writer lease is the proof: a group under a lease that ran out is never used again.
"""

from __future__ import annotations

import msgspec

from services.exchange.errors import ExchangeError
from services.exchange.resolve import Resolver
from services.ledger.fencing import fence
from services.ledger.port import Venue
from services.ledger.writer import Writer
from services.runtime.app import App
from services.runtime.store import STORE_ERRORS
from trading_logic.contracts.config import LedgerConfig
from trading_logic.contracts.record import OrderGroupRecord

LOOK_S = 1.0


class Orphans:
    """Looks once a second for strategies whose writer lease has run out."""

    def __init__(self, app: App[LedgerConfig], writer: Writer, venue: Venue) -> None:
        self._app, self._writer, self._venue = app, writer, venue
        self._resolvers: dict[str, Resolver] = {}
        self._fenced: set[str] = set()

    async def run(self) -> None:
        """Until the process stops."""
        while not await self._app.sleep(LOOK_S):
            self._app.beats.beat("orphans", within_ms=60_000)
            try:
                for strategy in await self._writer.strategies():
                    await self._look(strategy)
            except (ExchangeError, *STORE_ERRORS) as error:
                self._app.log.warning("orphans-retry", error=str(error))

    async def _look(self, strategy: str) -> None:
        topics, store = self._writer.record.topics, self._writer.record.store
        pipe = store.pipeline(transaction=True)
        pipe.exists(topics.writer_lease(strategy))
        pipe.hgetall(topics.groups(strategy))
        leased, rows = await pipe.execute()
        if leased:
            self._resolvers.pop(strategy, None)
            return
        for group, body in rows.items():
            await self._fence(strategy, group.decode(), msgspec.json.decode(body, type=OrderGroupRecord))
        resolver = self._resolvers.setdefault(
            strategy, Resolver(self._writer.record, self._venue, self._app.clock, strategy)
        )
        left = await resolver.look(set(), fenced=True)
        for order in left:
            self._app.log.info("orphan-unresolved", strategy=strategy, intent=order.intent_id, state=order.state)

    async def _fence(self, strategy: str, group: str, body: OrderGroupRecord) -> None:
        """Trigger a group once in this ledger's life; one that is marked may never have reached the exchange."""
        if group in self._fenced or body.state == "deleted":
            return
        if await fence(self._writer, self._venue, self._app.log, strategy=strategy, group=group, body=body):
            self._app.log.warning("orphan-fenced", strategy=strategy, group=group)
        self._fenced.add(group)
