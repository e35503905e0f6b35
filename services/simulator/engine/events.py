"""What the engine tells the world, in the order in which it happened."""

from typing import Literal

import msgspec

from services.simulator.engine.model import Fill, Market, Order, OrderGroup, Side, Trade

OrderChange = Literal["accepted", "filled", "amended", "decreased", "canceled"]
GroupChange = Literal["created", "triggered", "reset", "deleted", "limit_updated"]
MarketChange = Literal[
    "activated",
    "deactivated",
    "reactivated",
    "close_moved",
    "regridded",
    "closed",
    "determined",
    "disputed",
    "amended",
    "settled",
]
"""``activated`` opens a market for the first time, ``reactivated`` ends a pause or an early close."""


class BookChange(msgspec.Struct, frozen=True, gc=False):
    """``delta`` contracts more or fewer at one price, caused by ``order``."""

    market: Market
    side: Side
    price: int
    delta: int
    order: Order
    ts_ms: int


class Traded(msgspec.Struct, frozen=True):
    market: Market
    trade: Trade


class Filled(msgspec.Struct, frozen=True):
    order: Order
    fill: Fill


class OrderChanged(msgspec.Struct, frozen=True):
    """``count``: contracts cancelled or taken off where the change is a cancel or decrease, else 0."""

    order: Order
    change: OrderChange
    ts_ms: int
    count: int = 0


class GroupChanged(msgspec.Struct, frozen=True):
    group: OrderGroup
    change: GroupChange
    ts_ms: int


class MarketChanged(msgspec.Struct, frozen=True):
    market: Market
    change: MarketChange
    ts_ms: int


Event = BookChange | Traded | Filled | OrderChanged | GroupChanged | MarketChanged
