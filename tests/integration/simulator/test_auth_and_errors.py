"""Signatures, limits and error bodies, byte by byte as recorded."""

import pytest

BALANCE = "/portfolio/balance"
SIGNED = "/trade-api/v2/portfolio/balance"


async def test_a_good_signature(quiet):
    answer = await quiet.one.call("GET", BALANCE)
    assert answer.status == 200
    assert answer.body["balance"] == 100_000
    assert answer.body["balance_dollars"] == "1000.0000"


@pytest.mark.parametrize("skew", [-5_000, 5_000])
async def test_small_skew_is_accepted(quiet, skew):
    headers = quiet.one.headers("GET", SIGNED, quiet.clock.now + skew)
    assert (await quiet.one.call("GET", BALANCE, headers=headers)).status == 200


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (
            lambda h: h | {"KALSHI-ACCESS-SIGNATURE": "AAAA" + h["KALSHI-ACCESS-SIGNATURE"][4:]},
            {
                "code": "authentication_error",
                "message": "authentication_error",
                "details": "INCORRECT_API_KEY_SIGNATURE",
            },
        ),
        (
            lambda h: h | {"KALSHI-ACCESS-SIGNATURE": "not base64"},
            {
                "code": "authentication_error",
                "message": "authentication_error",
                "details": "INCORRECT_API_KEY_SIGNATURE",
            },
        ),
        (
            lambda h: h | {"KALSHI-ACCESS-KEY": "unknown"},
            {"code": "authentication_error", "message": "authentication_error", "details": "NOT_FOUND"},
        ),
        (
            lambda h: {k: v for k, v in h.items() if "SIGNATURE" not in k},
            {"code": "signature_is_missing_from_headers", "message": "signature is missing from headers"},
        ),
        (
            lambda h: h | {"KALSHI-ACCESS-TIMESTAMP": "soon"},
            {"code": "header_timestamp_expired", "message": "header timestamp expired"},
        ),
    ],
)
async def test_bad_signatures(quiet, spoil, expected):
    answer = await quiet.one.call("GET", BALANCE, headers=spoil(quiet.one.headers("GET", SIGNED)))
    assert (answer.status, answer.body) == (401, {"error": expected})


@pytest.mark.parametrize("skew", [-30_000, 30_000])
async def test_stale_timestamp(quiet, skew):
    headers = quiet.one.headers("GET", SIGNED, quiet.clock.now + skew)
    answer = await quiet.one.call("GET", BALANCE, headers=headers)
    assert (answer.status, answer.body) == (
        401,
        {"error": {"code": "header_timestamp_expired", "message": "header timestamp expired"}},
    )


async def test_another_method_or_path_does_not_verify(quiet):
    for headers in (quiet.one.headers("POST", SIGNED), quiet.one.headers("GET", SIGNED + "?a=1")):
        assert (await quiet.one.call("GET", BALANCE, headers=headers)).status == 401


async def test_public_calls_need_no_key_and_choke_on_none(quiet):
    assert (await quiet.call("GET", "/markets")).status == 200
    assert (
        await quiet.call("GET", "/markets", headers={"KALSHI-ACCESS-KEY": "x", "KALSHI-ACCESS-SIGNATURE": "y"})
    ).status == 200


async def test_upgrade_without_a_signature_is_401(quiet):
    async with quiet.http.get(f"http://127.0.0.1:{quiet.simulator.port}/trade-api/ws/v2") as response:
        assert response.status == 401
        assert (await response.json())["error"]["code"] == "signature_is_missing_from_headers"


async def test_what_is_not_served_says_so(quiet):
    answer = await quiet.call("GET", "/portfolio/summary")
    assert answer.status == 404
    assert answer.body["error"]["details"] == "GET /trade-api/v2/portfolio/summary is not served by this simulator"
    assert (await quiet.call("PATCH", "/markets")).status == 405


