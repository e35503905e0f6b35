"""Order entry over HTTP: exact answers, and the accept log as judge."""

import pytest

PHI = "KXNFLGAME-25SEP04DALPHI-PHI"
ORDERS = "/portfolio/events/orders"


async def test_create_answers(quiet):
    resting = await quiet.two.order("ask", "0.52", "3", client_order_id="m-1")
    assert resting.status == 201
    assert set(resting.body) == {"order_id", "client_order_id", "fill_count", "remaining_count", "ts_ms"}
    assert (resting.body["fill_count"], resting.body["remaining_count"]) == ("0.00", "3.00")
    taken = await quiet.one.order("bid", "0.99", "1.00", "immediate_or_cancel")
    assert taken.status == 201
    assert taken.body == {
        "order_id": taken.body["order_id"],
        "fill_count": "1.00",
        "remaining_count": "0.00",
        "average_fill_price": "0.5200",
        "average_fee_paid": "0.0175",
        "ts_ms": quiet.clock.now,
    }


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        ({"price": "0.555"}, 400, {"code": "invalid_price", "message": "invalid price"}),
        ({"price": "1.00"}, 400, {"code": "invalid_price", "message": "invalid price"}),
        ({"price": "abc"}, 400, {"code": "invalid_price", "message": "invalid price"}),
        ({"count": "0"}, 400, {"code": "invalid_order_size", "message": "invalid order size"}),
        ({"count": "10099", "price": "0.99"}, 400, {"code": "insufficient_balance", "message": "insufficient balance"}),
        ({"ticker": "NOPE"}, 404, {"code": "market_not_found", "message": "market not found"}),
        ({"order_group_id": "nope"}, 404, {"code": "order_group_not_found", "message": "order group not found"}),
        (
            {"reduce_only": True},
            400,
            {
                "code": "invalid_order",
                "message": "invalid order",
                "details": "reduce_only requires immediate_or_cancel",
            },
        ),
        (
            {"time_in_force": "fill_or_kill"},
            409,
            {"code": "fill_or_kill_insufficient_resting_volume", "message": "fill or kill insufficient resting volume"},
        ),
        (
            {"expiration_time": 1},
            400,
            {"code": "invalid_order", "message": "Expiration timestamp must be in the future"},
        ),
    ],
)
async def test_refusals_are_answered_and_logged(quiet, change, status, error):
    answer = await quiet.one.order(
        **{"side": "bid", "price": "0.50", "count": "1", "tif": "good_till_canceled"}
        | {k: v for k, v in change.items() if k in {"price", "count"}},
        **{k: v for k, v in change.items() if k not in {"price", "count"}},
    )
    assert (answer.status, answer.body) == (status, {"error": error})
    line = quiet.log()[-1]
    assert (line["kind"], line["code"], line["account"]) == ("order_rejected", error["code"], quiet.one.key_id)


@pytest.mark.parametrize("count", ["1.005", "-1", "x", ""])
async def test_malformed_count(quiet, count):
    answer = await quiet.one.order("bid", "0.50", count)
    assert (answer.status, answer.body["code"]) == (400, "bad_request")


@pytest.mark.parametrize("client_id", ["a" * 65, "with space", "ä"])
async def test_malformed_client_id(quiet, client_id):
    answer = await quiet.one.order("bid", "0.50", "1", client_order_id=client_id)
    assert (answer.status, answer.body["code"]) == (400, "bad_request")


async def test_duplicate_client_id(quiet):
    first = await quiet.one.order("bid", "0.10", "1", client_order_id="same")
    await quiet.one.call("DELETE", f"{ORDERS}/{first.body['order_id']}")
    again = await quiet.one.order("bid", "0.10", "1", client_order_id="same")
    assert (again.status, again.body) == (
        409,
        {"error": {"code": "order_already_exists", "message": "order already exists"}},
    )


