"""From the venue's WebSocket text to our frames: strict, one decoder for all types, about 2 µs for a book delta."""

from typing import Any, Literal

import msgspec

from services.exchange.frames import (
    BadFrame,
    DeltaFrame,
    ErrorFrame,
    EventFrame,
    FillFrame,
    Frame,
    LifecycleFrame,
    OkFrame,
    OrderGroupFrame,
    SnapshotFrame,
    Subscribed,
    TradeFrame,
    UnsubscribedFrame,
    UserOrderFrame,
)
from services.exchange.models import BookSide, Level, Outcome
from services.exchange.wire import UNDECODABLE, Cash, Count, Price, SignedCount, decode_field, explain


def _text(details: dict[str, Any], name: str) -> str:
    value = details.get(name)
    if not isinstance(value, str):
        raise msgspec.ValidationError(f"Expected `str`, got {value!r} - at `$.msg.{name}`")
    return value


class _DeltaMsg(msgspec.Struct, gc=False):
    market_ticker: str
    price_dollars: Price
    delta_fp: SignedCount
    side: Outcome
    ts_ms: int | None = None
    client_order_id: str | None = None


class _Delta(msgspec.Struct, gc=False, tag_field="type", tag="orderbook_delta"):
    sid: int
    seq: int
    msg: _DeltaMsg

    def frame(self, session: str, received_ms: int) -> DeltaFrame:
        m = self.msg
        return DeltaFrame(
            session,
            received_ms,
            self.sid,
            self.seq,
            m.market_ticker,
            m.side,
            m.price_dollars,
            m.delta_fp,
            m.ts_ms,
            m.client_order_id,
        )


class _SnapshotMsg(msgspec.Struct):
    """The venue leaves out the key of an empty side: absence is its way to write an empty list."""

    market_ticker: str
    yes_dollars_fp: list[Level] = []
    no_dollars_fp: list[Level] = []


class _Snapshot(msgspec.Struct, tag_field="type", tag="orderbook_snapshot"):
    sid: int
    seq: int
    msg: _SnapshotMsg

    def frame(self, session: str, received_ms: int) -> SnapshotFrame:
        m = self.msg
        return SnapshotFrame(
            session, received_ms, self.sid, self.seq, m.market_ticker, m.yes_dollars_fp, m.no_dollars_fp
        )


class _TradeMsg(msgspec.Struct, gc=False):
    trade_id: str
    market_ticker: str
    yes_price_dollars: Price
    no_price_dollars: Price
    count_fp: Count
    taker_outcome_side: Outcome
    ts_ms: int


class _Trade(msgspec.Struct, gc=False, tag_field="type", tag="trade"):
    sid: int
    msg: _TradeMsg
    seq: int | None = None

    def frame(self, session: str, received_ms: int) -> TradeFrame:
        m = self.msg
        return TradeFrame(
            session,
            received_ms,
            self.sid,
            self.seq,
            m.market_ticker,
            m.trade_id,
            m.yes_price_dollars,
            m.no_price_dollars,
            m.count_fp,
            m.taker_outcome_side,
            m.ts_ms,
        )


class _FillMsg(msgspec.Struct):
    trade_id: str
    order_id: str
    market_ticker: str
    exchange_index: int
    is_taker: bool
    yes_price_dollars: Price
    count_fp: Count
    fee_cost: Cash
    outcome_side: Outcome
    book_side: BookSide
    post_position_fp: SignedCount
    ts_ms: int
    client_order_id: str | None = None


class _Fill(msgspec.Struct, tag_field="type", tag="fill"):
    sid: int
    msg: _FillMsg

    def frame(self, session: str, received_ms: int) -> FillFrame:
        m = self.msg
        return FillFrame(
            session=session,
            received_ms=received_ms,
            sid=self.sid,
            market=m.market_ticker,
            trade_id=m.trade_id,
            order_id=m.order_id,
            client_order_id=m.client_order_id,
            exchange_index=m.exchange_index,
            outcome_side=m.outcome_side,
            book_side=m.book_side,
            yes_price=m.yes_price_dollars,
            count=m.count_fp,
            fee_cost=m.fee_cost,
            is_taker=m.is_taker,
            post_position=m.post_position_fp,
            ts_ms=m.ts_ms,
        )


class _UserOrderMsg(msgspec.Struct):
    order_id: str
    ticker: str
    client_order_id: str
    exchange_index: int
    status: Literal["resting", "canceled", "executed", "unknown"]
    outcome_side: Outcome
    book_side: BookSide
    yes_price_dollars: Price
    initial_count_fp: Count
    fill_count_fp: Count
    remaining_count_fp: Count
    taker_fees_dollars: Cash
    maker_fees_dollars: Cash
    created_ts_ms: int
    order_group_id: str | None = None
    last_update_reason: str | None = None
    last_updated_ts_ms: int | None = None


