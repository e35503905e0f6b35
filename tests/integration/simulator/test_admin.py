"""Scripts of a misbehaving exchange: pauses, windows, markets moved by hand, reads that lag, requests that vanish."""

import asyncio
import contextlib

import aiohttp
import pytest

EVENT = "KXNFLGAME-25SEP04DALPHI"
PHI = f"{EVENT}-PHI"
CREATE = {"method": "POST", "path_prefix": "/trade-api/v2/portfolio/events/orders"}


async def code(answer):
    return answer.status, answer.body["error"]["code"]


async def test_a_pause_of_trading_and_of_the_exchange(quiet):
    kept = (await quiet.one.order("bid", "0.10", "1")).body["order_id"]
    flighty = (await quiet.one.order("bid", "0.11", "1", cancel_order_on_pause=True)).body["order_id"]
    await quiet.admin("PUT", "/exchange", {"trading_active": False})
    status = (await quiet.call("GET", "/exchange/status")).body
    assert (status["exchange_active"], status["trading_active"]) == (True, False)
    assert await code(await quiet.one.order("bid", "0.10", "1")) == (409, "trading_is_paused")
    orders = (await quiet.one.call("GET", "/portfolio/orders?status=resting")).body["orders"]
    assert [order["order_id"] for order in orders] == [kept]
    assert (await quiet.one.call("GET", f"/portfolio/orders/{flighty}")).body["order"]["status"] == "canceled"
    await quiet.admin("PUT", "/exchange", {"exchange_active": False, "trading_active": False})
    assert await code(await quiet.one.call("DELETE", f"/portfolio/events/orders/{kept}")) == (409, "exchange_is_paused")
    assert await code(await quiet.one.call("DELETE", "/portfolio/events/orders")) == (409, "exchange_is_paused")
    await quiet.admin("PUT", "/exchange", {})
    assert (await quiet.one.call("DELETE", "/portfolio/events/orders")).status == 204
    assert (await quiet.one.call("GET", "/portfolio/orders?status=resting")).body["orders"] == []


async def test_a_maintenance_window_is_announced_and_drops_streams(quiet):
    answer = await quiet.admin("POST", "/maintenance", {"in_ms": 5_000, "for_ms": 10_000})
    assert answer.status == 201
    windows = (await quiet.call("GET", "/exchange/schedule")).body["schedule"]["maintenance_windows"]
    assert len(windows) == 1
    async with quiet.stream(quiet.one) as stream:
        quiet.pass_time(6)
        message = await stream.socket.receive(timeout=5)
        assert message.type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED}
    status = (await quiet.call("GET", "/exchange/status")).body
    assert status["trading_active"] is False
    assert status["exchange_estimated_resume_time"] == windows[0]["end_datetime"]
    quiet.pass_time(10)
    assert (await quiet.one.order("bid", "0.10", "1")).status == 201


async def test_a_market_through_dispute_and_amendment(quiet):
    await quiet.two.order("ask", "0.60", "10")
    await quiet.one.order("bid", "0.60", "10")

    async def step(**body):
        return await quiet.admin("POST", f"/markets/{PHI}", body)

    assert (await step(action="settle")).status == 409
    assert (await step(action="deactivate")).body["status"] == "inactive"
    assert [m["ticker"] for m in (await quiet.call("GET", "/markets?status=paused")).body["markets"]] == [PHI]
    await step(action="reactivate")
    await step(action="close")
    assert (await step(action="determine", value="0.505")).status == 400
    assert (await step(action="determine", value="1.00")).body["status"] == "determined"
    assert (await step(action="dispute")).body["status"] == "disputed"
    assert (await quiet.one.call("GET", "/portfolio/settlements")).body["settlements"] == []
    assert (await step(action="amend_result", value="0.25")).body["status"] == "amended"
    await step(action="settle")
    market = (await quiet.call("GET", f"/markets/{PHI}")).body["market"]
    assert (market["status"], market["result"], market["settlement_value_dollars"]) == ("finalized", "scalar", "0.2500")
    row = (await quiet.one.call("GET", "/portfolio/settlements")).body["settlements"][0]
    assert (row["market_result"], row["revenue"], row["value"]) == ("scalar", 250, 25)
    assert (await quiet.admin("POST", "/markets/NOPE", {"action": "close"})).status == 404


