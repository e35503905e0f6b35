"""The one way in which a ledger fences an order group: marked as ours on the record, then triggered at the exchange."""

from __future__ import annotations

from structlog.typing import FilteringBoundLogger

from services.exchange.errors import NotFound
from services.ledger.port import Venue
from services.ledger.writer import Writer
from trading_logic.contracts.record import OrderGroupRecord


async def fence(
    writer: Writer, venue: Venue, log: FilteringBoundLogger, *, strategy: str, group: str, body: OrderGroupRecord
) -> bool:
    """Whether the exchange had the group; one that is gone can take no order either. Raises ExchangeError."""
    if body.state == "open":
        await writer.mark_group(strategy, group, body)
    try:
        await venue.trigger_order_group(group)
    except NotFound:
        log.info("group-gone", group=group)
        return False
    return True
