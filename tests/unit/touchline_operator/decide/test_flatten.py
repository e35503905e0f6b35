from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from touchline_operator.decide.flatten import FRESH_MS, Scene, lines
from trading_logic.contracts.messages import BookState, CatalogEntry, MarketInfo, TopOfBook
from trading_logic.contracts.record import Cause, PositionRecord
from trading_logic.fees import FeeSchedule, model_fee

NOW = 1_000_000
HELD = PositionRecord(
    market="E-M", game="g", strategy="s", count=500, cost=2_000_000, realized=0, fees=0, mark=0, marked_ms=NOW
)
TOP = TopOfBook(
    market="E-M", status="valid", yes_bid=4_500, yes_bid_size=300, yes_ask=4_700, yes_ask_size=900, session="x", sid=1,
    seq=7, received_ms=NOW, alive_ms=NOW,
)  # fmt: skip
BOOK = BookState(
    session="x", sid=1, seq=6, market="E-M", status="valid", yes=((4_300, 100), (4_500, 250), (4_400, 50)),
    no=((5_300, 900),), stream_id="1-0", received_ms=NOW,
)  # fmt: skip
INFO = MarketInfo(market="E-M", outcome="home", title="", status="active", price_ranges=(), close_ms=0, result=None)
ENTRY = CatalogEntry(
    event="E", series="S", feed="simulator", title="", game="g", sport="football", home="", away="", home_id="",
    away_id="", start_ms=0, exchange_index=0, fee_type="quadratic", fee_multiplier_ppm=1_000_000, exchange_active=True,
    markets=(INFO,), updated_ms=0,
)  # fmt: skip
SCENE = Scene(
    positions=(HELD,),
    writers=frozenset({"s"}),
    plans={"s": frozenset({"E-M"})},
    tops={"E-M": TOP},
    books={"E-M": BOOK},
    catalog={"E-M": ENTRY},
    now_ms=NOW,
)


def but(struct, **changes):
    return msgspec.structs.replace(struct, **changes)


def test_what_the_bids_would_pay_level_by_level():
    (line,) = lines(SCENE, None)
    assert (line.market, line.side, line.count, line.bid, line.why_not) == ("E-M", "yes", 500, 4_500, "")
    # 300 at the best price (the top is fresher than the book), then 50 and 100 behind it: 50 more than is bid.
    assert line.sellable == 450
    assert line.proceeds == 300 * 4_500 + 50 * 4_400 + 100 * 4_300
    schedule = FeeSchedule("quadratic", 1_000_000)
    sold = ((4_500, 300), (4_400, 50), (4_300, 100))
    assert line.fees == sum(model_fee(schedule, price, count, is_taker=True) for price, count in sold)


def test_a_no_position_is_sold_to_those_who_bid_for_no():
    (line,) = lines(replace(SCENE, positions=(but(HELD, count=-200),)), None)
    assert (line.side, line.bid, line.sellable, line.proceeds) == ("no", 5_300, 200, 200 * 5_300)


def test_only_the_named_strategies_and_nothing_that_is_closed():
    other = but(HELD, market="E-N", strategy="other")
    scene = replace(SCENE, positions=(HELD, other, but(HELD, market="E-O", count=0)))
    assert [line.market for line in lines(scene, None)] == ["E-M", "E-N"]
    assert [line.market for line in lines(scene, ["other"])] == ["E-N"]


@pytest.mark.parametrize(
    ("changes", "expected", "never"),
    [
        (
            {"causes": (Cause("manual", "Manual", "lunch", "me", 1),)},
            "halted: while halted no order can be sent",
            False,
        ),
        ({"positions": (but(HELD, strategy=""),)}, "no strategy of ours opened it: sell it at the exchange", True),
        ({"plans": {}}, "s has no exit plan for it: sell it at the exchange", True),
        ({"writers": frozenset()}, "no executor of s runs, so nobody can sell", False),
        ({"tops": {}}, "its book is not known", False),
        ({"tops": {"E-M": but(TOP, status="gap")}}, "its book is gap", False),
        ({"now_ms": NOW + FRESH_MS + 3_000}, "its feed was last heard from 5 s ago", False),
        ({"tops": {"E-M": but(TOP, yes_bid_size=0)}}, "nobody bids for YES", False),
    ],
)
def test_what_cannot_be_sold_says_why(changes, expected, never):
    (line,) = lines(replace(SCENE, **changes), None)
    assert (line.why_not, line.never) == (expected, never)


def test_without_a_catalog_fees_are_unknown_not_zero():
    (line,) = lines(replace(SCENE, catalog={}), None)
    assert line.fees is None
