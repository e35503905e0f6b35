"""What the ledger needs of an exchange: reads, and three verbs that only take orders away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from services.exchange import models


class Venue(Protocol):
    """`services.exchange.rest.WitnessRest` is the real one. Errors are those of services.exchange.errors."""

    async def fills(
        self,
        *,
        ticker: str | None = None,
        order_id: str | None = None,
        min_ts: int | None = None,
        max_ts: int | None = None,
    ) -> list[models.Fill]: ...

    async def orders(
        self, *, status: models.OrderStatus | None = None, ticker: str | None = None, min_ts: int | None = None
    ) -> list[models.Order]: ...

    async def order(self, order_id: str) -> models.Order: ...

    async def positions(self) -> list[models.Position]: ...

    async def balance(self) -> models.Balance: ...

    async def settlements(self, *, min_ts: int | None = None) -> list[models.Settlement]: ...

    async def deposits(self) -> list[models.Transfer]: ...

    async def withdrawals(self) -> list[models.Transfer]: ...

    async def order_groups(self) -> list[models.OrderGroup]: ...

    async def market(self, ticker: str) -> models.Market: ...

    async def trigger_order_group(self, group_id: str) -> None: ...

    async def batch_cancel(self, orders: Sequence[models.OrderRef]) -> list[models.BatchCancelItem]: ...
