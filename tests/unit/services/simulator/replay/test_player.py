"""A recording played: to the stream as it was, to the book, and to the end of its markets."""

import json

import pytest

from services.simulator.engine.events import MarketChanged
from services.simulator.engine.model import DOLLAR
from tests.unit.services.simulator.replay.recording import MARKET_A, MARKET_B, A, B, frames, write

ALL = sorted(MARKET_A + MARKET_B, key=lambda frame: (frame["sid"], frame["seq"]))


def by_channel(found):
    return sorted(found, key=lambda frame: (frame["sid"], frame["seq"]))


def test_who_has_all_from_the_start_gets_the_recording_itself(stage):
    running = stage()
    connection = running.connect("orderbook_delta", "trade")
    running.at(-0.5)
    assert connection.take() == []
    running.at(60)
    lines = connection.take()
    assert lines[0] == json.dumps(MARKET_A[0]).encode() + b"\n", "byte for byte"
    found = by_channel(json.loads(line) for line in lines)
    replies = [frame for frame in found if frame["type"] == "ok"]
    assert [(frame["sid"], frame["seq"], frame["msg"]) for frame in replies] == [
        (1, 5, {"market_tickers": [A, B]}),
        (2, 2, {"market_tickers": [A, B]}),
    ]
    assert [frame for frame in found if frame["type"] != "ok"] == ALL
    assert [frame["seq"] for frame in found if frame["sid"] == 1] == list(range(1, 11))


def test_raw_gaps_leaves_them(stage):
    running = stage(raw_gaps=True)
    connection = running.connect("orderbook_delta", "trade")
    running.at(60)
    assert by_channel(frames(connection)) == ALL


def test_part_of_it_is_numbered_anew(stage):
    running = stage()
    connection = running.connect("orderbook_delta", markets=(B,))
    running.at(60)
    found = frames(connection)
    assert [frame["seq"] for frame in found] == [1, 2, 3]
    assert [frame["msg"] for frame in found] == [frame["msg"] for frame in MARKET_B]


def test_who_comes_late_begins_with_the_book_as_it_is(stage):
    running = stage()
    running.at(1.5)
    connection = running.connect("orderbook_delta")
    first = frames(connection)
    assert [(frame["msg"]["market_ticker"], frame["seq"]) for frame in first] == [(A, 1)]
    assert first[0]["msg"]["yes_dollars_fp"] == [
        ["0.3000", "1.00"], ["0.4000", "50.00"], ["0.4500", "10.00"], ["0.4600", "7.00"]
    ]  # fmt: skip
    running.at(60)
    later = frames(connection)
    assert [frame["seq"] for frame in later] == list(range(2, 2 + len(later)))
    assert later[0]["msg"]["delta_fp"] == "-4.00"


def test_yes_price_turns_the_recorded_no_side(stage):
    running = stage()
    connection = running.connect("orderbook_delta", use_yes_price=True)
    running.at(2.5)
    snapshot, _, up, down, *_ = frames(connection)
    assert snapshot["msg"]["no_dollars_fp"] == [["0.5000", "20.00"], ["0.5200", "5.00"]]
    assert (up["msg"]["side"], up["msg"]["price_dollars"]) == ("yes", "0.4600")
    assert (down["msg"]["side"], down["msg"]["price_dollars"]) == ("no", "0.5000")


@pytest.mark.parametrize("speed", [0.5, 7.0, 3600.0])
def test_any_speed_plays_the_same(stage, speed):
    running = stage(speed=speed)
    connection = running.connect("orderbook_delta", "trade")
    running.at(3 / speed)
    halfway = len(connection.waiting)
    assert halfway == 7
    running.at(7.001 / speed + 0.01)
    assert len(frames(connection)) == len(ALL) + 2
    assert running.replay.behind_ms(running.world.now_ms + 5_000) == 0, "it is over"


def test_how_far_it_is_behind(stage):
    running = stage()
    now = running.at(4)
    assert running.replay.behind_ms(now) == 0
    assert running.replay.behind_ms(now + 1_499) == 0
    assert running.replay.behind_ms(now + 2_000) == 500, "the next frame came 1.5 s later"


def test_paused_and_stepped_frame_by_frame(stage):
    running = stage()
    connection = running.connect("orderbook_delta", "trade")
    now = running.at(-1)
    running.world.schedule.set_pace(now, paused=True)
    assert running.at(50) > now
    assert connection.take() == []
    running.replay.step(2, running.world.now_ms)
    assert len(connection.take()) == 2
    running.world.schedule.step(running.world.now_ms, 1_000)
    assert len(connection.take()) == 1, "a step of time plays what that time holds"
    running.replay.step(1, running.world.now_ms)
    assert running.replay.position == 4
    assert running.world.schedule.next_ms() is None
    now = running.at(60)
    running.world.schedule.set_pace(now, pace=2.0, paused=False)
    running.at(60.1)
    assert running.replay.position == 6, "two more belong to the second we stand at"
    running.at(60.9)
    assert running.replay.position == 6
    running.at(61.1)
    assert running.replay.position == 7
    with pytest.raises(ValueError, match="not paused"):
        running.replay.step(1, running.world.now_ms)


def test_the_closing_snapshot_closes_and_the_index_settles(stage):
    running = stage()
    running.at(60)
    market, other = running.exchange.markets[A], running.exchange.markets[B]
    assert (market.status, market.result, market.settlement_value) == ("finalized", "no", 0)
    assert other.status == "active", "its recording ends before its market did"
    changes = [event.change for event in running.events if isinstance(event, MarketChanged) and event.market is market]
    assert changes == ["activated", "closed", "determined", "settled"]


def test_without_a_result_a_market_stays_closed(stage, tmp_path):
    running = stage(write(tmp_path / "bare", {A: MARKET_A, B: MARKET_B}))
    running.at(60)
    assert running.exchange.markets[A].status == "closed"


def test_public_figures_are_the_recordings(stage):
    running = stage()
    running.at(5.9)
    market = running.exchange.markets[A]
    assert (market.last_price, market.volume) == (4600, 1100)
    assert [(trade.price, trade.count, trade.taker_side) for trade in running.exchange.trades] == [
        (5000, 400, "bid"), (4600, 700, "ask")
    ]  # fmt: skip
    assert market.book.bids.ladder() == [(3000, 100), (4000, 5000), (4500, 1000)]
    assert market.book.asks.ladder() == [(5000, 1600), (5200, 500)]
    assert market.market_id == MARKET_A[0]["msg"]["market_id"]
    assert sum(account.cash for account in running.exchange.accounts.values()) % DOLLAR == 0
