"""What a stream yields: the venue's frames in our units, and our own notes about the connection.

Every frame carries the session (one per connection) and the time it was received (epoch milliseconds). Book sides are
bids, each in its own dollars: a NO bid at q is a YES ask at 1 dollar minus q.
"""

from typing import Any, Literal

import msgspec

from services.exchange.models import BookSide, Level, Outcome
from trading_logic.contracts.messages import FillReport


class Received(msgspec.Struct, frozen=True, gc=False):
    """Base of all frames."""

    session: str
    received_ms: int


class Connected(Received, frozen=True, gc=False):
    """A new connection; its sids start afresh. Reconcile what has no sequence: orders, fills, positions."""


class Disconnected(Received, frozen=True, gc=False):
    """The connection ended, or could not be made: books are stale from here on."""

    reason: str
    key_refused: bool = False
    """The exchange does not take our key: another try with the same one will not help."""


class Subscribed(Received, frozen=True, gc=False):
    sid: int
    channel: str


class SnapshotFrame(Received, frozen=True):
    """The whole book of a market; replaces both sides. Both empty at market close."""

    sid: int
    seq: int
    market: str
    yes: list[Level]
    no: list[Level]


class DeltaFrame(Received, frozen=True, gc=False):
    """`delta` contracts (signed) at `price` of `side`. `client_order_id` is set when our own order caused it."""

    sid: int
    seq: int
    market: str
    side: Outcome
    price: int
    delta: int
    ts_ms: int | None
    client_order_id: str | None


class TradeFrame(Received, frozen=True, gc=False):
    """A public trade. `seq` is None where the venue does not number trades."""

    sid: int
    seq: int | None
    market: str
    trade_id: str
    yes_price: int
    no_price: int
    count: int
    taker_outcome_side: Outcome
    ts_ms: int


class FillFrame(Received, frozen=True, gc=False):
    """Our own fill. `yes_price` is the YES price on either side; `post_position` is signed."""

    sid: int
    market: str
    trade_id: str
    order_id: str
    client_order_id: str | None
    exchange_index: int
    outcome_side: Outcome
    book_side: BookSide
    yes_price: int
    count: int
    fee_cost: int
    is_taker: bool
    post_position: int
    ts_ms: int

    def report(self) -> FillReport:
        """The fill as the record keeps it; its id is the one a reading gives."""
        return FillReport(
            fill_id=self.trade_id,
            order_id=self.order_id,
            market=self.market,
            side=self.outcome_side,
            yes_price=self.yes_price,
            count=self.count,
            is_taker=self.is_taker,
            fee=self.fee_cost,
            at_ms=self.ts_ms,
        )


class UserOrderFrame(Received, frozen=True, gc=False):
    """Our own order changed."""

    sid: int
    market: str
    order_id: str
    client_order_id: str
    exchange_index: int
    status: Literal["resting", "canceled", "executed", "unknown"]
    outcome_side: Outcome
    book_side: BookSide
    yes_price: int
    initial_count: int
    fill_count: int
    remaining_count: int
    taker_fees: int
    maker_fees: int
    created_ms: int
    order_group_id: str | None
    last_update_reason: str | None
    last_updated_ms: int | None


class OrderGroupFrame(Received, frozen=True, gc=False):
    sid: int
    seq: int
    event_type: Literal["created", "triggered", "reset", "deleted", "limit_updated"]
    order_group_id: str
    contracts_limit: int | None
    ts_ms: int


class LifecycleFrame(Received, frozen=True):
    """A market changed state; `details` is the venue's message, whose keys depend on `event_type`."""

    sid: int
    seq: int | None
    event_type: str
    market: str
    details: dict[str, Any]


class EventFrame(Received, frozen=True):
    """`event_lifecycle` or `event_fee_update`, with the venue's message."""

    sid: int
    seq: int | None
    kind: str
    event_ticker: str
    details: dict[str, Any]


class OkFrame(Received, frozen=True, gc=False):
    """An answer to a command; the numbered ones consume a `seq` of their sid."""

    id: int | None
    sid: int | None
    seq: int | None


class UnsubscribedFrame(Received, frozen=True, gc=False):
    sid: int
    seq: int | None


class ErrorFrame(Received, frozen=True, gc=False):
    """The venue refused a command (`id`) or ended a subscription (`sid`)."""

    id: int | None
    sid: int | None
    seq: int | None
    code: int
    message: str
    market: str | None


class GapFrame(Received, frozen=True):
    """Frames of a sid were lost or unreadable. The books of `markets` are void until their next SnapshotFrame.

    `expected == got`: the numbers are in order, but that frame could not be read or the venue ended the subscription.
    """

    sid: int
    channel: str
    expected: int
    got: int
    markets: tuple[str, ...]


class BadFrame(Received, frozen=True):
    """A frame that does not parse; the others go on. `sid` and `seq` when at least those could be read."""

    raw: bytes
    error: str
    sid: int | None
    seq: int | None


Frame = (
    DeltaFrame
    | SnapshotFrame
    | TradeFrame
    | FillFrame
    | UserOrderFrame
    | OrderGroupFrame
    | LifecycleFrame
    | EventFrame
    | Subscribed
    | UnsubscribedFrame
    | OkFrame
    | ErrorFrame
    | BadFrame
    | GapFrame
    | Connected
    | Disconnected
)
