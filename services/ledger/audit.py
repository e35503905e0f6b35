"""What one reading of the exchange says beyond fills and orders: settlements, transfers, strangers, differences."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from services.exchange import models
from services.exchange.errors import NotFound
from services.ledger import reading
from services.ledger.books import Holding
from services.ledger.desk import Desk
from services.ledger.exposures import Unmanaged
from services.ledger.orders import OrderRow
from services.ledger.port import Venue
from services.ledger.reconcile import Watch, differences
from services.runtime.app import App
from trading_logic.contracts.config import LedgerConfig
from trading_logic.contracts.record import Cause

TRANSFERS_EVERY_MS = 30_000

FindRow = Callable[[str], Awaitable[OrderRow | None]]
"""The recorded order behind an exchange order id."""


class Audit:
    """Holds the desk to what the exchange shows. Call the writing ones with the desk's lock held."""

    def __init__(self, app: App[LedgerConfig], desk: Desk, venue: Venue) -> None:
        self._app, self._desk, self._venue = app, desk, venue
        self._watch = Watch()
        self._transfers_at_ms = -TRANSFERS_EVERY_MS

    async def transfers(self) -> list[tuple[str, int, str]]:
        """Deposits and withdrawals that moved money; some accounts may not ask, then none are known."""
        now = self._app.clock.mono_ms()
        if now - self._transfers_at_ms < TRANSFERS_EVERY_MS and self._desk.reading.verdict.clean:
            return []
        found: list[tuple[str, int, str]] = []
        for ask, sign in ((self._venue.deposits, 1), (self._venue.withdrawals, -1)):
            try:
                found += reading.applied(await ask(), sign)
            except NotFound:
                continue
        self._transfers_at_ms = now
        return found

    async def open(
        self,
        fills: Sequence[models.Fill],
        positions: Sequence[models.Position],
        balance: models.Balance,
        settlements: Sequence[models.Settlement],
        transfers: Sequence[tuple[str, int, str]],
    ) -> None:
        """First books of an empty record: as the exchange shows the account now."""
        old = {fill.fill_id: reading.text_of(reading.fill_of(fill)) for fill in fills}
        old |= {key: body for key, _, body in transfers}
        await self._desk.open_books(
            balance.balance,
            {p.ticker: Holding(p.position, p.market_exposure) for p in positions if p.position},
            old,
            {found.ticker: reading.settlement_text(found) for found in settlements},
        )

    async def settle(self, found: models.Settlement) -> bool:
        """Pay a settlement when our net position is the one it was paid for; False to look again."""
        if found.ticker in self._desk.settled:
            return True
        net = found.yes_count - found.no_count
        held = self._desk.books.holding(found.ticker).count
        value = reading.yes_value(found)
        if net != held:
            self._app.log.warning("settlement-waits-for-fills", market=found.ticker, ours=held, exchange=net)
            return False
        if await self._desk.book_settlement(found.ticker, value, reading.settlement_text(found)):
            self._app.count("settled")
            await self._desk.event(
                "settled",
                reason=f"{found.ticker} settled {found.market_result}",
                rule="settlement",
                value=str(value),
                limit=str(held),
            )
        return True

    async def unmanaged(self, resting: Sequence[models.Order], row_of: FindRow) -> None:
        """Orders at the exchange that no executor recorded: exposure, told once, cancelled by a halt."""
        known, found = self._desk.reading.unmanaged, {}
        for order in resting:
            row = await row_of(order.order_id)
            if row is not None and not (row.closed and row.never_placed):
                continue
            found[order.order_id] = Unmanaged(order.order_id, order.ticker, reading.cost_of(order))
        self._desk.reading.unmanaged = found
        for order_id, order_found in found.items():
            if order_id not in known:
                self._app.log.error("unmanaged-order", order=order_id, market=order_found.market)
                await self._desk.event(
                    "gap",
                    source="Reconciliation",
                    rule="unmanagedOrder",
                    value=order_id,
                    limit="recorded by an executor",
                    reason=f"order {order_id} rests in {order_found.market} and no executor recorded it",
                )

    async def foreign_marks(self) -> None:
        """Positions in markets without a feed of ours are valued by the exchange's own word."""
        for market in tuple(self._desk.books.holdings):
            if market not in self._desk.markets:
                found = await self._venue.market(market)
                self._desk.foreign_status[market] = found.status.value
                self._desk.tops[market] = reading.top_of(found, self._app.clock.wall_ms())

    async def reconcile(self, balance: models.Balance, positions: Sequence[models.Position], resting: int) -> None:
        desk, now = self._desk, self._app.clock.mono_ms()
        gaps = differences(desk.books, balance.balance, {p.ticker: p.position for p in positions})
        verdict = self._watch.judge(gaps, now, desk.last_fill_ms)
        state = desk.reading
        newly = set(map(str, verdict.held)) - set(map(str, state.verdict.held))
        state.verdict, state.balance, state.resting, state.complete = verdict, balance.balance, resting, True
        for text in sorted(newly):
            self._app.log.error("books-differ", gap=text)
            await desk.event("gap", source="Reconciliation", rule="reconciliation", reason=text)
        if verdict.fatal and not any(cause.source == "Reconciliation" for cause in desk.causes.values()):
            wall = self._app.clock.wall_ms()
            ours, venue = verdict.fatal[0].shown
            await desk.latch(
                Cause(
                    id=f"reconciliation-{wall}",
                    source="Reconciliation",
                    reason="; ".join(map(str, verdict.fatal)),
                    by=self._app.config.process,
                    time_ms=wall,
                    rule="reconciliation",
                    value=ours,
                    limit=venue,
                )
            )
        await desk.refresh()
