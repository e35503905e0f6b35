"""What the venue tells us, as frozen structs of ints (units: see the package).

Field names are the venue's, without their suffixes.

Only fields that Touchline uses are named; the venue may add others. A field without a default must be there. A field
that the venue documents as optional is None when absent, which says "not told", never "zero".
"""

from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal

import msgspec

from services.exchange.wire import Cash, Cents, Count, Multiplier, Price, Seconds, SignedCount, Timestamp

Outcome = Literal["yes", "no"]
BookSide = Literal["bid", "ask"]
OrderStatus = Literal["resting", "canceled", "executed"]
Level = tuple[Price, Count]


class Wire(msgspec.Struct, frozen=True, kw_only=True):
    """Base: unknown fields are ignored, missing ones are errors."""


class ExchangeStatus(Wire, frozen=True, kw_only=True):
    exchange_active: bool
    trading_active: bool


class PriceRange(Wire, frozen=True, kw_only=True):
    """Legal prices are start + k·step, without 0 and 1 dollar themselves."""

    start: Price
    end: Price
    step: Price


class MarketStatus(StrEnum):
    INITIALIZED = "initialized"
    INACTIVE = "inactive"
    ACTIVE = "active"
    CLOSED = "closed"
    DETERMINED = "determined"
    DISPUTED = "disputed"
    AMENDED = "amended"
    FINALIZED = "finalized"


class Market(Wire, frozen=True, kw_only=True):
    """Pay from `settlement_value`, never from `result`: ties settle in between."""

    ticker: str
    event_ticker: str
    status: MarketStatus
    yes_sub_title: str
    no_sub_title: str
    open_time: Timestamp
    close_time: Timestamp
    yes_bid: Price = msgspec.field(name="yes_bid_dollars")
    yes_ask: Price = msgspec.field(name="yes_ask_dollars")
    no_bid: Price = msgspec.field(name="no_bid_dollars")
    no_ask: Price = msgspec.field(name="no_ask_dollars")
    yes_bid_size: Count = msgspec.field(name="yes_bid_size_fp")
    yes_ask_size: Count = msgspec.field(name="yes_ask_size_fp")
    last_price: Price = msgspec.field(name="last_price_dollars")
    volume: Count = msgspec.field(name="volume_fp")
    open_interest: Count = msgspec.field(name="open_interest_fp")
    result: Literal["yes", "no", "scalar", ""]
    price_level_structure: str
    price_ranges: list[PriceRange]
    can_close_early: bool
    settlement_timer_seconds: int
    settlement_value: Price | None = msgspec.field(name="settlement_value_dollars", default=None)
    expected_expiration_time: Timestamp | None = None
    occurrence_datetime: Timestamp | None = None
    settlement_ts: Timestamp | None = None
    fee_waiver_expiration_time: Timestamp | None = None
    strike_type: str | None = None
    floor_strike: Decimal | None = None
    cap_strike: Decimal | None = None
    custom_strike: dict[str, Any] | None = None
    exchange_index: int = 0  # the venue's own documented default: shard 0


class Event(Wire, frozen=True, kw_only=True):
    event_ticker: str
    series_ticker: str
    title: str
    sub_title: str
    mutually_exclusive: bool
    collateral_return_type: str
    category: str | None = None
    fee_type_override: str | None = None
    fee_multiplier_override: Multiplier | None = None
    exchange_index: int = 0
    markets: list[Market] = []  # filled by `event()`; `events()` fills it when asked for nested markets


class Series(Wire, frozen=True, kw_only=True):
    ticker: str
    title: str
    category: str
    categories: list[str]
    frequency: str
    fee_type: str
    fee_multiplier: Multiplier
    tags: list[str] | None = None
    exchange_index: int = 0


class OrderBook(Wire, frozen=True, kw_only=True):
    """Bids only, each side in its own dollars, best bid last."""

    yes: list[Level] = msgspec.field(name="yes_dollars")
    no: list[Level] = msgspec.field(name="no_dollars")


class Trade(Wire, frozen=True, kw_only=True):
    trade_id: str
    ticker: str
    count: Count = msgspec.field(name="count_fp")
    yes_price: Price = msgspec.field(name="yes_price_dollars")
    no_price: Price = msgspec.field(name="no_price_dollars")
    taker_outcome_side: Outcome
    taker_book_side: BookSide
    created_time: Timestamp
    is_block_trade: bool


class Balance(Wire, frozen=True, kw_only=True):
    """`balance` is exact (the venue's cents are cut off); `portfolio_value` excludes cash."""

    balance: Cash = msgspec.field(name="balance_dollars")
    portfolio_value: Cents
    updated: Seconds = msgspec.field(name="updated_ts")


class Position(Wire, frozen=True, kw_only=True):
    """`position` is signed: above zero YES, below zero NO."""

    ticker: str
    exchange_index: int
    position: SignedCount = msgspec.field(name="position_fp")
    market_exposure: Cash = msgspec.field(name="market_exposure_dollars")
    total_traded: Cash = msgspec.field(name="total_traded_dollars")
    realized_pnl: Cash = msgspec.field(name="realized_pnl_dollars")
    fees_paid: Cash = msgspec.field(name="fees_paid_dollars")
    last_updated: Timestamp = msgspec.field(name="last_updated_ts")


class Fill(Wire, frozen=True, kw_only=True):
    """Carries no client order id: join by `order_id`. `count` is what this fill moved; `fee_cost` is in full."""

    fill_id: str
    order_id: str
    ticker: str
    exchange_index: int
    outcome_side: Outcome
    book_side: BookSide
    count: Count = msgspec.field(name="count_fp")
    yes_price: Price = msgspec.field(name="yes_price_dollars")
    no_price: Price = msgspec.field(name="no_price_dollars")
    is_taker: bool
    fee_cost: Cash
    created_time: Timestamp | None = None