async def test_a_market_with_the_finest_prices(quiet):
    grid = [[0, 10_000, 1]]
    await quiet.admin("POST", f"/markets/{PHI}", {"action": "regrid", "grid": grid})
    market = (await quiet.call("GET", f"/markets/{PHI}")).body["market"]
    assert market["price_level_structure"] == "center_centi_edge_centi_cent"
    assert market["price_ranges"] == [{"start": "0.0000", "end": "1.0000", "step": "0.0001"}]
    await quiet.one.order("bid", "0.0001", "0.01")
    book = (await quiet.call("GET", f"/markets/{PHI}/orderbook")).body["orderbook_fp"]
    assert book["yes_dollars"] == [["0.0001", "0.01"]]


async def test_reads_that_lag(quiet):
    await quiet.admin("PUT", "/switches", {"order_read_lag_ms": 400, "portfolio_lag_ms": 400})
    await quiet.two.order("ask", "0.60", "10")
    placed = (await quiet.one.order("bid", "0.60", "20")).body
    path = f"/portfolio/orders/{placed['order_id']}"
    assert (await quiet.one.call("GET", path)).status == 404, "too new to be read"
    assert len((await quiet.one.call("GET", "/portfolio/orders")).body["orders"]) == 1, "the list is fresh"
    assert (await quiet.one.call("GET", "/portfolio/positions")).body["market_positions"] == []
    assert (await quiet.one.call("GET", "/portfolio/fills")).body["fills"] == []
    assert (await quiet.one.call("GET", "/portfolio/balance")).body["balance_dollars"] == "1000.0000"
    quiet.pass_time(0.4)
    await quiet.one.call("DELETE", f"/portfolio/events/orders/{placed['order_id']}")
    assert (await quiet.one.call("GET", path)).body["order"]["status"] == "resting"
    assert (await quiet.one.call("GET", "/portfolio/orders?status=canceled")).body["orders"][0]["order_id"]
    assert (await quiet.one.call("GET", "/portfolio/positions")).body["market_positions"][0]["position_fp"] == "10.00"
    assert len((await quiet.one.call("GET", "/portfolio/fills")).body["fills"]) == 1
    quiet.pass_time(0.4)
    assert (await quiet.one.call("GET", path)).body["order"]["status"] == "canceled"


async def test_switches_of_one_account_leave_the_other_alone(quiet):
    answer = await quiet.admin("PUT", f"/switches?key_id={quiet.one.key_id}", {"deduplicate": False})
    assert answer.body["deduplicate"] is False
    for client, second in ((quiet.one, 201), (quiet.two, 409)):
        assert (await client.order("bid", "0.10", "1", client_order_id="x")).status == 201
        assert (await client.order("bid", "0.10", "1", client_order_id="x")).status == second
    assert (await quiet.admin("GET", "/switches")).body["deduplicate"] is True
    assert (await quiet.admin("PUT", "/switches", {"typo": 1})).status == 400
    assert (await quiet.admin("GET", "/switches?key_id=nobody")).status == 404


async def test_triggered_groups_that_still_accept(quiet):
    group = (await quiet.one.call("POST", "/portfolio/order_groups/create", {"contracts_limit": 5})).body[
        "order_group_id"
    ]
    await quiet.one.call("PUT", f"/portfolio/order_groups/{group}/trigger")
    assert (await quiet.one.order("bid", "0.10", "1", order_group_id=group)).status == 400
    await quiet.admin("PUT", "/switches", {"triggered_groups_accept": True})
    assert (await quiet.one.order("bid", "0.10", "1", order_group_id=group)).status == 201


async def test_an_immediate_order_that_meets_nothing(quiet):
    assert (await quiet.one.order("bid", "0.10", "1", "immediate_or_cancel")).body["fill_count"] == "0.00"
    await quiet.admin("PUT", "/switches", {"empty_ioc_conflict": True})
    assert await code(await quiet.one.order("bid", "0.10", "1", "immediate_or_cancel")) == (
        409,
        "immediate_or_cancel_insufficient_resting_volume",
    )


async def test_a_clock_that_is_ahead(quiet):
    await quiet.admin("PUT", "/switches", {"clock_skew_ms": 30_000})
    assert await code(await quiet.one.call("GET", "/portfolio/balance")) == (401, "header_timestamp_expired")
    ahead = quiet.one.headers("GET", "/trade-api/v2/portfolio/balance", quiet.clock.now + 30_000)
    assert (await quiet.one.call("GET", "/portfolio/balance", headers=ahead)).status == 200


