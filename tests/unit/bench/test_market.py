"""The bench's plan of frames: what it measures is only true when the plan is."""

from __future__ import annotations

import json
from collections import defaultdict
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.market import (
    BEST,
    EDGE_LIFE_S,
    LEVELS,
    MARKETS,
    SIDES,
    Books,
    Change,
    Flow,
    delta_text,
    edges,
    snapshot_msg,
    text_frame,
)
from services.exchange.frame_codec import decode_frame
from services.exchange.frames import DeltaFrame, SnapshotFrame
from trading_logic.book import OrderBook


@given(seed=st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_a_flood_is_what_the_product_s_own_book_makes_of_it(seed: int) -> None:
    truth = Books()
    mirror = {market: OrderBook(market) for market in MARKETS}
    for market, ladders in truth.ladders.items():
        mirror[market].apply_snapshot(ladders["yes"].items(), ladders["no"].items())
    changes = list(Flow(truth, seed).flood(500))
    for change in changes:
        mirror[change.market].apply_delta(change.side, change.price, change.delta)
    assert len(changes) == 500
    assert {change.market for change in changes[-len(MARKETS) :]} == set(MARKETS)
    assert all(change.price == BEST for change in changes[-len(MARKETS) :])
    for market in MARKETS:
        for side in SIDES:
            assert dict(mirror[market].levels(side)) == truth.ladders[market][side]
        assert mirror[market].status == "valid"


def test_an_edge_s_key_is_unique_for_longer_than_an_order_may_take() -> None:
    last: dict[object, float] = {}
    count = 0
    for at_s, key, _ in edges(30.0, Random(1)):
        assert at_s - last.get(key, -10.0) > 1.0 + EDGE_LIFE_S
        last[key] = at_s
        count += 1
    assert count >= 4 * 29


def test_every_edge_appears_and_vanishes_and_nothing_else_moves_its_market_s_top_meanwhile() -> None:
    frames, rate = 6_000, 1_000
    truth = Books()
    plan = Flow(truth, 3).ticks(frames, rate)
    assert len(plan) == frames
    standing: dict[str, int] = {}
    seen: dict[str, int] = defaultdict(int)
    for index, planned in enumerate(plan):
        change = planned.change
        if planned.key is not None:
            standing[change.market] = index
            seen[change.market] += 1
        elif change.market in standing and change.price > BEST:
            assert index - standing.pop(change.market) == pytest.approx(EDGE_LIFE_S * rate, abs=20)
        elif change.market in standing:
            assert change.price < BEST
    assert not standing
    assert set(seen) == set(MARKETS)
    assert all(len(ladder) == LEVELS for sides in truth.ladders.values() for ladder in sides.values())


def test_a_frame_is_one_that_the_product_decodes() -> None:
    change = Change(MARKETS[1], "no", 5_700, -5_000)
    frame = decode_frame(delta_text(3, 17, change), "s", 5)
    assert isinstance(frame, DeltaFrame)
    assert (frame.sid, frame.seq, frame.market, frame.side, frame.price, frame.delta) == (3, 17, *change)
    snapshot = {"type": "orderbook_snapshot", "sid": 1, "seq": 1, "msg": snapshot_msg(Books(), MARKETS[0])}
    decoded = decode_frame(json.dumps(snapshot).encode(), "s", 5)
    assert isinstance(decoded, SnapshotFrame)
    assert dict(decoded.yes) == Books().ladders[MARKETS[0]]["yes"]


@pytest.mark.parametrize(("size", "head"), [(5, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)])
def test_a_websocket_frame_says_its_length(size: int, head: int) -> None:
    frame = text_frame(b"x" * size)
    assert frame[0] == 0x81
    assert len(frame) == head + size
    said = frame[1] if head == 2 else int.from_bytes(frame[2:head], "big")
    assert said == size


def test_peeling_ends_with_empty_books() -> None:
    books = Books()
    flow = Flow(books, 1)
    for side in SIDES:
        for _ in range(LEVELS):
            assert len(flow.peel(side)) == len(MARKETS)
    assert books.top(MARKETS[0]) == [0, 0, 10_000, 0]
    assert flow.peel("yes") == []


def test_a_level_below_zero_is_a_fault_of_the_plan() -> None:
    with pytest.raises(ValueError, match="would hold -100"):
        Books().apply(Change(MARKETS[0], "yes", 100, -100))
