"""Pauses of trading and of the whole exchange.

While trading is paused nothing is placed or amended, cancels go through, and orders rest on save those that asked
to be cancelled. While the exchange is paused not even a cancel goes through.
"""

from services.simulator.engine import lifecycle
from services.simulator.engine.exchange import Exchange


def set_state(exchange: Exchange, *, exchange_active: bool, trading_active: bool, now_ms: int) -> None:
    """Go into or out of a pause."""
    running = exchange.exchange_active and exchange.trading_active
    exchange.exchange_active, exchange.trading_active = exchange_active, trading_active
    if not running or (exchange_active and trading_active):
        return
    for market in exchange.markets.values():
        for order in lifecycle.resting_orders(exchange, market):
            if order.cancel_on_pause:
                exchange.end(order, "HaltCancel", now_ms)
