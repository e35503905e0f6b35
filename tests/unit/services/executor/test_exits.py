from __future__ import annotations

import msgspec
import pytest

from services.executor.exits import FRESH_MS, Leave, exit_intent, leave
from trading_logic.contracts.messages import TopOfBook
from trading_logic.contracts.record import ExitPlanRecord, PositionRecord

NOW = 1_000_000
HELD = PositionRecord(
    market="E-M", game="g", strategy="s", count=500, cost=2_000_000, realized=0, fees=0, mark=0, marked_ms=NOW
)
PLAN = ExitPlanRecord(
    intent="i", event="E", game="g", exchange_index=0, side="yes", stop_price=3_000, take_price=6_000, flatten_at_ms=0
)
TOP = TopOfBook(
    market="E-M", status="valid", yes_bid=4_500, yes_bid_size=300, yes_ask=4_700, yes_ask_size=900, session="x", sid=1,
    seq=7, received_ms=NOW, alive_ms=NOW,
)  # fmt: skip


def but(struct, **changes):
    return msgspec.structs.replace(struct, **changes)


@pytest.mark.parametrize(
    ("top", "expected"),
    [
        ({}, None),
        ({"yes_bid": 3_000}, Leave("stopLoss", "yes", 3_000, 300)),
        ({"yes_bid": 6_000}, Leave("takeProfit", "yes", 6_000, 300)),
        ({"yes_bid": 3_000, "yes_bid_size": 900}, Leave("stopLoss", "yes", 3_000, 500)),
        ({"yes_bid": 3_000, "yes_bid_size": 0}, None),
        ({"yes_bid": 3_000, "status": "gap"}, None),
        ({"yes_bid": 3_000, "alive_ms": NOW - FRESH_MS - 1}, None),
    ],
)
def test_the_plan_sells_into_a_good_book_only(top, expected):
    assert leave(HELD, PLAN, but(TOP, **top), NOW) == expected


def test_the_time_to_flatten_sells_at_any_bid():
    timed = but(PLAN, flatten_at_ms=NOW)
    assert leave(HELD, timed, TOP, NOW - 1) is None
    assert leave(HELD, timed, TOP, NOW) == Leave("flattenBeforeCloseSeconds", "yes", 4_500, 300)


def test_people_who_want_it_flat_need_no_reason_but_a_book():
    assert leave(HELD, PLAN, TOP, NOW, flatten=True) == Leave("flatten", "yes", 4_500, 300)
    assert leave(HELD, PLAN, but(TOP, yes_bid_size=0), NOW, flatten=True) is None
    assert leave(HELD, PLAN, but(TOP, alive_ms=NOW - FRESH_MS - 1), NOW, flatten=True) is None
    assert leave(but(HELD, count=0), PLAN, TOP, NOW, flatten=True) is None


def test_a_position_that_was_turned_is_left_alone_until_people_say_so():
    turned = but(HELD, count=-200)
    assert leave(turned, PLAN, but(TOP, yes_bid=3_000), NOW) is None
    found = leave(turned, PLAN, TOP, NOW, flatten=True)
    assert found == Leave("flatten", "no", 5_300, 200)
    intent = exit_intent("s", "uid", "house", PLAN, TOP, found, NOW)
    assert (intent.kind, intent.side, intent.price, intent.count) == ("exit", "no", 5_300, 200)


def test_one_book_is_answered_once():
    found = leave(HELD, PLAN, TOP, NOW, flatten=True)
    first, again = (exit_intent("s", "uid", "house", PLAN, TOP, found, now) for now in (NOW, NOW + 500))
    assert first.id == again.id
    assert exit_intent("s", "uid", "house", PLAN, but(TOP, seq=8), found, NOW).id != first.id
