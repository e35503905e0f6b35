"""Shapes of what stands in the record that is not a message: causes, leases, groups, positions, risk.

JSON, not msgpack, because Lua reads some of them and people read them with `redis-cli`.
"""

from __future__ import annotations

from typing import Literal

import msgspec

CauseSource = Literal["Manual", "Drawdown", "DailyLoss", "Reconciliation", "RedisChanged", "GroupTripped"]


class Cause(msgspec.Struct, frozen=True):
    """One reason to be halted. The latch is the set of them; `id` is what a resume must name.

    `rule`, `value` and `limit` are the crossed limit of a breach, empty for people's halts.
    """

    id: str
    source: CauseSource
    reason: str
    by: str
    time_ms: int
    rule: str = ""
    value: str = ""
    limit: str = ""


MANUAL_CAUSE = "manual"
"""Id of the cause that `spec.halt: true` stands for: setting it twice is one cause, `halt: false` removes it."""


class TradingLease(msgspec.Struct, frozen=True):
    """The ledger's word that books are reconciled and marks are fresh; it lives `staleAfterSeconds`."""

    epoch: int
    seq: int
    incarnation: str
    at_ms: int


class OrderGroupRecord(msgspec.Struct, frozen=True):
    """One order group at the exchange: the fence that the exchange itself checks."""

    epoch: int
    term: int
    exchange_index: int
    state: Literal["open", "triggered", "deleted"]


class PositionRecord(msgspec.Struct, frozen=True):
    """Net position of one market: `count` > 0 is YES, < 0 is NO; `cost` is what the open part cost, without fees."""

    market: str
    game: str
    strategy: str  # "" when no strategy of ours opened it
    count: int
    cost: int
    realized: int
    fees: int
    mark: int  # cash value at the price the bids would pay, last good
    marked_ms: int


class ExitPlanRecord(msgspec.Struct, frozen=True):
    """The exit plan of the newest entry in a market; prices in the side's own dollars."""

    intent: str
    event: str
    game: str
    exchange_index: int
    side: Literal["yes", "no"]
    stop_price: int
    take_price: int
    flatten_at_ms: int


class HaltState(msgspec.Struct, frozen=True):
    """How far a halt has come. `confirmed_ms` is 0 until nothing rests and every executor has acknowledged."""

    epoch: int
    since_ms: int
    resting: int
    state: Literal["draining", "confirmed", "pending-venue"]
    confirmed_ms: int
    message: str


def encode(value: msgspec.Struct) -> str:
    """The JSON text of a record value."""
    return msgspec.json.encode(value).decode()
