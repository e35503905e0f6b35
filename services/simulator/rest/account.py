"""Limits and costs of the account, and its API keys."""

from typing import Annotated, Literal
from uuid import uuid4

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from services.simulator.auth import SCOPES, ApiKey, PublicKey
from services.simulator.engine.errors import Refused, not_found
from services.simulator.engine.subaccounts import MOST
from services.simulator.keys import KeyKind, generate
from services.simulator.limits import DEFAULT_COST, TIERS, UPGRADE_COST, Budget
from services.simulator.rest.call import Call, Reply, Route
from services.simulator.wire.errors import flat

_ORDERS_LOOKED_AT = 100
_Number = Annotated[int, msgspec.Meta(ge=0, le=MOST)]


class KeyBody(msgspec.Struct):
    name: str
    public_key: str
    scopes: list[str] | None = None
    subaccount: _Number | None = None


class GenerateBody(msgspec.Struct):
    name: str
    key_type: Literal["rsa", "ed25519"] | None = None
    scopes: list[str] | None = None
    subaccount: _Number | None = None


def _budget(budget: Budget) -> dict[str, int]:
    return {"refill_rate": budget.refill_rate, "bucket_capacity": budget.bucket_capacity}


def _limits(call: Call) -> Reply:
    name = call.venue.limiter.tier_of(call.member.accounts[0].account_id)
    tier = TIERS[name]
    grants = [{"exchange_instance": "event_contract", "level": name, "source": "manual"}] if name != "basic" else []
    return Reply({"usage_tier": name, "read": _budget(tier.read), "write": _budget(tier.write), "grants": grants})


def _volume_progress(_: Call) -> Reply:
    """Volume earns no tier here: there is no progress to show."""
    return Reply({"volume_progress": []})


def _upgrade(call: Call) -> Reply:
    """Basic becomes Advanced once an order has been placed; every order here comes by the API."""
    account = call.whole_member().accounts[0]
    limiter = call.venue.limiter
    if limiter.tier_of(account.account_id) == "basic":
        if not any(purse.orders for purse in call.member.accounts.values()):
            details = f"none of the last {_ORDERS_LOOKED_AT} orders was placed by API"
            raise Refused("forbidden", status=403, details=details)
        limiter.set_tier(account.account_id, "advanced")
    return Reply({}, 201)


def _keys(call: Call) -> Reply:
    own = [key for key in call.venue.authenticator.keys.values() if key.account.member is call.whole_member()]
    return Reply({"api_keys": [_key_body(key) for key in own]})


def _key_body(key: ApiKey) -> dict[str, object]:
    body: dict[str, object] = {"api_key_id": key.key_id, "name": key.name, "scopes": list(key.scopes)}
    return body if key.subaccount is None else body | {"subaccount": key.subaccount}


def _add(call: Call, body: KeyBody | GenerateBody, public: PublicKey) -> str:
    scopes = body.scopes if body.scopes is not None else ["read", "write"]
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        raise flat(f"invalid scopes: {unknown or 'none given'}")
    if "write" in scopes and "read" not in scopes:
        raise flat("invalid scopes: write requires read")
    if body.subaccount is not None:
        call.purse(body.subaccount)
    key = ApiKey(str(uuid4()), body.name, tuple(scopes), public, call.whole_member().accounts[0], body.subaccount)
    call.venue.add_key(key)
    return key.key_id


def _create_key(call: Call) -> Reply:
    body = call.decode(KeyBody, "CreateApiKeyRequest")
    try:
        public = load_pem_public_key(body.public_key.encode())
    except ValueError as error:
        raise flat("invalid public_key: not a PEM public key") from error
    if not isinstance(public, RSAPublicKey | Ed25519PublicKey):
        raise flat("invalid public_key: neither RSA nor Ed25519")
    return Reply({"api_key_id": _add(call, body, public)}, 201)


def _generate_key(call: Call) -> Reply:
    body = call.decode(GenerateBody, "GenerateApiKeyRequest")
    kind: KeyKind = body.key_type or "rsa"
    pem, public = generate(kind)
    return Reply({"api_key_id": _add(call, body, public), "private_key": pem, "key_type": kind}, 201)


def _delete_key(call: Call) -> Reply:
    key = call.venue.authenticator.keys.get(call.path["api_key"])
    if key is None or key.account.member is not call.whole_member():
        raise not_found()
    call.venue.remove_key(key.key_id)
    return Reply(None, 204)


ROUTES = [
    Route("GET", "/account/limits", "GetAccountApiLimits", _limits, auth=True),
    Route(
        "GET", "/account/api_usage_level/volume_progress", "GetAccountApiUsageLevelVolumeProgress", _volume_progress,
        auth=True,
    ),
    Route(
        "POST", "/account/api_usage_level/upgrade", "UpgradeAccountApiUsageLevel", _upgrade, auth=True,
        cost=UPGRADE_COST,
    ),
    Route("GET", "/api_keys", "GetApiKeys", _keys, auth=True),
    Route("POST", "/api_keys", "CreateApiKey", _create_key, auth=True),
    Route("POST", "/api_keys/generate", "GenerateApiKey", _generate_key, auth=True),
    Route("DELETE", "/api_keys/{api_key}", "DeleteApiKey", _delete_key, auth=True),
]  # fmt: skip


def endpoint_costs(routes: list[Route], prefix: str) -> dict[str, object]:
    """Calls whose cost is not the default, in the exchange's own spelling of paths; a batch shows one item's cost."""
    rows = []
    for route in routes:
        cost = route.cost if isinstance(route.cost, int) else route.cost(b'{"orders":[{}]}')
        if cost != DEFAULT_COST:
            path = (prefix + route.path).replace("{", ":").replace("}", "")
            rows.append({"method": route.method, "path": path, "cost": cost})
    return {"default_cost": DEFAULT_COST, "endpoint_costs": rows}
