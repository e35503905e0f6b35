"""Keys, scopes, subaccounts, tiers: who may do what, and whose money it is."""

import asyncio
import base64
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

PHI = "KXNFLGAME-25SEP04DALPHI-PHI"
BALANCE = "/portfolio/balance"


class Key:
    """Signs with a key that the exchange generated."""

    def __init__(self, running, body):
        self.running = running
        self.key_id = body["api_key_id"]
        self.private = serialization.load_pem_private_key(body["private_key"].encode(), password=None)

    async def call(self, method, path, body=None):
        stamp = str(self.running.clock.now)
        signed = f"{stamp}{method}/trade-api/v2{path.partition('?')[0]}".encode()
        if hasattr(self.private, "private_numbers"):
            pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
            signature = self.private.sign(signed, pss, hashes.SHA256())
        else:
            signature = self.private.sign(signed)
        headers = {
            "KALSHI-ACCESS-KEY": self.key_id,
            "KALSHI-ACCESS-TIMESTAMP": stamp,
            "KALSHI-ACCESS-SIGNATURE": base64.b64encode(signature).decode(),
        }
        return await self.running.call(method, path, body, headers)

    async def order(self, **rest):
        body = {
            "ticker": PHI,
            "side": "bid",
            "price": "0.10",
            "count": "1",
            "time_in_force": "good_till_canceled",
            "self_trade_prevention_type": "maker",
        }
        return await self.call("POST", "/portfolio/events/orders", body | rest)


async def generated(running, **rest):
    answer = await running.one.call("POST", "/api_keys/generate", {"name": "made"} | rest)
    assert answer.status == 201, answer.body
    return Key(running, answer.body)


@pytest.fixture
async def subbed(quiet):
    """Account one has subaccount 1 with 100 dollars."""
    assert (await quiet.one.call("POST", "/portfolio/subaccounts", {})).body == {"subaccount_number": 1}
    body = {"client_transfer_id": str(uuid4()), "from_subaccount": 0, "to_subaccount": 1, "amount_cents": 10_000}
    answer = await quiet.one.call("POST", "/portfolio/subaccounts/transfer", body)
    assert (answer.status, list(answer.body)) == (200, ["transfer_id"])
    assert (await quiet.one.call("POST", "/portfolio/subaccounts/transfer", body)).status == 409
    return quiet


@pytest.mark.parametrize(
    ("kind", "head"), [("rsa", "-----BEGIN RSA PRIVATE KEY-----"), ("ed25519", "-----BEGIN PRIVATE KEY-----")]
)
async def test_generated_keys_work_and_can_be_deleted(quiet, kind, head):
    answer = await quiet.one.call("POST", "/api_keys/generate", {"name": "made", "key_type": kind})
    assert (answer.status, answer.body["key_type"]) == (201, kind)
    assert answer.body["private_key"].startswith(head)
    key = Key(quiet, answer.body)
    assert (await key.call("GET", BALANCE)).body["balance"] == 100_000
    listed = (await quiet.one.call("GET", "/api_keys")).body["api_keys"]
    assert [row["name"] for row in listed] == ["first", "made"]
    assert (await quiet.two.call("DELETE", f"/api_keys/{key.key_id}")).status == 404, "another member's"
    assert (await quiet.one.call("DELETE", f"/api_keys/{key.key_id}")).status == 204
    gone = await key.call("GET", BALANCE)
    assert (gone.status, gone.body["error"]["details"]) == (401, "NOT_FOUND")


async def test_a_public_key_of_ones_own(quiet):
    other = await generated(quiet, key_type="ed25519")
    pem = other.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    answer = await quiet.two.call("POST", "/api_keys", {"name": "own", "public_key": pem.decode()})
    assert answer.status == 201
    other.key_id = answer.body["api_key_id"]
    assert (await other.order(client_order_id="mine")).status == 201
    assert len((await quiet.two.call("GET", "/portfolio/orders")).body["orders"]) == 1