class _UserOrder(msgspec.Struct, tag_field="type", tag="user_order"):
    sid: int
    msg: _UserOrderMsg

    def frame(self, session: str, received_ms: int) -> UserOrderFrame:
        m = self.msg
        return UserOrderFrame(
            session=session,
            received_ms=received_ms,
            sid=self.sid,
            market=m.ticker,
            order_id=m.order_id,
            client_order_id=m.client_order_id,
            exchange_index=m.exchange_index,
            status=m.status,
            outcome_side=m.outcome_side,
            book_side=m.book_side,
            yes_price=m.yes_price_dollars,
            initial_count=m.initial_count_fp,
            fill_count=m.fill_count_fp,
            remaining_count=m.remaining_count_fp,
            taker_fees=m.taker_fees_dollars,
            maker_fees=m.maker_fees_dollars,
            created_ms=m.created_ts_ms,
            order_group_id=m.order_group_id,
            last_update_reason=m.last_update_reason,
            last_updated_ms=m.last_updated_ts_ms,
        )


class _GroupMsg(msgspec.Struct):
    event_type: Literal["created", "triggered", "reset", "deleted", "limit_updated"]
    order_group_id: str
    ts_ms: int
    contracts_limit_fp: Count | None = None


class _Group(msgspec.Struct, tag_field="type", tag="order_group_updates"):
    sid: int
    seq: int
    msg: _GroupMsg

    def frame(self, session: str, received_ms: int) -> OrderGroupFrame:
        m = self.msg
        return OrderGroupFrame(
            session,
            received_ms,
            self.sid,
            self.seq,
            m.event_type,
            m.order_group_id,
            m.contracts_limit_fp,
            m.ts_ms,
        )


class _Lifecycle(msgspec.Struct, tag_field="type", tag="market_lifecycle_v2"):
    sid: int
    msg: dict[str, Any]
    seq: int | None = None

    def frame(self, session: str, received_ms: int) -> LifecycleFrame:
        kind, market = _text(self.msg, "event_type"), _text(self.msg, "market_ticker")
        return LifecycleFrame(session, received_ms, self.sid, self.seq, kind, market, self.msg)


class _EventLifecycle(msgspec.Struct, tag_field="type", tag="event_lifecycle"):
    sid: int
    msg: dict[str, Any]
    seq: int | None = None

    def frame(self, session: str, received_ms: int) -> EventFrame:
        event = _text(self.msg, "event_ticker")
        return EventFrame(session, received_ms, self.sid, self.seq, "event_lifecycle", event, self.msg)


class _EventFee(msgspec.Struct, tag_field="type", tag="event_fee_update"):
    sid: int
    msg: dict[str, Any]
    seq: int | None = None

    def frame(self, session: str, received_ms: int) -> EventFrame:
        event = _text(self.msg, "event_ticker")
        return EventFrame(session, received_ms, self.sid, self.seq, "event_fee_update", event, self.msg)


class _SubscribedMsg(msgspec.Struct):
    channel: str
    sid: int


class _Subscribed(msgspec.Struct, tag_field="type", tag="subscribed"):
    msg: _SubscribedMsg

    def frame(self, session: str, received_ms: int) -> Subscribed:
        return Subscribed(session, received_ms, self.msg.sid, self.msg.channel)


class _Unsubscribed(msgspec.Struct, tag_field="type", tag="unsubscribed"):
    sid: int
    seq: int | None = None

    def frame(self, session: str, received_ms: int) -> UnsubscribedFrame:
        return UnsubscribedFrame(session, received_ms, self.sid, self.seq)


class _Ok(msgspec.Struct, tag_field="type", tag="ok"):
    id: int | None = None
    sid: int | None = None
    seq: int | None = None

    def frame(self, session: str, received_ms: int) -> OkFrame:
        return OkFrame(session, received_ms, self.id, self.sid, self.seq)


class _ErrorMsg(msgspec.Struct):
    code: int
    msg: str
    market_ticker: str | None = None


class _Error(msgspec.Struct, tag_field="type", tag="error"):
    msg: _ErrorMsg
    id: int | None = None
    sid: int | None = None
    seq: int | None = None

    def frame(self, session: str, received_ms: int) -> ErrorFrame:
        m = self.msg
        return ErrorFrame(session, received_ms, self.id, self.sid, self.seq, m.code, m.msg, m.market_ticker)


_WireFrame = (
    _Delta
    | _Snapshot
    | _Trade
    | _Fill
    | _UserOrder
    | _Group
    | _Lifecycle
    | _EventLifecycle
    | _EventFee
    | _Subscribed
    | _Unsubscribed
    | _Ok
    | _Error
)


class _Envelope(msgspec.Struct):
    sid: int | None = None
    seq: int | None = None


_decoder: msgspec.json.Decoder[_WireFrame] = msgspec.json.Decoder(_WireFrame, dec_hook=decode_field)
_decode_envelope = msgspec.json.Decoder(_Envelope).decode


def decode_frame(raw: bytes, session: str, received_ms: int) -> Frame:
    """One text frame of the venue. Never raises: what does not parse is a BadFrame."""
    try:
        return _decoder.decode(raw).frame(session, received_ms)
    except UNDECODABLE as error:
        field, problem = explain(error)
        try:
            envelope = _decode_envelope(raw)
        except UNDECODABLE:
            envelope = _Envelope()
        text = f"{field}: {problem}" if field else problem
        return BadFrame(session, received_ms, raw, text, envelope.sid, envelope.seq)
