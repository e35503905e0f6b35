"""What reads showed some milliseconds ago, for exchanges whose reads lag their writes."""

from bisect import bisect_right
from operator import itemgetter
from typing import Any

import msgspec

from services.simulator.engine.events import Event, Filled, OrderChanged
from services.simulator.engine.model import Account, Order, Position

_KEPT = 256
_stamp = itemgetter(0)


class _Series:
    """The last values of one thing with the times at which they began to hold."""

    def __init__(self) -> None:
        self._entries: list[tuple[int, Any]] = []

    def add(self, ts_ms: int, value: object) -> None:
        self._entries.append((ts_ms, value))
        del self._entries[:-_KEPT]

    def at(self, ts_ms: int) -> Any:
        """The value that held, or None when there was none yet."""
        place = bisect_right(self._entries, ts_ms, key=_stamp)
        return self._entries[place - 1][1] if place else None


class Past:
    """Remembers orders, positions and cash of signed accounts whose switches make reads lag, and of no others."""

    def __init__(self) -> None:
        self._orders: dict[str, _Series] = {}
        self._positions: dict[tuple[str, str], _Series] = {}
        self._cash: dict[str, _Series] = {}

    def on_event(self, event: Event) -> None:
        if isinstance(event, OrderChanged):
            order = event.order
            if order.account.switches.order_read_lag_ms and not order.account.internal:
                self._orders.setdefault(order.order_id, _Series()).add(event.ts_ms, msgspec.structs.replace(order))
        elif isinstance(event, Filled):
            account = event.order.account
            if account.switches.portfolio_lag_ms and not account.internal:
                where = (account.account_id, event.fill.ticker)
                position = msgspec.structs.replace(event.order.position)
                self._positions.setdefault(where, _Series()).add(event.fill.ts_ms, position)
                self._cash.setdefault(account.account_id, _Series()).add(event.fill.ts_ms, account.cash)

    def order(self, order: Order, now_ms: int) -> Order | None:
        """The order as one read of it shows it now; None when it is too new to be seen."""
        lag = order.account.switches.order_read_lag_ms
        series = self._orders.get(order.order_id)
        if not lag or series is None:
            return order
        found: Order | None = series.at(now_ms - lag)
        return found

    def position(self, account: Account, ticker: str, position: Position, now_ms: int) -> Position | None:
        """The position as reads show it now; None when it is too new to be seen."""
        lag = account.switches.portfolio_lag_ms
        series = self._positions.get((account.account_id, ticker))
        if not lag or series is None or position.settled:
            return position
        found: Position | None = series.at(now_ms - lag)
        return found

    def cash(self, account: Account, now_ms: int) -> int:
        """The cash as reads show it now."""
        lag = account.switches.portfolio_lag_ms
        series = self._cash.get(account.account_id)
        if not lag or series is None:
            return account.cash
        found: int | None = series.at(now_ms - lag)
        return account.deposited if found is None else found