@pytest.mark.parametrize(
    ("body", "details"),
    [
        ({"name": "x", "public_key": "no"}, "invalid public_key: not a PEM public key"),
        (
            {"name": "x"},
            "Key: 'CreateApiKeyRequest.PublicKey' Error:Field validation for 'PublicKey' failed on the 'required' tag",
        ),
    ],
)
async def test_bad_keys_are_refused(quiet, body, details):
    answer = await quiet.one.call("POST", "/api_keys", body)
    assert (answer.status, answer.body["details"]) == (400, details)


@pytest.mark.parametrize(("scopes", "said"), [(["all"], "all"), ([], "none given"), (["write"], "requires read")])
async def test_bad_scopes_are_refused(quiet, scopes, said):
    answer = await quiet.one.call("POST", "/api_keys/generate", {"name": "x", "scopes": scopes})
    assert answer.status == 400
    assert said in answer.body["details"]


async def test_scopes(quiet):
    reads = await generated(quiet, scopes=["read"])
    assert (await reads.call("GET", "/portfolio/orders")).status == 200
    refused = await reads.order()
    assert (refused.status, refused.body["error"]["details"]) == (403, "this API key lacks the scope write::trade")
    trades = await generated(quiet, scopes=["read::portfolio_balance", "write::trade"])
    assert (await trades.call("GET", BALANCE)).status == 200
    assert (await trades.call("GET", "/portfolio/orders")).status == 403
    assert (await trades.order()).status == 201
    assert (await trades.call("POST", "/portfolio/order_groups/create", {"contracts_limit": 1})).status == 201
    assert (await trades.call("POST", "/portfolio/subaccounts", {})).status == 403


async def test_a_key_bound_to_a_subaccount(subbed):
    bound = await generated(subbed, subaccount=1)
    assert (await bound.call("GET", BALANCE)).body["balance_dollars"] == "100.0000"
    assert (await bound.order()).status == 201
    assert (await subbed.one.call("GET", "/portfolio/orders?subaccount=1")).body["orders"][0]["subaccount_number"] == 1
    for answer in (
        await bound.call("GET", f"{BALANCE}?subaccount=0"),
        await bound.order(subaccount=0),
        await bound.call("GET", "/portfolio/subaccounts/balances"),
        await bound.call("GET", "/api_keys"),
    ):
        assert (answer.status, answer.body["error"]["message"]) == (
            403,
            "this API key is restricted to a single sub-account and cannot access this endpoint",
        )


async def test_subaccounts_have_purses_of_their_own(subbed):
    one = subbed.one
    rows = (await one.call("GET", "/portfolio/subaccounts/balances")).body["subaccount_balances"]
    assert [(row["subaccount_number"], row["balance"]) for row in rows] == [(0, "900.0000"), (1, "100.0000")]
    moved = (await one.call("GET", "/portfolio/subaccounts/transfers")).body["transfers"]
    assert [(row["from_subaccount"], row["to_subaccount"], row["amount_cents"]) for row in moved] == [(0, 1, 10_000)]
    refused = await one.order("bid", "0.99", "200", subaccount=1)
    assert (refused.status, refused.body["error"]["code"]) == (400, "insufficient_balance")
    placed = (await one.order("bid", "0.60", "10", subaccount=1, client_order_id="sub")).body
    taken = await one.order("bid", "0.60", "10", client_order_id="sub")
    assert taken.status == 409, "client ids are the member's"
    await subbed.two.order("ask", "0.60", "4", "immediate_or_cancel")
    order_id = placed["order_id"]
    assert (await one.call("DELETE", f"/portfolio/events/orders/{order_id}")).status == 404, "not of account 0"
    fills = (await one.call("GET", "/portfolio/fills")).body["fills"]
    assert [(fill["subaccount_number"], fill["count_fp"]) for fill in fills] == [(1, "4.00")]
    assert (await one.call("GET", "/portfolio/positions")).body["market_positions"] == []
    positions = (await one.call("GET", "/portfolio/positions?subaccount=1")).body["market_positions"]
    assert positions[0]["position_fp"] == "4.00"
    ahead = await one.call("GET", f"/portfolio/orders/{order_id}/queue_position")
    assert ahead.body == {"queue_position_fp": "0.00"}
    assert (await one.call("GET", f"/portfolio/orders/queue_positions?market_tickers={PHI}")).body[
        "queue_positions"
    ] == []
    rows = (await one.call("GET", f"/portfolio/orders/queue_positions?market_tickers={PHI}&subaccount=1")).body
    assert rows["queue_positions"] == [{"order_id": order_id, "market_ticker": PHI, "queue_position_fp": "0.00"}]
    cancelled = await one.call("DELETE", f"/portfolio/events/orders/{order_id}?subaccount=1")
    assert cancelled.body["reduced_by"] == "6.00"