@pytest.mark.parametrize("action", ["refuse", "drop_reply_after_accept", "half_close_after_accept"])
async def test_connections_that_end(quiet, action):
    await quiet.admin("POST", "/faults", {"action": action, "match": CREATE})
    with pytest.raises(aiohttp.ClientError):
        await quiet.one.order("bid", "0.10", "1", client_order_id="x")
    lines = (await quiet.admin("GET", "/accept-log")).body["lines"]
    accepted = [line["client_order_id"] for line in lines if line["kind"] == "order_accepted"]
    assert accepted == ([] if action == "refuse" else ["x"])


async def test_a_silent_exchange(quiet):
    await quiet.admin("POST", "/faults", {"action": "silent", "match": CREATE})
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(quiet.one.order("bid", "0.10", "1"), 0.2)
    assert (await quiet.one.order("bid", "0.10", "1")).status == 201


@pytest.mark.parametrize("action", ["status_409", "status_500"])
async def test_answers_without_the_exchange(quiet, action):
    await quiet.admin("POST", "/faults", {"action": action, "match": CREATE})
    assert (await quiet.one.order("bid", "0.10", "1")).status == int(action[-3:])
    assert (await quiet.one.call("GET", "/portfolio/orders")).body["orders"] == []


async def test_chance_and_place_in_the_row_come_from_the_script(quiet):
    async def seen(fault):
        await quiet.admin("POST", "/faults", {"action": "status_503", "times": 1000} | fault)
        answers = [(await quiet.call("GET", "/exchange/status")).status for _ in range(12)]
        await quiet.admin("DELETE", "/faults")
        return answers

    assert await seen({"after": 3, "times": 2}) == [200] * 3 + [503] * 2 + [200] * 7
    first = await seen({"chance_ppm": 500_000, "seed": 7})
    assert first == await seen({"chance_ppm": 500_000, "seed": 7})
    assert {200, 503} == set(first)
    assert first != await seen({"chance_ppm": 500_000, "seed": 8})


async def test_an_outage_refuses_connections_and_ends_by_itself(quiet):
    async with quiet.stream(quiet.one) as stream:
        await quiet.admin("POST", "/outage", {"for_ms": 300})
        assert (await stream.socket.receive(timeout=5)).type is not aiohttp.WSMsgType.TEXT
    refused = 0
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as http:
        for _ in range(100):
            with contextlib.suppress(aiohttp.ClientError):
                async with http.get(f"{quiet.simulator.rest_url}/exchange/status") as response:
                    assert response.status == 200
                    break
            refused += 1
            await asyncio.sleep(0.02)
    assert 0 < refused < 100


async def test_a_postponed_and_a_voided_market(quiet):
    await quiet.two.order("ask", "0.60", "10")
    await quiet.one.order("bid", "0.60", "10")
    before = (await quiet.call("GET", f"/markets/{PHI}")).body["market"]["close_time"]
    assert (await quiet.admin("POST", f"/markets/{PHI}", {"action": "move_close"})).status == 400
    moved = await quiet.admin("POST", f"/markets/{PHI}", {"action": "move_close", "in_ms": 86_400_000})
    assert (moved.status, moved.body["status"]) == (200, "active")
    assert (await quiet.call("GET", f"/markets/{PHI}")).body["market"]["close_time"] != before
    assert (await quiet.admin("POST", f"/markets/{PHI}", {"action": "void"})).body["status"] == "determined"
    await quiet.admin("POST", f"/markets/{PHI}", {"action": "settle"})
    row = (await quiet.one.call("GET", "/portfolio/settlements")).body["settlements"][0]
    assert (row["market_result"], row["value"], row["revenue"]) == ("scalar", 60, 600)


@pytest.mark.parametrize(("said", "expected"), [(False, set()), (True, {"yes_dollars_fp", "no_dollars_fp"})])
async def test_how_a_snapshot_says_that_a_side_is_empty(quiet, said, expected):
    await quiet.admin("PUT", "/switches", {"empty_ladders": said})
    async with quiet.stream(quiet.one) as stream:
        await stream.send(id=1, cmd="subscribe", params={"channels": ["orderbook_delta"], "market_ticker": PHI})
        snapshot = (await stream.take(2))[1]["msg"]
    assert set(snapshot) - {"market_ticker", "market_id"} == expected
    assert all(snapshot[name] == [] for name in expected)