async def test_cancel_decrease_amend(quiet):
    order_id = (await quiet.one.order("bid", "0.10", "10", client_order_id="c")).body["order_id"]
    less = await quiet.one.call("POST", f"{ORDERS}/{order_id}/decrease", {"reduce_by": "2"})
    assert (less.status, less.body) == (
        200,
        {"order_id": order_id, "remaining_count": "8.00", "ts_ms": quiet.clock.now},
    )
    less = await quiet.one.call("POST", f"{ORDERS}/{order_id}/decrease", {"reduce_to": "5.5"})
    assert less.body["remaining_count"] == "5.50"
    both = await quiet.one.call("POST", f"{ORDERS}/{order_id}/decrease", {"reduce_to": "1", "reduce_by": "1"})
    assert both.status == 400
    change = {
        "ticker": PHI,
        "side": "bid",
        "price": "0.20",
        "count": "4",
        "client_order_id": "c",
        "updated_client_order_id": "d",
    }
    amended = await quiet.one.call("POST", f"{ORDERS}/{order_id}/amend", change)
    assert (amended.status, amended.body) == (
        200,
        {"order_id": order_id, "fill_count": "0.00", "remaining_count": "4.00", "ts_ms": quiet.clock.now},
    )
    for wrong, code in (
        ({"ticker": "X"}, "order_ticker_mismatch"),
        ({"side": "ask"}, "order_side_mismatch"),
        ({"client_order_id": "c"}, "order_id_and_client_order_id_mismatch"),
    ):
        answer = await quiet.one.call("POST", f"{ORDERS}/{order_id}/amend", change | wrong)
        assert (answer.status, answer.body["error"]["code"]) == (400, code)
    gone = await quiet.one.call("DELETE", f"{ORDERS}/{order_id}")
    assert (gone.status, gone.body) == (200, {"order_id": order_id, "reduced_by": "4.00", "ts_ms": quiet.clock.now})
    for method, path in (("DELETE", ""), ("POST", "/amend"), ("POST", "/decrease")):
        answer = await quiet.one.call(method, f"{ORDERS}/{order_id}{path}", change | {"reduce_to": "1"})
        assert (answer.status, answer.body) == (404, {"error": {"code": "not_found", "message": "not found"}})
    kinds = [line["kind"] for line in quiet.log()]
    assert kinds == [
        "world_started",
        "order_accepted",
        "order_decreased",
        "order_decreased",
        "order_amended",
        "order_canceled",
    ]


async def test_amend_expiry_kept_and_cleared(quiet):
    later = quiet.clock.now // 1000 + 60
    order_id = (await quiet.one.order("bid", "0.10", "10", expiration_time=later)).body["order_id"]
    same = {"ticker": PHI, "side": "bid", "price": "0.10", "count": "10"}
    await quiet.one.call("POST", f"{ORDERS}/{order_id}/amend", same)
    assert "expiration_time" in (await quiet.one.call("GET", f"/portfolio/orders/{order_id}")).body["order"]
    await quiet.one.call("POST", f"{ORDERS}/{order_id}/amend", same | {"expiration_time": 0})
    assert "expiration_time" not in (await quiet.one.call("GET", f"/portfolio/orders/{order_id}")).body["order"]
    quiet.pass_time(61)
    assert (await quiet.one.call("GET", f"/portfolio/orders/{order_id}")).body["order"]["status"] == "resting"


async def test_batches(quiet):
    item = {
        "ticker": PHI,
        "side": "bid",
        "count": "1",
        "price": "0.10",
        "time_in_force": "good_till_canceled",
        "self_trade_prevention_type": "maker",
    }
    made = await quiet.one.call(
        "POST",
        f"{ORDERS}/batched",
        {"orders": [item | {"client_order_id": "b1"}, item | {"price": "0.105"}, item | {"count": 1}, item]},
    )
    assert made.status == 201
    good, off_grid, wrong_type, last = made.body["orders"]
    assert (good["client_order_id"], last["remaining_count"]) == ("b1", "1.00")
    assert off_grid == {"error": {"code": "invalid_price", "message": "invalid price"}}
    assert wrong_type["error"]["code"] == "bad_request"
    gone = await quiet.one.call(
        "DELETE",
        f"{ORDERS}/batched",
        {
            "orders": [
                {"order_id": good["order_id"]},
                {"order_id": "nope"},
                {"order_id": last["order_id"], "market_ticker": PHI},
            ]
        },
    )
    assert gone.status == 200
    assert [row["reduced_by"] for row in gone.body["orders"]] == ["1.00", "0.00", "1.00"]
    assert gone.body["orders"][1]["error"]["code"] == "not_found"