@pytest.mark.parametrize(
    ("body", "details"),
    [
        (
            b'{"ticker":"T","side":"bid","count":1}',
            "json: cannot unmarshal number into Go struct field CreateOrderV2Request.count of type string",
        ),
        (
            b'{"ticker":"T"}',
            "Key: 'CreateOrderV2Request.Side' Error:Field validation for 'Side' failed on the 'required' tag",
        ),
        (b'{"ticker":', None),
        (b"\xff\xfe", None),
        (b"[]", None),
    ],
)
async def test_bodies_that_do_not_decode(quiet, body, details):
    answer = await quiet.one.call("POST", "/portfolio/events/orders", body)
    assert answer.status == 400
    assert (answer.body["code"], answer.body["message"]) == ("bad_request", "bad request")
    assert details is None or answer.body["details"] == details


async def test_there_are_no_subaccounts(quiet):
    assert (await quiet.one.call("GET", f"{BALANCE}?subaccount=0")).status == 200
    answer = await quiet.one.call("GET", f"{BALANCE}?subaccount=3")
    assert (answer.status, answer.body["error"]["code"]) == (403, "forbidden")


async def test_giant_body(quiet):
    answer = await quiet.one.call("POST", "/portfolio/events/orders", b" " * (1024 * 1024 + 1))
    assert answer.status == 413


@pytest.mark.parametrize(
    ("path", "tag"),
    [
        ("/markets?limit=1001", "'Limit' failed on the 'lte' tag"),
        ("/markets?limit=x", "'Limit' failed on the 'number' tag"),
        ("/events?limit=0", "'Limit' failed on the 'gte' tag"),
        ("/milestones", "'Limit' failed on the 'required' tag"),
        ("/markets?status=odd", "'Status' failed on the 'oneof' tag"),
    ],
)
async def test_query_validation(quiet, path, tag):
    answer = await quiet.call("GET", path)
    assert answer.status == 400
    assert list(answer.body) == ["msg"]
    assert tag in answer.body["msg"]


async def test_garbage_cursor_is_the_first_page(quiet):
    assert len((await quiet.call("GET", "/markets?cursor=%21%21garbage")).body["markets"]) == 2


async def test_write_budget_of_the_basic_tier(launch):
    running = await launch(tier="basic")
    answers = [
        await running.one.call("POST", "/portfolio/order_groups/create", {"contracts_limit": 1}) for _ in range(14)
    ]
    assert [answer.status for answer in answers[:10]] == [201] * 10
    limited = [answer for answer in answers if answer.status == 429]
    assert limited
    assert limited[0].body == {"error": "too many requests"}
    assert (await running.two.call("POST", "/portfolio/order_groups/create", {"contracts_limit": 1})).status == 201
    limits = (await running.one.call("GET", "/account/limits")).body
    assert limits == {
        "usage_tier": "basic",
        "read": {"refill_rate": 200, "bucket_capacity": 600},
        "write": {"refill_rate": 100, "bucket_capacity": 100},
        "grants": [],
    }


async def test_a_batch_must_fit_the_bucket_whole(launch):
    running = await launch(tier="basic")
    item = {
        "ticker": "X",
        "side": "bid",
        "count": "1",
        "price": "0.10",
        "time_in_force": "good_till_canceled",
        "self_trade_prevention_type": "maker",
    }
    answer = await running.one.call("POST", "/portfolio/events/orders/batched", {"orders": [item] * 11})
    assert answer.status == 429
    assert not [line for line in running.log() if line["kind"] != "world_started"]


def keys(body):
    """Every key of a JSON body, at any depth."""
    if isinstance(body, dict):
        return set(body).union(*(keys(value) for value in body.values()))
    return set().union(*(keys(value) for value in body)) if isinstance(body, list) else set()


async def test_no_public_answer_holds_a_probability(launch):
    running = await launch()
    running.pass_time(60)
    milestone = (await running.call("GET", "/milestones?limit=1")).body["milestones"][0]["id"]
    seen = set()
    for path in (
        "/events?with_nested_markets=true&with_milestones=true",
        "/markets",
        "/milestones?limit=10",
        "/series",
        f"/live_data/milestone/{milestone}",
    ):
        seen |= keys((await running.call("GET", path)).body)
    assert "home_points" in seen
    assert not {name for name in seen if any(part in name for part in ("wp", "prob", "chance", "odds", "spread_line"))}