async def test_order_groups_of_a_subaccount(subbed):
    one = subbed.one
    made = (await one.call("POST", "/portfolio/order_groups/create", {"contracts_limit": 5, "subaccount": 1})).body
    assert made["subaccount"] == 1
    group = made["order_group_id"]
    assert (await one.call("GET", f"/portfolio/order_groups/{group}")).status == 404
    assert (await one.call("GET", f"/portfolio/order_groups/{group}?subaccount=1")).status == 200
    assert len((await one.call("GET", "/portfolio/order_groups")).body["order_groups"]) == 1
    placed = await one.order("bid", "0.10", "1", subaccount=1, order_group_id=group)
    assert placed.status == 201
    assert (await one.order("bid", "0.10", "1", order_group_id=group)).status == 404, "not of account 0"


async def test_netting_is_off_and_says_so(subbed):
    rows = (await subbed.one.call("GET", "/portfolio/subaccounts/netting")).body["netting_configs"]
    assert [row["enabled"] for row in rows] == [False, False]
    on = await subbed.one.call("PUT", "/portfolio/subaccounts/netting", {"subaccount_number": 1, "enabled": True})
    assert on.status == 501
    off = await subbed.one.call("PUT", "/portfolio/subaccounts/netting", {"subaccount_number": 1, "enabled": False})
    assert (off.status, off.body) == (200, {})


async def test_basic_earns_advanced_by_an_order(launch):
    running = await launch(tier="basic")
    assert (await running.one.call("POST", "/portfolio/subaccounts", {})).status == 403
    assert (await running.one.call("POST", "/account/api_usage_level/upgrade")).status == 403
    await running.one.order("bid", "0.10", "1")
    await running.admin("PUT", f"/accounts/{running.one.key_id}/tier", {"tier": "basic"})
    assert (await running.one.call("POST", "/account/api_usage_level/upgrade")).status == 201
    limits = (await running.one.call("GET", "/account/limits")).body
    assert (limits["usage_tier"], limits["write"]["refill_rate"]) == ("advanced", 300)
    assert limits["grants"][0]["level"] == "advanced"
    assert (await running.two.call("GET", "/account/limits")).body["usage_tier"] == "basic"
    assert (await running.one.call("POST", "/portfolio/subaccounts", {})).status == 201


async def test_costs_and_what_they_are_charged(launch):
    running = await launch(tier="basic")
    told = (await running.call("GET", "/account/endpoint_costs")).body
    assert told["default_cost"] == 10
    costs = {(row["method"], row["path"]): row["cost"] for row in told["endpoint_costs"]}
    base = "/trade-api/v2/portfolio/events/orders"
    assert costs == {
        ("GET", "/trade-api/v2/portfolio/orders/:order_id"): 2,
        ("DELETE", base): 2,
        ("DELETE", f"{base}/:order_id"): 2,
        ("DELETE", f"{base}/batched"): 2,
        ("POST", "/trade-api/v2/account/api_usage_level/upgrade"): 30,
    }
    # At once: one after the other a slow machine takes so long that the bucket fills as fast as it is emptied.
    calls = [running.one.call("DELETE", f"/portfolio/events/orders/{number}") for number in range(120)]
    statuses = [answer.status for answer in await asyncio.gather(*calls)]
    assert set(statuses) == {404, 429}
    assert statuses.count(404) >= 50
    assert (await running.one.call("GET", "/account/api_usage_level/volume_progress")).body == {"volume_progress": []}
