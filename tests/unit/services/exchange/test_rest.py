import json

import pytest

from services.exchange.budget import TIERS, Budget
from services.exchange.errors import (
    AuthenticationError,
    DecodeError,
    NotFound,
    OutcomeUnknown,
    PermanentError,
    TemporaryError,
)
from services.exchange.models import CreateOrder, OrderRef
from services.exchange.rest import ExchangeRest, WitnessRest
from trading_logic.refusal import Refusal

ORDER = CreateOrder(
    ticker="KX-A",
    client_order_id="c-1",
    side="bid",
    price=4200,
    count=1050,
    time_in_force="immediate_or_cancel",
    order_group_id="g-1",
    reduce_only=True,
    expiration_ms=1_781_159_348_999,
)
# The recorded answer to a filled IOC.
FILLED = {
    "average_fee_paid": "0.0175",
    "average_fill_price": "0.5200",
    "client_order_id": "c-1",
    "fill_count": "1.00",
    "order_id": "o-1",
    "remaining_count": "0.00",
    "ts_ms": 1781159370164,
}
WIRE_ORDER = {
    "order_id": "o",
    "user_id": "u",
    "client_order_id": "",
    "ticker": "T",
    "outcome_side": "yes",
    "book_side": "bid",
    "type": "limit",
    "status": "resting",
    "yes_price_dollars": "0.0100",
    "no_price_dollars": "0.9900",
    "fill_count_fp": "0.00",
    "remaining_count_fp": "1.00",
    "initial_count_fp": "1.00",
    "taker_fill_cost_dollars": "0.000000",
    "maker_fill_cost_dollars": "0.000000",
    "taker_fees_dollars": "0.000000",
    "maker_fees_dollars": "0.017500",
}
BALANCE = {"balance": 9801, "balance_dollars": "98.0186", "portfolio_value": 198, "updated_ts": 1781159348}


async def test_create_sends_strings_and_reads_integers(rest, venue) -> None:
    venue.then((201, FILLED))
    ack = await rest.create_order(ORDER)
    (seen,) = venue.seen
    assert (seen.method, seen.path) == ("POST", "/trade-api/v2/portfolio/events/orders")
    assert json.loads(seen.body) == {
        "ticker": "KX-A",
        "client_order_id": "c-1",
        "side": "bid",
        "count": "10.50",
        "price": "0.4200",
        "time_in_force": "immediate_or_cancel",
        "self_trade_prevention_type": "taker_at_cross",
        "subaccount": 0,
        "order_group_id": "g-1",
        "expiration_time": 1781159348,
        "reduce_only": True,
    }
    assert seen.headers["content-type"] == "application/json"
    assert "kalshi-access-signature" in seen.headers
    assert (ack.order_id, ack.fill_count, ack.remaining_count) == ("o-1", 100, 0)
    assert (ack.average_fill_price, ack.average_fee, ack.ts_ms) == (5200, 17500, 1781159370164)
    assert type(ack.fill_count) is int


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("hang", "no answer in 0.3 s"),
        ("reset", "Error"),
        ((500, {"error": {"code": "internal", "message": "m"}}), "answered 500"),
        ((503, b""), "answered 503"),
        ((408, b""), "408"),
        ((201, {}), "order_id: missing"),
        ((200, b""), "without a complete order"),
        ((201, {**FILLED, "fill_count": 1}), "fill_count: expected a string, got 1"),
        ((201, b"not json"), "without a complete order"),
    ],
)
async def test_create_sends_once_and_says_when_it_does_not_know(rest, venue, answer, said) -> None:
    await _unknown(rest, venue, answer, said)


async def _unknown(rest, venue, answer, said) -> None:
    venue.then(answer)
    with pytest.raises(OutcomeUnknown, match=said) as caught:
        await rest.create_order(ORDER)
    assert caught.value.client_order_id == "c-1"
    assert len(venue.seen) == 1


