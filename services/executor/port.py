"""What the executor needs of an exchange. `services.exchange.rest.ExchangeRest` is the real one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from services.exchange import models


class Venue(Protocol):
    """Errors are those of services.exchange.errors."""

    async def create_order(
        self, order: models.CreateOrder, *, time_left: Callable[[], float] | None = None
    ) -> models.CreateAck: ...

    async def batch_cancel(self, orders: Sequence[models.OrderRef]) -> list[models.BatchCancelItem]: ...

    async def orders(
        self, *, status: models.OrderStatus | None = None, ticker: str | None = None, min_ts: int | None = None
    ) -> list[models.Order]: ...

    async def create_order_group(self, contracts_limit: int, *, exchange_index: int | None = None) -> str: ...

    async def trigger_order_group(self, group_id: str) -> None: ...

    async def delete_order_group(self, group_id: str) -> None: ...