async def test_groups(quiet):
    made = await quiet.one.call("POST", "/portfolio/order_groups/create", {"contracts_limit": 50})
    assert made.status == 201
    group = made.body["order_group_id"]
    order_id = (await quiet.one.order("bid", "0.10", "1", order_group_id=group)).body["order_id"]
    assert (await quiet.one.call("GET", f"/portfolio/order_groups/{group}")).body == {
        "is_auto_cancel_enabled": True,
        "contracts_limit_fp": "50.00",
        "orders": [order_id],
        "exchange_index": 0,
    }
    assert (await quiet.one.call("GET", f"/portfolio/orders/{order_id}")).body["order"]["order_group_id"] == group
    empty = {"Content-Type": "application/json"}
    path = f"/portfolio/order_groups/{group}"
    triggered = await quiet.one.call(
        "PUT", f"{path}/trigger", headers=quiet.one.headers("PUT", f"/trade-api/v2{path}/trigger") | empty
    )
    assert (triggered.status, triggered.body) == (200, {})
    assert (await quiet.one.call("GET", f"/portfolio/orders/{order_id}")).body["order"]["status"] == "canceled"
    refused = await quiet.one.order("bid", "0.10", "1", order_group_id=group)
    assert (refused.status, refused.body["error"]["details"]) == (400, "order group triggered")
    assert (await quiet.one.call("PUT", f"{path}/reset")).status == 200
    assert (await quiet.one.order("bid", "0.10", "1", order_group_id=group)).status == 201
    assert (await quiet.one.call("PUT", f"{path}/limit", {"contracts_limit_fp": "7.50"})).status == 200
    listed = (await quiet.one.call("GET", "/portfolio/order_groups")).body["order_groups"]
    assert [(row["id"], row["contracts_limit_fp"]) for row in listed] == [(group, "7.50")]
    assert (await quiet.two.call("PUT", f"{path}/trigger")).status == 404
    assert (await quiet.one.call("DELETE", path)).status == 200
    assert (await quiet.one.call("GET", path)).status == 404
    for bad in ({}, {"contracts_limit": 0}, {"contracts_limit": "5"}, {"contracts_limit_fp": "x"}):
        assert (await quiet.one.call("POST", "/portfolio/order_groups/create", bad)).status == 400
    groups = [line["kind"] for line in quiet.log() if line["kind"].startswith("group_")]
    assert groups == ["group_created", "group_triggered", "group_reset", "group_limit_updated", "group_deleted"]


async def test_log_is_written_before_the_answer_and_names_everything(quiet):
    await quiet.two.order("ask", "0.52", "3")
    answer = await quiet.one.order("bid", "0.60", "2", "immediate_or_cancel", client_order_id="me")
    lines = quiet.log()
    mine = [line for line in lines if line.get("order_id") == answer.body["order_id"]]
    assert [line["kind"] for line in mine] == ["order_accepted", "fill"]
    accepted, fill = mine
    assert accepted == accepted | {
        "account": quiet.one.key_id,
        "client_order_id": "me",
        "ticker": PHI,
        "side": "bid",
        "price": "0.6000",
        "count": "2.00",
        "group": "",
    }
    assert fill == fill | {"price": "0.5200", "count": "2.00", "is_taker": True, "position": "2.00"}
    assert [line["n"] for line in lines] == list(range(1, len(lines) + 1))
    assert all(isinstance(line["mono_ns"], int) and isinstance(line["wall_ms"], int) for line in lines)
    stored = (await quiet.admin("GET", "/accept-log?after=1")).body
    assert stored["lines"] == lines[1:]
    assert stored["count"] == len(lines)
