"""PURE: one order's reservation, from its claim to the booking of its last contract.

The record says what the executor knows (`state`), the witness what the exchange says (`ended_with`). A reservation
goes when the exchange is done with the order and everything it filled is booked: the executor's word alone frees it
only where no order came to be (refused, abandoned).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

from trading_logic.contracts.messages import TERMINAL_ORDER_STATES, OrderState

_NUMBERS = ("cost", "count", "booked", "claimed_ms")
FIELDS = ("state", "strategy", "market", "game", "kind", "day", "order_id", "client_order_id", *_NUMBERS)
_STATES = frozenset(get_args(OrderState))
_NEVER_PLACED = frozenset({"refused", "abandoned"})


class RowError(ValueError):
    """An order hash of the record that lacks a field or holds something else."""


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order of ours. `booked` counts contracts booked so far; `ended_with` is None while it may still fill."""

    intent: str
    state: OrderState
    strategy: str
    market: str
    game: str
    kind: str
    day: str
    order_id: str
    client_order_id: str
    cost: int
    count: int
    booked: int
    claimed_ms: int
    ended_with: int | None = None
    closed: bool = False  # no longer in the open set: nothing but its count changes any more

    @property
    def never_placed(self) -> bool:
        """The executor is sure that the exchange has no such order."""
        return self.state in _NEVER_PLACED

    @property
    def over(self) -> bool:
        """Nothing more can be booked on it."""
        if self.ended_with is not None:
            return self.booked >= self.ended_with
        return self.never_placed and self.booked == 0

    @property
    def reserved(self) -> int:
        """Cash still reserved: the cost of what may yet fill, rounded up."""
        if self.over or self.kind != "entry":
            return 0
        left = max(self.count - self.booked, 0)
        return -(-self.cost * left // self.count)

    def change(self) -> dict[str, Any]:
        """The part of book.lua's change that this order asks for."""
        if self.closed:
            return {"intent": self.intent, "booked": self.booked}
        entry = self.kind == "entry"
        done: dict[str, Any] = {
            "intent": self.intent,
            "booked": self.booked,
            # The executor resolves what is in the open set, so an order leaves it only with the executor's own end.
            "close": self.over and self.state in TERMINAL_ORDER_STATES,
            "unfilled": self.over and entry and self.booked == 0,
        }
        if entry:
            done["reserved"] = f"{self.market}|{self.game}|{self.reserved}" if self.reserved else False
        return done


def row_of(intent: str, fields: Mapping[str, str], *, closed: bool = False) -> OrderRow:
    """Read an order hash. Raises RowError naming the field."""
    missing = [name for name in FIELDS if name not in fields]
    if missing:
        raise RowError(f"order {intent}: field {missing[0]} is missing")
    if fields["state"] not in _STATES:
        raise RowError(f"order {intent}: state {fields['state']!r} is not known")
    numbers: dict[str, int] = {}
    for name in _NUMBERS:
        try:
            numbers[name] = int(fields[name])
        except ValueError:
            raise RowError(f"order {intent}: {name} {fields[name]!r} is not a whole number") from None
    if numbers["count"] <= 0:
        raise RowError(f"order {intent}: count {numbers['count']}, allowed: above 0")
    text = {name: fields[name] for name in FIELDS if name not in {*numbers, "state"}}
    return OrderRow(intent=intent, state=fields["state"], closed=closed, **text, **numbers)  # type: ignore[arg-type]  # checked above


def with_fill(row: OrderRow, count: int) -> OrderRow:
    return replace(row, booked=row.booked + count)


def with_record(row: OrderRow, state: OrderState, order_id: str) -> OrderRow:
    """After a step that the executor recorded. An end is not undone by an older message."""
    if row.state in TERMINAL_ORDER_STATES:
        state = row.state
    return replace(row, state=state, order_id=order_id or row.order_id)


def with_evidence(row: OrderRow, *, ended: bool, filled: int, order_id: str) -> OrderRow:
    """After the exchange spoke of the order: `filled` contracts in all, `ended` when it can fill no more."""
    known = max(row.ended_with or 0, filled) if ended else row.ended_with
    return replace(row, ended_with=known, order_id=order_id)
