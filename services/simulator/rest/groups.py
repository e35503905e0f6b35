"""Order groups."""

from typing import Literal

import msgspec

from services.simulator.engine import group_changes as changes
from services.simulator.engine.errors import Refused
from services.simulator.engine.groups import MAX_CONTRACTS
from services.simulator.engine.model import OrderGroup
from services.simulator.rest.call import Call, Reply, Route
from services.simulator.wire import private as bodies
from services.simulator.wire.errors import flat
from trading_logic.money import ONE_CONTRACT, MoneyError, parse_count


class LimitBody(msgspec.Struct):
    contracts_limit: int | None = None
    contracts_limit_fp: str | None = None
    subaccount: int | None = None
    exchange_index: int | None = None


def _limit(call: Call, name: str) -> int:
    """The limit in 1/100 contract: whole contracts as a number or a fixed-point string."""
    body = call.decode(LimitBody, name)
    if body.subaccount:
        raise Refused("forbidden", status=403, details="this account has no subaccounts")
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
    return changes.find(call.account, call.path["group_id"])


def _create(call: Call) -> Reply:
    limit = _limit(call, "CreateOrderGroupRequest")
    group = changes.create(call.venue.exchange, call.account, limit, call.now_ms)
    return Reply({"order_group_id": group.group_id, "subaccount": 0, "exchange_index": 0}, 201)


def _list(call: Call) -> Reply:
    return Reply({"order_groups": [bodies.group(group) for group in call.account.groups.values()]})


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
    group = _group(call)
    changes.limit(call.venue.exchange, group, _limit(call, "UpdateOrderGroupLimitRequest"), call.now_ms)
    return Reply({})


def _delete(call: Call) -> Reply:
    changes.delete(call.venue.exchange, _group(call), call.now_ms)
    return Reply({})


_BASE = "/portfolio/order_groups"
_KIND: Literal["write"] = "write"
ROUTES = [
    Route("POST", f"{_BASE}/create", "CreateOrderGroup", _create, auth=True, kind=_KIND),
    Route("GET", _BASE, "GetOrderGroups", _list, auth=True),
    Route("GET", f"{_BASE}/{{group_id}}", "GetOrderGroup", _get, auth=True),
    Route("PUT", f"{_BASE}/{{group_id}}/reset", "ResetOrderGroup", _reset, auth=True, kind=_KIND),
    Route("PUT", f"{_BASE}/{{group_id}}/trigger", "TriggerOrderGroup", _trigger, auth=True, kind=_KIND),
    Route("PUT", f"{_BASE}/{{group_id}}/limit", "UpdateOrderGroupLimit", _change_limit, auth=True, kind=_KIND),
    Route("DELETE", f"{_BASE}/{{group_id}}", "DeleteOrderGroup", _delete, auth=True, kind=_KIND),
]
