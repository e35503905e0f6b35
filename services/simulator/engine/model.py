"""What the exchange keeps: accounts, orders, positions, fills, markets, order groups."""

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Literal

from services.simulator.engine.book import Book
from services.simulator.engine.fees import FeePlan

Side = Literal["bid", "ask"]
TimeInForce = Literal["good_till_canceled", "immediate_or_cancel", "fill_or_kill"]
SelfTrade = Literal["taker_at_cross", "maker"]
OrderStatus = Literal["resting", "canceled", "executed"]
MarketStatus = Literal["initialized", "active", "closed", "determined", "finalized"]
Result = Literal["", "yes", "no", "scalar"]
DOLLAR = 10_000
"""One dollar as a price."""


@dataclass(slots=True)
class Position:
    """One account's net holding of one market. ``net`` is positive for YES, negative for NO.

    ``cost`` is what the open net holding cost, in dollars of its own side. ``*_bought`` and ``*_cost`` are
    gross per side, as the
    exchange shows them on a settlement.
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


@dataclass(slots=True)
class Settlement:
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


@dataclass(slots=True)
class Fill:
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


@dataclass(slots=True)
class Trade:
    trade_id: str
    ticker: str
    price: int
    count: int
    taker_side: Side
    ts_ms: int


@dataclass(slots=True, eq=False)
class Account:
    """One member. ``internal`` accounts are the world's own flow: no history is kept for them."""

    account_id: str
    user_id: str
    cash: int
    internal: bool = False
    deposited: int = 0
    orders: dict[str, "Order"] = field(default_factory=dict)
    client_ids: set[str] = field(default_factory=set)
    fills: list[Fill] = field(default_factory=list)
    settlements: list[Settlement] = field(default_factory=list)
    positions: dict[str, Position] = field(default_factory=dict)
    groups: dict[str, "OrderGroup"] = field(default_factory=dict)
    # Resting orders and the collateral they hold, per market; a market in ``stale`` must be computed again.
    resting: dict[str, OrderedDict[str, "Order"]] = field(default_factory=dict)
    reserved: dict[str, int] = field(default_factory=dict)
    stale: set[str] = field(default_factory=set)

    def position(self, ticker: str) -> Position:
        """Create on first use."""
        found = self.positions.get(ticker)
        if found is None:
            found = self.positions[ticker] = Position()
        return found


@dataclass(slots=True, eq=False)
class OrderGroup:
    """Orders under one limit of contracts filled in any 15 seconds."""

    group_id: str
    account: Account
    limit: int
    triggered: bool = False
    orders: dict[str, "Order"] = field(default_factory=dict)
    window: deque[tuple[int, int]] = field(default_factory=deque)
    filled: int = 0


@dataclass(slots=True, eq=False)
class Order:
    order_id: str
    account: Account
    market: "Market"
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


@dataclass(slots=True, eq=False)
class Market:
    """One market: its grid, fees, book, life and last prices."""

    ticker: str
    event_ticker: str
    market_id: str
    grid: tuple[tuple[int, int, int], ...]
    fees: FeePlan
    close_ms: int
    status: MarketStatus = "initialized"
    book: Book["Order"] = field(default_factory=Book)
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
        """Legal prices are start + k x step inside a range; 0 and 1 dollar themselves are not."""
        return 0 < price < DOLLAR and any(
            start <= price <= end and (price - start) % step == 0 for start, end, step in self.grid
        )


@dataclass(frozen=True, slots=True)
class NewOrder:
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


@dataclass(slots=True)
class Placement:
    """What a create or amend did: the order and the part filled at once."""

    order: Order
    filled: int = 0
    value: int = 0
    fees: int = 0