class Settlement(Wire, frozen=True, kw_only=True):
    """Counts and costs are gross per side; `revenue` pays the net position; `fee_cost` repeats the trading fees."""

    ticker: str
    event_ticker: str
    exchange_index: int
    market_result: Literal["yes", "no", "scalar"]
    yes_count: Count = msgspec.field(name="yes_count_fp")
    yes_total_cost: Cash = msgspec.field(name="yes_total_cost_dollars")
    no_count: Count = msgspec.field(name="no_count_fp")
    no_total_cost: Cash = msgspec.field(name="no_total_cost_dollars")
    revenue: Cents
    settled_time: Timestamp
    fee_cost: Cash
    value: Cents | None = None


class Transfer(Wire, frozen=True, kw_only=True):
    """A deposit or a withdrawal. Money moved only when `status` is `applied`."""

    id: str
    status: Literal["pending", "applied", "failed", "returned"]
    type: str
    amount: Cents = msgspec.field(name="amount_cents")
    fee: Cents = msgspec.field(name="fee_cents")
    created: Seconds = msgspec.field(name="created_ts")
    finalized: Seconds | None = msgspec.field(name="finalized_ts", default=None)


class Order(Wire, frozen=True, kw_only=True):
    """`yes_price` is the limit, also when a better price was got. `remaining` is zero after a cancel."""

    order_id: str
    client_order_id: str
    ticker: str
    outcome_side: Outcome
    book_side: BookSide
    status: OrderStatus
    yes_price: Price = msgspec.field(name="yes_price_dollars")
    no_price: Price = msgspec.field(name="no_price_dollars")
    initial_count: Count = msgspec.field(name="initial_count_fp")
    fill_count: Count = msgspec.field(name="fill_count_fp")
    remaining_count: Count = msgspec.field(name="remaining_count_fp")
    taker_fill_cost: Cash = msgspec.field(name="taker_fill_cost_dollars")
    maker_fill_cost: Cash = msgspec.field(name="maker_fill_cost_dollars")
    taker_fees: Cash = msgspec.field(name="taker_fees_dollars")
    maker_fees: Cash = msgspec.field(name="maker_fees_dollars")
    order_group_id: str | None = None
    created_time: Timestamp | None = None
    last_update_time: Timestamp | None = None
    expiration_time: Timestamp | None = None
    exchange_index: int | None = None


class OrderGroup(Wire, frozen=True, kw_only=True):
    id: str
    is_auto_cancel_enabled: bool
    contracts_limit: Count | None = msgspec.field(name="contracts_limit_fp", default=None)
    exchange_index: int = 0


class Milestone(Wire, frozen=True, kw_only=True):
    """`start_date` is the scheduled start of the game; a market's own times are estimates."""

    id: str
    category: str
    type: str
    title: str
    start_date: Timestamp
    end_date: Timestamp | None = None
    related_event_tickers: list[str]
    primary_event_tickers: list[str]
    details: dict[str, Any]
    last_updated: Timestamp = msgspec.field(name="last_updated_ts")


class LiveData(Wire, frozen=True, kw_only=True):
    """`details` is not typed by the venue: readers check each key they use."""

    milestone_id: str
    type: str
    details: dict[str, Any]


class BucketLimits(Wire, frozen=True, kw_only=True):
    """Tokens per second and tokens."""

    refill_rate: int
    bucket_capacity: int


class AccountLimits(Wire, frozen=True, kw_only=True):
    usage_tier: str
    read: BucketLimits
    write: BucketLimits


class CreateAck(Wire, frozen=True, kw_only=True):
    """The venue has the order. `average_fee` is per contract; both averages are None when nothing filled."""

    order_id: str
    fill_count: Count
    remaining_count: Count
    ts_ms: int
    client_order_id: str | None = None
    average_fill_price: Price | None = None
    average_fee: Cash | None = msgspec.field(name="average_fee_paid", default=None)


class CancelAck(Wire, frozen=True, kw_only=True):
    order_id: str
    reduced_by: Count
    ts_ms: int


class CancelProblem(Wire, frozen=True, kw_only=True):
    code: str | None = None
    message: str | None = None
    details: str | None = None


class BatchCancelItem(Wire, frozen=True, kw_only=True):
    """One line of a batch cancel: gone when `error` is None."""

    order_id: str
    reduced_by: Count
    error: CancelProblem | None = None


# --- what we tell the venue ------------------------------------------------------------------------------------


class OrderRef(msgspec.Struct, frozen=True):
    """An order and its market: the ticker routes the cancel to the right shard."""

    order_id: str
    ticker: str


class CreateOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One limit order. `price` is the YES price (1/10,000 dollar) on either side, `count` 1/100 contract.

    `bid` buys YES at `price`; `ask` sells YES, which is buying NO at 1 dollar minus `price`.
    """

    ticker: str
    client_order_id: str
    side: BookSide
    price: int
    count: int
    time_in_force: Literal["good_till_canceled", "immediate_or_cancel", "fill_or_kill"]
    self_trade_prevention: Literal["taker_at_cross", "maker"] = "taker_at_cross"
    order_group_id: str | None = None
    expiration_ms: int | None = None
    post_only: bool = False
    reduce_only: bool = False
    cancel_order_on_pause: bool = False
    exchange_index: int | None = None