WHOLE = json.dumps(FILLED).encode()
PAGE = b"<html><body>Please try again</body></html>"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((200, PAGE), "without a complete order"),
        ((201, WHOLE[:-20]), "without a complete order"),
        ((201, WHOLE + b"}"), "without a complete order"),
        ((201, b"\x00\xff\xfe"), "without a complete order"),
        ((201, b"null"), "without a complete order"),
        ((201, b"[]"), "without a complete order"),
        ((201, b'{"x":' * 2000), "without a complete order: .*nested too deep"),
        ((201, {name: value for name, value in FILLED.items() if name != "order_id"}), "order_id: missing"),
        ((201, {**FILLED, "order_id": ""}), "order_id: empty"),
        ((201, {**FILLED, "order_id": None}), "order_id"),
        ((201, {**FILLED, "client_order_id": "c-2"}), "client_order_id: of another order: c-2"),
        ((201, {**FILLED, "fill_count": "10.51"}), r"fill_count: 10\.51 filled and 0\.00 open of 10\.50"),
        ((201, {**FILLED, "fill_count": "-1.00"}), "fill_count"),
        ((201, {**FILLED, "remaining_count": "NaN"}), "remaining_count"),
        ((204, b""), "without a complete order"),
    ],
)
async def test_a_2xx_that_says_too_little_is_no_order(rest, venue, answer, said) -> None:
    await _unknown(rest, venue, answer, said)


def _raw(*head: str, body: bytes = WHOLE) -> bytes:
    return "\r\n".join(("HTTP/1.1 201 Created", *head, "", "")).encode() + body


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (_raw("content-type: text/html", f"content-length: {len(WHOLE)}"), "as text/html"),
        (_raw("content-type: text/plain; charset=utf-16", f"content-length: {len(WHOLE)}"), "as text/plain"),
        (_raw("content-type: application/json", f"content-length: {len(WHOLE)}", body=WHOLE[:9]), "Payload"),
        (_raw("content-type: application/json", "transfer-encoding: chunked", body=b"9\r\n" + WHOLE[:9]), "Payload"),
        (_raw("content-type: application/json", "transfer-encoding: chunked", body=b"zz\r\n" + WHOLE), "Error"),
        (_raw("content-type: application/json", "content-encoding: gzip", f"content-length: {len(WHOLE)}"), "Error"),
        (_raw("content-type: application/json", "content-length: many"), "Error"),
        (b"HTTP/1.1 201 Created\r\ncontent-ty", "Error"),
        (b"HTTP/1.1 2o1 Created\r\n\r\n", "Error"),
        (b"\x16\x03\x01\x02\x00" * 9, "Error"),
        (b"", "Error"),
    ],
)
async def test_an_answer_that_is_no_http_or_ends_in_the_middle_is_no_order(rest, venue, answer, said) -> None:
    await _unknown(rest, venue, answer, said)


@pytest.mark.parametrize("status", [302, 403, 404, 409])
@pytest.mark.parametrize("body", [b"", PAGE, b"\xff", b"{", b"{}", b'"no"', b'{"error":{}}'])
async def test_a_refusal_not_in_the_exchanges_words_proves_nothing(rest, venue, status, body) -> None:
    """Something in between said it; the order may be behind it."""
    await _unknown(rest, venue, (status, body), f"answered {status} in words that are not the exchange's")


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (400, {"error": {"code": "insufficient_balance", "message": "x"}}, PermanentError, "insufficient_balance"),
        (
            409,
            {"error": {"code": "order_already_exists", "message": "x"}},
            PermanentError,
            "order_already_exists",
        ),
        (400, {"code": "bad_request", "message": "x", "details": "json: no"}, PermanentError, "bad_request"),
        (400, {"msg": "Parameter validation failed"}, PermanentError, "no_code"),
    ],
)
async def test_create_refused_is_permanent_and_sent_once(rest, venue, status, body, kind, code) -> None:
    venue.then((status, body))
    with pytest.raises(kind) as caught:
        await rest.create_order(ORDER)
    assert (caught.value.status, caught.value.code) == (status, code)
    assert len(venue.seen) == 1


async def test_create_over_the_rate_limit_or_without_connection_proves_nothing_was_created(
    rest, venue, signer, clock
) -> None:
    venue.then((429, {"error": "too many requests"}))
    with pytest.raises(TemporaryError, match="too many requests") as limited:
        await rest.create_order(ORDER)
    assert limited.value.no == Refusal("rateLimit", "429", "2xx")
    assert len(venue.seen) == 1
    async with ExchangeRest("http://127.0.0.1:1/trade-api/v2", signer, Budget(TIERS["basic"], clock), clock) as gone:
        with pytest.raises(TemporaryError, match=r"cannot reach 127\.0\.0\.1:1") as away:
            await gone.create_order(ORDER)
    assert away.value.no is not None
    assert (away.value.no.rule, away.value.no.limit) == ("connection", "127.0.0.1:1 answers")


