"""Order entry, V2."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import msgspec

from services.simulator.engine.changes import amend, decrease
from services.simulator.engine.errors import Refused
from services.simulator.engine.model import Account, NewOrder, SelfTrade, Side, TimeInForce
from services.simulator.limits import CANCEL_COST, DEFAULT_COST
from services.simulator.rest.call import Call, Cost, Handler, Reply, Route, decode, single_shard
from services.simulator.wire import private as bodies
from services.simulator.wire.errors import WireError, error_object, flat
from trading_logic.money import MoneyError, format_count, parse_count, parse_price

_LAST_S = 253_402_300_799
"""The end of the year 9999, beyond which there is no RFC 3339 time."""
_CLIENT_ID = re.compile(r"[-\w:+=/]{1,64}", re.ASCII)


class CreateBody(msgspec.Struct):
    ticker: str
    side: Side
    count: str
    price: str
    time_in_force: TimeInForce
    self_trade_prevention_type: SelfTrade
    client_order_id: str | None = None
    expiration_time: int | None = None
    post_only: bool | None = None
    reduce_only: bool | None = None
    cancel_order_on_pause: bool | None = None
    subaccount: int | None = None
    order_group_id: str | None = None
    exchange_index: int | None = None


class AmendBody(msgspec.Struct):
    ticker: str
    side: Side
    price: str
    count: str
    client_order_id: str | None = None
    updated_client_order_id: str | None = None
    expiration_time: int | msgspec.UnsetType | None = msgspec.UNSET
    exchange_index: int | None = None


class DecreaseBody(msgspec.Struct):
    reduce_by: str | None = None
    reduce_to: str | None = None
    exchange_index: int | None = None
    market_ticker: str | None = None


class BatchBody(msgspec.Struct):
    orders: list[msgspec.Raw]


class CancelItem(msgspec.Struct):
    order_id: str
    subaccount: int | None = None
    exchange_index: int | None = None
    market_ticker: str | None = None


class BatchCancelBody(msgspec.Struct):
    orders: list[CancelItem]


def _count(text: str, field: str) -> int:
    try:
        return parse_count(text, field)
    except MoneyError as error:
        raise flat(f"invalid {field}: {text!r}") from error


def _expiry_ms(seconds: int) -> int:
    if not 0 < seconds <= _LAST_S:
        raise flat(f"invalid expiration_time: {seconds}")
    return seconds * 1000


def _price(text: str) -> int:
    try:
        return parse_price(text, "price")
    except MoneyError as error:
        raise Refused("invalid_price") from error


def _new_order(body: CreateBody) -> NewOrder:
    single_shard(body.exchange_index)
    client_id = body.client_order_id or ""
    if client_id and not _CLIENT_ID.fullmatch(client_id):
        raise flat("invalid client_order_id: 1 to 64 characters of [-A-Za-z0-9_:+=/]")
    return NewOrder(
        ticker=body.ticker,
        side=body.side,
        price=_price(body.price),
        count=_count(body.count, "count"),
        time_in_force=body.time_in_force,
        self_trade=body.self_trade_prevention_type,
        client_order_id=client_id,
        expires_ms=_expiry_ms(body.expiration_time) if body.expiration_time else None,
        post_only=bool(body.post_only),
        reduce_only=bool(body.reduce_only),
        cancel_on_pause=bool(body.cancel_order_on_pause),
        group_id=body.order_group_id or "",
    )


def _place(call: Call, body: CreateBody) -> dict[str, Any]:
    new: NewOrder | None = None
    purse = call.purse(body.subaccount)
    try:
        new = _new_order(body)
        done = call.venue.exchange.create(purse, new, call.now_ms)
    except Refused as refused:
        call.venue.log.rejected(purse, new, refused)
        raise
    return bodies.placed(done, call.now_ms)


def _create(call: Call) -> Reply:
    return Reply(_place(call, call.decode(CreateBody, "CreateOrderV2Request")), 201)


def _create_batch(call: Call) -> Reply:
    body = call.decode(BatchBody, "BatchCreateOrdersV2Request")

    def one(raw: msgspec.Raw) -> dict[str, Any]:
        return _place(call, decode(raw, CreateBody, "CreateOrderV2Request"))

    return Reply({"orders": [_item(partial(one, raw), {}) for raw in body.orders]}, 201)


def _item(act: Callable[[], dict[str, Any]], otherwise: dict[str, Any]) -> dict[str, Any]:
    """One element of a batch: its own answer or its own error."""
    try:
        return act()
    except Refused as refused:
        return {**otherwise, "error": error_object(refused)}
    except WireError as error:
        return {**otherwise, "error": error.body}


def _cancel_one(call: Call, purse: Account, order_id: str) -> dict[str, Any]:
    order, reduced = call.venue.exchange.cancel(purse, order_id, call.now_ms)
    return {"order_id": order.order_id, "reduced_by": format_count(reduced), "ts_ms": call.now_ms}


def _cancel(call: Call) -> Reply:
    single_shard(call.number("exchange_index", 0, -1, 99))
    return Reply(_cancel_one(call, call.asked_purse(), call.path["order_id"]))


def _cancel_all(call: Call) -> Reply:
    """Cancel whatever rests in a market that still takes cancels."""
    exchange = call.venue.exchange
    if not exchange.exchange_active:
        raise Refused("exchange_is_paused", status=409)
    for purse in call.asked_purses():
        for order in [found for found in purse.orders.values() if found.status == "resting"]:
            if order.market.status in {"active", "inactive"}:
                exchange.end(order, "", call.now_ms)
    return Reply(None, 204)


def _cancel_batch(call: Call) -> Reply:
    body = call.decode(BatchCancelBody, "BatchCancelOrdersV2Request")

    def one(item: CancelItem) -> dict[str, Any]:
        single_shard(item.exchange_index)
        return _cancel_one(call, call.purse(item.subaccount), item.order_id)

    return Reply(
        {
            "orders": [
                _item(partial(one, item), {"order_id": item.order_id, "reduced_by": "0.00"}) for item in body.orders
            ]
        }
    )


def _amend(call: Call) -> Reply:
    body = call.decode(AmendBody, "AmendOrderV2Request")
    single_shard(body.exchange_index)
    exchange = call.venue.exchange
    order = exchange.resting(call.asked_purse(), call.path["order_id"], call.now_ms)
    if body.ticker != order.market.ticker:
        raise Refused("order_ticker_mismatch")
    if body.side != order.side:
        raise Refused("order_side_mismatch")
    if body.client_order_id and body.client_order_id != order.client_order_id:
        raise Refused("order_id_and_client_order_id_mismatch")
    updated = body.updated_client_order_id or ""
    if updated and not _CLIENT_ID.fullmatch(updated):
        raise flat("invalid updated_client_order_id: 1 to 64 characters of [-A-Za-z0-9_:+=/]")
    expires_ms = order.expires_ms
    if isinstance(body.expiration_time, int):
        expires_ms = _expiry_ms(body.expiration_time) if body.expiration_time else None
    done = amend(
        exchange,
        order,
        _price(body.price),
        _count(body.count, "count"),
        call.now_ms,
        client_order_id=updated,
        expires_ms=expires_ms,
    )
    return Reply(bodies.placed(done, call.now_ms, amended=True))


def _decrease(call: Call) -> Reply:
    body = call.decode(DecreaseBody, "DecreaseOrderV2Request")
    single_shard(body.exchange_index)
    exchange = call.venue.exchange
    order = exchange.resting(call.asked_purse(), call.path["order_id"], call.now_ms)
    if (body.reduce_by is None) == (body.reduce_to is None):
        raise flat("exactly one of reduce_by and reduce_to is required")
    if body.reduce_to is not None:
        remaining = _count(body.reduce_to, "reduce_to")
    else:
        remaining = max(0, order.remaining - _count(body.reduce_by or "", "reduce_by"))
    decrease(exchange, order.account, order.order_id, remaining, call.now_ms)
    return Reply(
        {
            "order_id": order.order_id,
            "remaining_count": format_count(bodies.shown_remaining(order)),
            "ts_ms": call.now_ms,
        }
    )


def _batch_cost(each: int) -> Callable[[bytes], int]:
    """A batch costs the sum of its items; a body that does not decode is refused later and costs one call."""

    def cost(body: bytes) -> int:
        try:
            return each * max(1, len(msgspec.json.decode(body, type=BatchBody).orders))
        except (msgspec.DecodeError, RecursionError):
            return DEFAULT_COST

    return cost


_BASE = "/portfolio/events/orders"
_KIND: Literal["write"] = "write"
_CREATE_BATCH = _batch_cost(DEFAULT_COST)
_CANCEL_BATCH = _batch_cost(CANCEL_COST)
_SCOPE = "write::trade"


def _write(method: str, path: str, operation: str, handler: Handler, cost: Cost = DEFAULT_COST) -> Route:
    return Route(method, _BASE + path, operation, handler, auth=True, cost=cost, kind=_KIND, scope=_SCOPE)


ROUTES = [
    _write("POST", "", "CreateOrderV2", _create),
    _write("DELETE", "", "CancelAllOrders", _cancel_all, CANCEL_COST),
    _write("POST", "/batched", "BatchCreateOrdersV2", _create_batch, _CREATE_BATCH),
    _write("DELETE", "/batched", "BatchCancelOrdersV2", _cancel_batch, _CANCEL_BATCH),
    _write("DELETE", "/{order_id}", "CancelOrderV2", _cancel, CANCEL_COST),
    _write("POST", "/{order_id}/amend", "AmendOrderV2", _amend),
    _write("POST", "/{order_id}/decrease", "DecreaseOrderV2", _decrease),
]
