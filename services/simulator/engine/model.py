"""What the exchange keeps: accounts, orders, positions, fills, markets, order groups."""

from collections import deque
from functools import lru_cache
from typing import Literal

import msgspec

from services.simulator.engine.book import Book
from services.simulator.engine.fees import DIRECT_MEMBER, FeePlan
from services.simulator.engine.switches import Switches

Side = Literal["bid", "ask"]
TimeInForce = Literal["good_till_canceled", "immediate_or_cancel", "fill_or_kill"]
SelfTrade = Literal["taker_at_cross", "maker"]
OrderStatus = Literal["resting", "canceled", "executed"]
MarketStatus = Literal["initialized", "active", "inactive", "closed", "determined", "disputed", "amended", "finalized"]
Result = Literal["", "yes", "no", "scalar"]
Grid = tuple[tuple[int, int, int], ...]
"""Price ranges as (start, end, step)."""
DOLLAR = 10_000
"""One dollar as a price."""


@lru_cache
def legal_prices(grid: Grid) -> bytes:
    """One byte per price: 1 where it is start + k x step inside a range; 0 and a dollar never are."""
    legal = bytearray(DOLLAR + 1)
    for start, end, step in grid:
        for price in range(start, end + 1, step):
            legal[price] = 1
    legal[0] = legal[DOLLAR] = 0
    return bytes(legal)


class Position(msgspec.Struct, eq=False):
    """One account's net holding of one market and its resting orders there. ``net``: positive YES, negative NO.

    ``cost`` is what the open net holding cost, in dollars of its own side. ``*_bought`` and ``*_cost`` are
    gross per side, as the exchange shows them on a settlement.
    ``bid_hold`` and ``ask_hold`` are the collateral of the resting orders as if each opened something new;
    ``held`` is what they hold in truth, closing set off.
    """

    net: int = 0
    cost: int = 0
    realized: int = 0
    fees: int = 0
    traded: int = 0
    volume: int = 0
    yes_bought: int = 0
    yes_cost: int = 0
    no_bought: int = 0
    no_cost: int = 0
    updated_ms: int = 0
    settled: bool = False
    bids: dict[str, "Order"] = {}
    asks: dict[str, "Order"] = {}
    bid_hold: int = 0
    ask_hold: int = 0
    held: int = 0


class Settlement(msgspec.Struct, eq=False, gc=False):
    ticker: str
    event_ticker: str
    result: Result
    value: int
    yes_bought: int
    yes_cost: int
    no_bought: int
    no_cost: int
    payout: int
    fees: int
    settled_ms: int
    subaccount: int


class Fill(msgspec.Struct, eq=False, gc=False):
    trade_id: str
    order_id: str
    client_order_id: str
    account_id: str
    ticker: str
    side: Side
    price: int
    count: int
    is_taker: bool
    fee: int
    ts_ms: int
    position_after: int
    subaccount: int


class Trade(msgspec.Struct, eq=False, gc=False):
    trade_id: str
    ticker: str
    price: int
    count: int
    taker_side: Side
    ts_ms: int


class Transfer(msgspec.Struct, eq=False, gc=False):
    """Cash moved between two subaccounts of one member."""

    transfer_id: str
    client_id: str
    source: int
    target: int
    amount: int
    ts_ms: int


class Member(msgspec.Struct, eq=False):
    """Who owns accounts: one client order id is used once by all of them, and none trades with another."""

    user_id: str
    client_ids: set[str] = set()
    accounts: dict[int, "Account"] = {}
    transfers: dict[str, Transfer] = {}


class Account(msgspec.Struct, eq=False):
    """One purse of a member: number 0, or a subaccount.

    ``internal`` accounts are the world's own flow: no history is kept for them. ``precision`` is the unit of
    the balance, see ``fees``. ``most_held`` is the collateral of all resting orders as if each opened something
    new, ``held`` the true one once no position is ``stale``.
    """

    account_id: str
    member: Member
    cash: int
    internal: bool = False
    deposited: int = 0
    number: int = 0
    precision: int = DIRECT_MEMBER
    switches: Switches = msgspec.field(default_factory=Switches)
    orders: dict[str, "Order"] = {}
    fills: list[Fill] = []
    settlements: list[Settlement] = []
    positions: dict[str, Position] = {}
    groups: dict[str, "OrderGroup"] = {}
    most_held: int = 0
    held: int = 0
    stale: set[Position] = set()

    @property
    def user_id(self) -> str:
        return self.member.user_id

    def position(self, ticker: str) -> Position:
        """Create on first use."""
        found = self.positions.get(ticker)
        if found is None:
            found = self.positions[ticker] = Position()
        return found


class OrderGroup(msgspec.Struct, eq=False):
    """Orders under one limit of contracts filled in any 15 seconds."""

    group_id: str
    account: Account
    limit: int
    triggered: bool = False
    orders: dict[str, "Order"] = {}
    window: deque[tuple[int, int]] = msgspec.field(default_factory=deque)
    filled: int = 0


class Order(msgspec.Struct, eq=False):
    """``hold`` is the collateral of what remains as if all of it opened something new."""

    order_id: str
    account: Account
    market: "Market"
    position: Position
    client_order_id: str
    side: Side
    price: int
    initial: int
    remaining: int
    time_in_force: TimeInForce
    self_trade: SelfTrade
    post_only: bool
    reduce_only: bool
    cancel_on_pause: bool
    created_ms: int
    updated_ms: int
    expires_ms: int | None = None
    group: OrderGroup | None = None
    status: OrderStatus = "resting"
    reason: str = ""
    filled: int = 0
    taker_cost: int = 0
    maker_cost: int = 0
    taker_fees: int = 0
    maker_fees: int = 0
    rounding: int = 0
    hold: int = 0


class Market(msgspec.Struct, eq=False):
    """One market: its grid, fees, book, life and last prices."""

    ticker: str
    event_ticker: str
    market_id: str
    grid: Grid
    fees: FeePlan
    close_ms: int
    status: MarketStatus = "initialized"
    book: Book["Order"] = msgspec.field(default_factory=Book)
    result: Result = ""
    settlement_value: int | None = None
    determined_ms: int = 0
    settled_ms: int = 0
    updated_ms: int = 0
    last_price: int = 0
    last_count: int = 0
    volume: int = 0
    dollar_volume: int = 0
    open_interest: int = 0

    def on_grid(self, price: int) -> bool:
        return 0 < price < DOLLAR and legal_prices(self.grid)[price] == 1


class NewOrder(msgspec.Struct, frozen=True, gc=False):
    """A parsed create request."""

    ticker: str
    side: Side
    price: int
    count: int
    time_in_force: TimeInForce
    self_trade: SelfTrade = "taker_at_cross"
    client_order_id: str = ""
    expires_ms: int | None = None
    post_only: bool = False
    reduce_only: bool = False
    cancel_on_pause: bool = False
    group_id: str = ""


class Placement(msgspec.Struct, eq=False):
    """What a create or amend did: the order and the part filled at once."""

    order: Order
    filled: int = 0
    value: int = 0
    fees: int = 0
