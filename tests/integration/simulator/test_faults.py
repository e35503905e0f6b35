"""Scripted faults: what the exchange did and what the client saw may differ."""

import aiohttp
import pytest

PHI = "KXNFLGAME-25SEP04DALPHI-PHI"
ORDER = {
    "ticker": PHI,
    "client_order_id": "x",
    "side": "bid",
    "price": "0.10",
    "count": "1",
    "time_in_force": "good_till_canceled",
    "self_trade_prevention_type": "taker_at_cross",
}
CREATE = {"method": "POST", "path_prefix": "/trade-api/v2/portfolio/events/orders"}


async def accepted(running):
    return [line["client_order_id"] for line in running.log() if line["kind"] == "order_accepted"]


async def test_dropped_reply_after_accept(quiet):
    await quiet.admin("POST", "/faults", {"action": "drop_reply_after_accept", "match": CREATE})
    with pytest.raises(aiohttp.ClientError):
        await quiet.one.order("bid", "0.10", "1", client_order_id="lost")
    assert await accepted(quiet) == ["lost"]
    assert (await quiet.one.order("bid", "0.10", "1", client_order_id="next")).status == 201


@pytest.mark.parametrize(
    ("action", "status", "taken"),
    [
        ("error_500_after_accept", 500, ["x"]),
        ("empty_2xx_after_accept", 201, ["x"]),
        ("status_429", 429, []),
        ("status_503", 503, []),
        ("delay_ms", 201, ["x"]),
    ],
)
async def test_http_faults(quiet, action, status, taken):
    await quiet.admin("POST", "/faults", {"action": action, "match": CREATE, "ms": 1})
    answer = await quiet.one.order("bid", "0.10", "1", client_order_id="x")
    assert answer.status == status
    assert "order_id" in answer.body if action == "delay_ms" else "order_id" not in answer.body
    assert await accepted(quiet) == taken


async def test_faults_count_down_and_match_one_account(quiet):
    await quiet.admin(
        "POST",
        "/faults",
        {
            "action": "status_503",
            "times": 2,
            "match": {"key_id": quiet.one.key_id, "path_prefix": "/trade-api/v2/portfolio"},
        },
    )
    assert (await quiet.two.call("GET", "/portfolio/balance")).status == 200
    assert [(await quiet.one.call("GET", "/portfolio/balance")).status for _ in range(3)] == [503, 503, 200]
    assert (await quiet.admin("GET", "/faults")).body == {"faults": []}


async def test_gap_swallows_one_number(quiet):
    async with quiet.stream(quiet.one) as stream:
        await stream.send(id=1, cmd="subscribe", params={"channels": ["orderbook_delta"], "market_ticker": PHI})
        await stream.take(2)
        await quiet.admin("POST", "/faults", {"action": "gap", "match": {"channel": "orderbook_delta"}})
        await quiet.two.order("bid", "0.10", "1")
        await quiet.two.order("bid", "0.11", "1")
        frame = await stream.next()
        assert (frame["seq"], frame["msg"]["price_dollars"]) == (3, "0.1100")


GARBLED = [
    ("html_200_after_accept", 200, "text/html", b"<html>"),
    ("html_403_after_accept", 403, "text/html", b"<html>"),
    ("not_json_after_accept", 201, "application/json", b"\x00\xff"),
    ("cut_json_after_accept", 201, "application/json", b"{"),
    ("no_order_id_after_accept", 201, "application/json", b"{"),
    ("wrong_type_after_accept", 201, "text/plain", b"{"),
]


@pytest.mark.parametrize(("action", "status", "kind", "begins"), GARBLED)
async def test_garbled_answers_after_accept(quiet, action, status, kind, begins):
    await quiet.admin("POST", "/faults", {"action": action, "match": CREATE})
    url = quiet.simulator.rest_url + CREATE["path_prefix"].removeprefix("/trade-api/v2")
    async with quiet.http.post(url, json=ORDER, headers=quiet.one.headers("POST", CREATE["path_prefix"])) as answer:
        body = await answer.read()
    assert (answer.status, answer.content_type) == (status, kind)
    assert body.startswith(begins)
    assert (b'"order_id"' in body and body.endswith(b"}")) == (action == "wrong_type_after_accept")
    assert await accepted(quiet) == ["x"]


async def test_a_page_of_something_in_between(quiet):
    await quiet.admin("POST", "/faults", {"action": "page_404", "match": CREATE})
    url = quiet.simulator.rest_url + CREATE["path_prefix"].removeprefix("/trade-api/v2")
    async with quiet.http.post(url, json=ORDER, headers=quiet.one.headers("POST", CREATE["path_prefix"])) as answer:
        assert (answer.status, answer.content_type) == (404, "text/html")
    assert await accepted(quiet) == []


async def test_a_reply_that_ends_in_the_middle(quiet):
    await quiet.admin("POST", "/faults", {"action": "cut_reply_after_accept", "match": CREATE})
    with pytest.raises(aiohttp.ClientPayloadError):
        await quiet.one.order("bid", "0.10", "1", client_order_id="x")
    assert await accepted(quiet) == ["x"]


@pytest.mark.parametrize("body", [{"action": "explode"}, {}, {"action": "gap", "typo": 1}])
async def test_bad_scripts_are_refused(quiet, body):
    assert (await quiet.admin("POST", "/faults", body)).status == 400
    assert (await quiet.admin("GET", "/faults")).body == {"faults": []}