async def test_an_order_whose_time_is_over_is_not_sent(rest, venue) -> None:
    left = iter([1.0, 0.0])
    with pytest.raises(TemporaryError, match="nothing was sent") as late:
        await rest.create_order(ORDER, time_left=lambda: next(left))
    assert late.value.no == Refusal("timeLeft", "0.000 s", "> 0")
    assert venue.seen == []


async def test_create_does_not_wait_long_for_budget(venue, signer, clock) -> None:
    budget = Budget(TIERS["basic"], clock)
    for _ in range(8):
        await budget.acquire("write")
    for _ in range(8):
        budget.rejected("write")
    venue.then((201, FILLED))
    async with ExchangeRest(venue.url, signer, budget, clock) as client:
        with pytest.raises(TemporaryError, match="rate budget"):
            await client.create_order(ORDER, max_wait_s=0.01)
    assert venue.seen == []


@pytest.mark.parametrize("answer", [(503, b""), (429, {"error": "too many requests"}), "reset", "hang"])
async def test_reads_are_tried_three_times(rest, venue, clock, answer) -> None:
    venue.then(answer, answer, (200, BALANCE))
    balance = await rest.balance()
    assert (balance.balance, balance.portfolio_value, balance.updated) == (98_018_600, 1_980_000, 1781159348000)
    assert len(venue.seen) == 3
    assert 0.1 in clock.slept
    assert 0.4 in clock.slept
    venue.seen.clear()
    venue.then(answer)
    with pytest.raises(TemporaryError):
        await rest.balance()
    assert len(venue.seen) == 3


async def test_refusals_are_not_tried_again(rest, venue) -> None:
    venue.then((404, {"error": {"code": "not_found", "message": "not found"}}))
    with pytest.raises(NotFound, match=r"GET /portfolio/orders/o%2F1: 404 not_found: not found"):
        await rest.order("o/1")
    assert len(venue.seen) == 1


@pytest.mark.parametrize("body", [b"", PAGE, b"404 page not found", b"{}"])
async def test_a_404_of_something_in_between_does_not_say_that_a_thing_is_gone(rest, venue, body) -> None:
    """A halt takes a group that is gone for fenced, and a cancelled order for cancelled."""
    venue.then((404, body))
    for call in (
        rest.trigger_order_group("g"),
        rest.delete_order_group("g"),
        rest.cancel_order("o", "T"),
        rest.order("o"),
    ):
        with pytest.raises(PermanentError, match="404") as caught:
            await call
        assert not isinstance(caught.value, NotFound)


async def test_a_401_says_what_to_check(rest, venue) -> None:
    body = {
        "error": {
            "code": "authentication_error",
            "message": "authentication_error",
            "details": "INCORRECT_API_KEY_SIGNATURE",
        }
    }
    venue.then((401, body))
    with pytest.raises(AuthenticationError) as caught:
        await rest.balance()
    for part in ("INCORRECT_API_KEY_SIGNATURE", "key id", "private key", "clock", "127.0.0.1"):
        assert part in str(caught.value)


async def test_pages_are_followed_to_the_end(rest, venue) -> None:
    venue.then(
        (200, {"orders": [WIRE_ORDER], "cursor": "next"}),
        (200, {"orders": [{**WIRE_ORDER, "order_id": "p", "new_field": 1}], "cursor": ""}),
    )
    orders = await rest.orders(status="resting", ticker="T")
    assert [order.order_id for order in orders] == ["o", "p"]
    assert (orders[0].yes_price, orders[0].remaining_count, orders[0].maker_fees) == (100, 100, 17500)
    assert "status=resting&ticker=T" in venue.seen[0].path
    assert "cursor=next" in venue.seen[1].path


async def test_a_cursor_that_stays_is_an_error(rest, venue) -> None:
    venue.then((200, {"orders": [], "cursor": "same"}))
    with pytest.raises(DecodeError, match="the same cursor twice"):
        await rest.orders()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"remaining_count_fp": None}, r"orders\[1\]\.remaining_count_fp: "),
        ({"remaining_count_fp": 1}, r"orders\[1\]\.remaining_count_fp: expected a string, got 1"),
        ({"yes_price_dollars": "0.42000"}, r"orders\[1\]\.yes_price_dollars: "),
        ({"status": "lost"}, r"orders\[1\]\.status: Invalid enum value 'lost'"),
        ({"created_time": "yesterday"}, r"orders\[1\]\.created_time: .yesterday. is not an RFC 3339 time"),
        ({"created_time": "2026-06-11T06:29:30"}, r"orders\[1\]\.created_time: .*no offset"),
    ],
)
async def test_a_malformed_field_is_named(rest, venue, change, said) -> None:
    venue.then((200, {"orders": [WIRE_ORDER, {**WIRE_ORDER, **change}], "cursor": ""}))
    with pytest.raises(DecodeError, match="^GET /portfolio/orders: " + said):
        await rest.orders()


