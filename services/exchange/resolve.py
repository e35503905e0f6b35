"""Orders whose fate we do not know: only the venue's own list tells, and nothing is ever sent again.

`claimed` after a crash and `unknown` after a lost answer are the same question. An order is declared not sent only
when its send window is over and two readings of the venue's list, at least two seconds apart, do not have it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from services.exchange.models import Order
from services.runtime.clock import Clock
from services.runtime.record import Record
from services.runtime.store import result
from trading_logic.contracts.messages import OrderState

SEND_WINDOW_MS = 8_000
"""No request is under way longer: the client's time-out (5 s), its wait for budget (0.5 s), and slack."""
APART_MS = 2_000
LIST_SLACK_MS = 60_000
"""How much earlier than the claim the venue's list is read, for clocks that differ."""


class ListsOrders(Protocol):
    """The exchange's own list of this account's orders. Errors are those of services.exchange.errors."""

    async def orders(self, *, min_ts: int | None = None) -> list[Order]: ...


OPEN: tuple[OrderState, ...] = ("claimed", "unknown", "resting")


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """An order of ours that is not at its end, as the record has it."""

    intent_id: str
    state: OrderState
    client_order_id: str
    order_id: str
    market: str
    count: int
    filled: int
    remaining: int
    claimed_ms: int


def state_of(count: int, filled: int, remaining: int) -> OrderState:
    """State of an accepted order of `count` contracts."""
    if remaining > 0:
        return "resting"
    return "executed" if filled >= count else "canceled"


async def open_orders(rec: Record, strategy: str) -> list[OpenOrder]:
    """Every order of the strategy that is claimed, unknown or resting."""
    ids = [member.decode() for member in await result(rec.store.client.smembers(rec.topics.open_orders()))]
    if not ids:
        return []
    fields = [
        "state",
        "strategy",
        "client_order_id",
        "order_id",
        "market",
        "count",
        "filled",
        "remaining",
        "claimed_ms",
    ]
    pipe = rec.store.pipeline(transaction=False)
    for intent_id in ids:
        pipe.hmget(rec.topics.order(intent_id), fields)
    found: list[OpenOrder] = []
    for intent_id, row in zip(ids, await pipe.execute(), strict=True):
        if row[0] is None:
            continue
        text = [value.decode() for value in row]
        if text[1] == strategy and text[0] in OPEN:
            found.append(
                OpenOrder(
                    intent_id=intent_id,
                    state=text[0],
                    client_order_id=text[2],
                    order_id=text[3],
                    market=text[4],
                    count=int(text[5]),
                    filled=int(text[6]),
                    remaining=int(text[7]),
                    claimed_ms=int(text[8]),
                )
            )
    return found


class Resolver:
    """Asks the venue about open orders. `absent` remembers the first reading that did not have an order."""

    def __init__(self, rec: Record, venue: ListsOrders, clock: Clock, strategy: str) -> None:
        self._rec, self._venue, self._clock, self._strategy = rec, venue, clock, strategy
        self._absent: dict[str, int] = {}

    async def look(self, busy: set[str], *, fenced: bool = False) -> list[OpenOrder]:
        """One reading of the venue's list; what it tells is written. Returns the orders still without an answer.

        `busy` are intents whose request is under way in this process: they are left alone. `fenced` says that the
        venue has confirmed every group of ours as triggered: what has not arrived by now never will, so the send
        window need not be waited for. Raises ExchangeError when the venue cannot be read: nothing is concluded then.
        """
        orders = [order for order in await open_orders(self._rec, self._strategy) if order.intent_id not in busy]
        if not orders:
            self._absent.clear()
            return []
        asked = self._clock.mono_ms()
        since = min(order.claimed_ms for order in orders) - LIST_SLACK_MS
        listed = {found.client_order_id: found for found in await self._venue.orders(min_ts=since)}
        left: list[OpenOrder] = []
        for order in orders:
            found = listed.get(order.client_order_id)
            if found is not None:
                self._absent.pop(order.intent_id, None)
                await self._found(order, found)
            elif order.order_id:
                # The venue gave it an id and now its list lacks it: reads lag writes. Ask again.
                left.append(order)
            elif not await self._not_sent(order, asked, fenced=fenced):
                left.append(order)
        return left

    async def _found(self, order: OpenOrder, found: Order) -> None:
        state: OrderState = (
            "resting" if found.status == "resting" else state_of(order.count, found.fill_count, found.remaining_count)
        )
        if (state, found.order_id, found.fill_count, found.remaining_count) == (
            order.state,
            order.order_id,
            order.filled,
            order.remaining,
        ):
            return
        await self._write(
            order, state, found.order_id, found.fill_count, found.remaining_count, "found at the exchange"
        )

    async def _not_sent(self, order: OpenOrder, asked_ms: int, *, fenced: bool) -> bool:
        if not fenced and self._clock.wall_ms() - order.claimed_ms < SEND_WINDOW_MS:
            return False
        first = self._absent.setdefault(order.intent_id, asked_ms)
        if asked_ms - first < APART_MS:
            return False
        self._absent.pop(order.intent_id)
        await self._write(order, "abandoned", "", 0, 0, "not sent: twice not in the exchange's list")
        return True

    async def _write(
        self, order: OpenOrder, state: OrderState, order_id: str, filled: int, remaining: int, why: str
    ) -> None:
        await self._rec.outcome(
            order.intent_id,
            state,
            order_id=order_id,
            filled=filled,
            remaining=remaining,
            reason=why,
            now_ms=self._clock.wall_ms(),
        )
