"""Whatever is thrown at it, it answers in the exchange's own shapes, keeps its memory and lives on."""

import asyncio
import contextlib
import random

import aiohttp
import pytest

PHI = "KXNFLGAME-25SEP04DALPHI-PHI"
ORDERS = "/portfolio/events/orders"
GOOD = {
    "ticker": PHI,
    "side": "bid",
    "count": "1",
    "price": "0.10",
    "time_in_force": "good_till_canceled",
    "self_trade_prevention_type": "maker",
}


def in_an_error_shape(body):
    """One of the three shapes of the exchange, or the limiter's."""
    if set(body) == {"msg"} or body == {"error": "too many requests"}:
        return True
    inner = body.get("error", body)
    return isinstance(inner, dict) and {"code", "message"} <= set(inner) <= {"code", "message", "details"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (field, value)
        for field in GOOD
        for value in (None, 1, 1.5, True, [], {}, "", "x", "\u0000", "9" * 400, "-1", "0.1e1", "NaN", "٣")
    ],
)
async def test_every_field_of_an_order_spoiled(quiet, field, value):
    answer = await quiet.one.call("POST", ORDERS, GOOD | {field: value})
    assert answer.status in {400, 404}, answer.body
    assert in_an_error_shape(answer.body)


@pytest.mark.parametrize(
    ("extra", "status"),
    [
        ({"expiration_time": 1}, 400),
        ({"expiration_time": 2**63}, 400),
        ({"expiration_time": "soon"}, 400),
        ({"subaccount": -1}, 403),
        ({"subaccount": 64}, 403),
        ({"exchange_index": 3}, 404),
        ({"client_order_id": "a b"}, 400),
        ({"client_order_id": "x" * 65}, 400),
        ({"order_group_id": "nope"}, 404),
        ({"post_only": "yes"}, 400),
        ({"reduce_only": True}, 400),
        ({"unknown": {"deep": [1]}}, 201),
    ],
)
async def test_optional_fields_spoiled(quiet, extra, status):
    answer = await quiet.one.call("POST", ORDERS, GOOD | extra)
    assert answer.status == status, answer.body
    assert status == 201 or in_an_error_shape(answer.body)


async def test_random_bytes_and_deep_nesting(quiet):
    source = random.Random(1)
    bodies = [source.randbytes(source.randrange(200)) for _ in range(100)]
    bodies += [b"[" * 100_000, b'{"orders":' * 5_000, b'"' + b"a" * 500_000, b"", b"null", b"0"]
    calls = [("POST", ORDERS), ("POST", f"{ORDERS}/batched"), ("DELETE", f"{ORDERS}/batched")]
    calls += [("POST", f"{ORDERS}/x/amend"), ("POST", "/portfolio/order_groups/create"), ("POST", "/api_keys")]
    calls += [("POST", "/portfolio/subaccounts/transfer"), ("POST", "/api_keys/generate")]
    for number, body in enumerate(bodies):
        method, path = calls[number % len(calls)]
        answer = await quiet.one.call(method, path, body)
        assert 400 <= answer.status < 500, (method, path, body[:40], answer)
        assert in_an_error_shape(answer.body)
    assert (await quiet.one.order("bid", "0.10", "1")).status == 201


@pytest.mark.parametrize(
    "path",
    [
        "/markets/%00",
        "/markets/..%2f..%2fetc%2fpasswd",
        "/markets/" + "A" * 4_000,
        "/markets?limit=" + "9" * 300,
        "/markets?cursor=" + "A" * 3_000,
        "/markets?tickers=" + "A," * 1_000,
        "/markets/trades?min_ts=-5",
        "/markets/trades?min_ts=1e9",
        "/milestones?limit=5&minimum_start_date=yesterday",
        "/markets/candlesticks?market_tickers=NOPE&start_ts=1&end_ts=2&period_interval=1",
        "/events/%F0%9F%8F%88",
        "/live_data/batch?milestone_ids=" + "x" * 1_000,
    ],
)
async def test_odd_paths_and_queries(quiet, path):
    answer = await quiet.call("GET", path)
    assert answer.status in {200, 400, 404}
    assert answer.status == 200 or in_an_error_shape(answer.body)


@pytest.mark.parametrize(
    "spoil",
    [
        {"KALSHI-ACCESS-TIMESTAMP": "9" * 5_000},
        {"KALSHI-ACCESS-TIMESTAMP": "-1"},
        {"KALSHI-ACCESS-TIMESTAMP": "1e12"},
        {"KALSHI-ACCESS-SIGNATURE": "=" * 344},
        {"KALSHI-ACCESS-SIGNATURE": "A" * 6_000},
        {"KALSHI-ACCESS-KEY": "x" * 3_000},
    ],
)
async def test_odd_signatures(quiet, spoil):
    headers = quiet.one.headers("GET", "/trade-api/v2/portfolio/balance") | spoil
    answer = await quiet.one.call("GET", "/portfolio/balance", headers=headers)
    assert (answer.status, list(answer.body)) == (401, ["error"])


async def test_bytes_that_are_no_http(quiet):
    for rubbish in (b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"POST / HTTP/9.9\r\n\r\n", b"A" * 20_000 + b"\r\n\r\n"):
        reader, writer = await asyncio.open_connection("127.0.0.1", quiet.simulator.port)
        writer.write(rubbish)
        writer.write_eof()
        assert b"Traceback" not in await asyncio.wait_for(reader.read(), 5)
        writer.close()
    assert (await quiet.call("GET", "/exchange/status")).status == 200


@pytest.mark.slow
async def test_more_connections_than_it_takes(quiet, monkeypatch):
    """Ten times what it takes are asked for: those too many end at once, the others work on."""
    monkeypatch.setattr(quiet.simulator, "_most_connections", 100)
    held = []
    for _ in range(10):
        held += await asyncio.gather(*(asyncio.open_connection("127.0.0.1", quiet.simulator.port) for _ in range(100)))
    ended = 0
    for reader, _ in held:
        with contextlib.suppress(TimeoutError, ConnectionError):
            await asyncio.wait_for(reader.read(1), 0.001)
        ended += reader.at_eof() or reader.exception() is not None
    assert ended >= 750
    assert len(quiet.simulator._runner.server.connections) <= 100 + 128
    reader, writer = held[0]
    writer.write(b"GET /trade-api/v2/exchange/status HTTP/1.1\r\nHost: test\r\n\r\n")
    assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200"), "who was there works on"
    for _, writer in held:
        writer.close()
    await asyncio.gather(*(writer.wait_closed() for _, writer in held), return_exceptions=True)
    async with asyncio.timeout(5):
        while len(quiet.simulator._runner.server.connections) > 10:
            await asyncio.sleep(0.01)
    async with aiohttp.ClientSession() as http, http.get(f"{quiet.simulator.rest_url}/markets") as response:
        assert response.status == 200