async def test_a_missing_field_is_named(rest, venue) -> None:
    order = dict(WIRE_ORDER)
    del order["remaining_count_fp"]
    venue.then((200, {"orders": [order], "cursor": ""}))
    with pytest.raises(DecodeError, match=r"^GET /portfolio/orders: orders\[0\]\.remaining_count_fp: missing$"):
        await rest.orders()


async def test_batch_cancel_answers_for_every_order(rest, venue) -> None:
    answers = [
        {"order_id": "a", "reduced_by": "1.00"},
        {"order_id": "b", "reduced_by": "0.00", "error": {"code": "not_found"}},
    ]
    venue.then((200, {"orders": answers}))
    items = await rest.batch_cancel([OrderRef("a", "T"), OrderRef("b", "T")])
    assert [(item.reduced_by, item.error and item.error.code) for item in items] == [
        (100, None),
        (0, "not_found"),
    ]
    (seen,) = venue.seen
    assert (seen.method, seen.path) == ("DELETE", "/trade-api/v2/portfolio/events/orders/batched")
    assert json.loads(seen.body)["orders"][1] == {"order_id": "b", "market_ticker": "T", "subaccount": 0}
    venue.then((200, {"orders": answers[:1]}))
    with pytest.raises(DecodeError, match="no answer for b"):
        await rest.batch_cancel([OrderRef("a", "T"), OrderRef("b", "T")])


async def test_batch_cancel_is_split_to_fit_the_budget(venue, signer, clock) -> None:
    orders = [OrderRef(f"o{i}", "T") for i in range(45)]
    venue.then(
        (200, {"orders": [{"order_id": ref.order_id, "reduced_by": "1.00"} for ref in orders[:40]]}),
        (200, {"orders": [{"order_id": ref.order_id, "reduced_by": "1.00"} for ref in orders[40:]]}),
    )
    async with WitnessRest(venue.url, signer, Budget(TIERS["basic"], clock), clock) as witness:
        assert len(await witness.batch_cancel(orders)) == 45
    assert [len(json.loads(seen.body)["orders"]) for seen in venue.seen] == [40, 5]


async def test_cancel_and_trigger_are_retried_and_routed_by_market(rest, venue) -> None:
    venue.then((503, b""), (200, {"order_id": "o", "reduced_by": "1.00", "ts_ms": 5}))
    assert (await rest.cancel_order("o", "KX-A")).reduced_by == 100
    assert venue.seen[-1].path.endswith("/portfolio/events/orders/o?market_ticker=KX-A&subaccount=0")
    venue.then((503, b""), (200, {}))
    await rest.trigger_order_group("g")
    assert (venue.seen[-1].method, venue.seen[-1].path) == (
        "PUT",
        "/trade-api/v2/portfolio/order_groups/g/trigger?subaccount=0",
    )


def test_the_witness_cannot_place_an_order() -> None:
    verbs = {name for name in vars(WitnessRest) if not name.startswith("_")}
    assert verbs == {"trigger_order_group", "cancel_order", "batch_cancel"}
    assert not hasattr(WitnessRest, "create_order")


async def test_public_reads_need_no_key_and_repeat_list_parameters(venue, clock) -> None:
    venue.then((200, {"live_datas": [{"type": "football_game", "details": {"clock": "02:31"}, "milestone_id": "m"}]}))
    async with WitnessRest(venue.url, None, Budget(TIERS["basic"], clock), clock) as client:
        (data,) = await client.live_data_batch(["m", "n"])
    assert data.details == {"clock": "02:31"}
    assert venue.seen[0].path.endswith("/live_data/batch?milestone_ids=m&milestone_ids=n")
    assert "kalshi-access-key" not in venue.seen[0].headers


def test_a_base_url_that_is_none_is_refused(clock) -> None:
    with pytest.raises(ValueError, match="exchange base URL"):
        WitnessRest("localhost:80", None, Budget(TIERS["basic"], clock), clock)
