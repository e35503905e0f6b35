"""Order groups."""

from typing import Literal

import msgspec

from services.simulator.engine import group_changes as changes
from services.simulator.engine.groups import MAX_CONTRACTS
from services.simulator.engine.model import OrderGroup
from services.simulator.rest.call import Call, Reply, Route, single_shard
from services.simulator.wire import private as bodies
from services.simulator.wire.errors import flat
from trading_logic.money import ONE_CONTRACT, MoneyError, parse_count


class LimitBody(msgspec.Struct):
    contracts_limit: int | None = None
    contracts_limit_fp: str | None = None
    subaccount: int | None = None
    exchange_index: int | None = None


def _limit(body: LimitBody, name: str) -> int:
    """The limit in 1/100 contract: whole contracts as a number or a fixed-point string."""
    if body.contracts_limit_fp is not None:
        try:
            limit = parse_count(body.contracts_limit_fp, "contracts_limit_fp")
        except MoneyError as error:
            raise flat(f"invalid contracts_limit_fp: {body.contracts_limit_fp!r}") from error
    elif body.contracts_limit is not None:
        limit = body.contracts_limit * ONE_CONTRACT
    else:
        field = "ContractsLimit"
        raise flat(f"Key: '{name}.{field}' Error:Field validation for '{field}' failed on the 'required' tag")
    if not ONE_CONTRACT <= limit <= MAX_CONTRACTS * ONE_CONTRACT:
        raise flat(f"contracts_limit must be between 1 and {MAX_CONTRACTS}")
    return limit


def _group(call: Call) -> OrderGroup:
    return changes.find(call.asked_purse(), call.path["order_group_id"])


def _create(call: Call) -> Reply:
    body = call.decode(LimitBody, "CreateOrderGroupRequest")
    single_shard(body.exchange_index)
    limit = _limit(body, "CreateOrderGroupRequest")
    purse = call.purse(body.subaccount)
    group = changes.create(call.venue.exchange, purse, limit, call.now_ms)
    return Reply({"order_group_id": group.group_id, "subaccount": purse.number, "exchange_index": 0}, 201)


def _list(call: Call) -> Reply:
    groups = [group for purse in call.asked_purses() for group in purse.groups.values()]
    return Reply({"order_groups": [bodies.group(group) for group in groups]})


def _get(call: Call) -> Reply:
    group = _group(call)
    body = bodies.group(group)
    del body["id"]
    resting = [order.order_id for order in group.orders.values() if order.status == "resting"]
    return Reply({**body, "orders": resting})


def _trigger(call: Call) -> Reply:
    group = _group(call)
    if not group.triggered:
        call.venue.exchange.trigger(group, call.now_ms)
    return Reply({})


def _reset(call: Call) -> Reply:
    changes.reset(call.venue.exchange, _group(call), call.now_ms)
    return Reply({})


def _change_limit(call: Call) -> Reply:
    group, name = _group(call), "UpdateOrderGroupLimitRequest"
    body = call.decode(LimitBody, name)
    changes.limit(call.venue.exchange, group, _limit(body, name), call.now_ms)
    return Reply({})


def _delete(call: Call) -> Reply:
    changes.delete(call.venue.exchange, _group(call), call.now_ms)
    return Reply({})


_BASE = "/portfolio/order_groups"
_KIND: Literal["write"] = "write"
_SCOPE = "write::trade"
ROUTES = [
    Route("POST", f"{_BASE}/create", "CreateOrderGroup", _create, auth=True, kind=_KIND, scope=_SCOPE),
    Route("GET", _BASE, "GetOrderGroups", _list, auth=True),
    Route("GET", f"{_BASE}/{{order_group_id}}", "GetOrderGroup", _get, auth=True),
    Route("PUT", f"{_BASE}/{{order_group_id}}/reset", "ResetOrderGroup", _reset, auth=True, kind=_KIND, scope=_SCOPE),
    Route(
        "PUT", f"{_BASE}/{{order_group_id}}/trigger", "TriggerOrderGroup", _trigger, auth=True, kind=_KIND, scope=_SCOPE
    ),
    Route(
        "PUT",
        f"{_BASE}/{{order_group_id}}/limit",
        "UpdateOrderGroupLimit",
        _change_limit,
        auth=True,
        kind=_KIND,
        scope=_SCOPE,
    ),
    Route("DELETE", f"{_BASE}/{{order_group_id}}", "DeleteOrderGroup", _delete, auth=True, kind=_KIND, scope=_SCOPE),
]
