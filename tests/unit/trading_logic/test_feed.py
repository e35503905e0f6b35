from __future__ import annotations

from trading_logic.contracts.messages import BookDelta, BookSnapshot, FeedState, TradePrint
from trading_logic.feed import EventFeed, MarketFeed

SNAP = BookSnapshot("s1", 1, 1, "m", ((4_000, 300), (4_100, 200)), ((5_500, 100),), 10)


def feed() -> EventFeed:
    found = EventFeed(["m", "n"])
    assert found.apply(SNAP) == ("m",)
    return found


def test_a_top_of_both_sides():
    top = feed().markets["m"].top(25)
    assert (top.status, top.yes_bid, top.yes_bid_size, top.yes_ask, top.yes_ask_size) == (
        "valid",
        4_100,
        200,
        4_500,
        100,
    )
    assert (top.session, top.sid, top.seq, top.received_ms, top.alive_ms) == ("s1", 1, 1, 10, 25)


def test_an_empty_side_costs_everything_and_has_no_size():
    top = MarketFeed("m").top(0)
    assert (top.status, top.yes_bid, top.yes_bid_size, top.yes_ask, top.yes_ask_size) == ("empty", 0, 0, 10_000, 0)


def test_deltas_move_the_book_and_the_frame_number():
    found = feed()
    assert found.apply(BookDelta("s1", 1, 2, "m", "yes", 4_200, 50, 11)) == ("m",)
    top = found.markets["m"].top(0)
    assert (top.yes_bid, top.yes_bid_size, top.seq, top.received_ms, top.alive_ms) == (4_200, 50, 2, 11, 11)


def test_a_delta_of_another_session_waits_for_its_snapshot():
    found = feed()
    found.apply(BookDelta("s2", 1, 5, "m", "yes", 4_200, 50, 11))
    assert found.markets["m"].book.status == "gap"
    found.apply(BookSnapshot("s2", 1, 6, "m", ((4_300, 1),), (), 12))
    assert found.markets["m"].top(0).yes_bid == 4_300


def test_a_gap_drops_the_levels_and_an_outage_keeps_them():
    found = feed()
    assert found.apply(FeedState("s1", ("m", "other"), "down", "cut", 20)) == ("m",)
    assert (found.markets["m"].book.status, found.markets["m"].top(0).yes_bid) == ("stale", 4_100)
    found.apply(FeedState("s1", ("m",), "gap", "lost", 21))
    assert (found.markets["m"].book.status, found.markets["m"].top(0).yes_bid) == ("gap", 0)
    found.apply(SNAP)
    assert found.markets["m"].book.status == "valid"


def test_trades_and_strangers_change_nothing():
    found = feed()
    assert found.apply(TradePrint("s1", 2, 1, "m", "t", 4_500, 100, "yes", 11)) == ()
    assert found.apply(BookDelta("s1", 1, 2, "stranger", "yes", 4_200, 50, 11)) == ()


def test_a_state_restores_the_same_book():
    for change in ((), (FeedState("s1", ("m",), "gap", "lost", 21),), (FeedState("s1", ("m",), "down", "cut", 20),)):
        found = feed()
        for message in change:
            found.apply(message)
        other = MarketFeed("m")
        other.restore(found.markets["m"].state("5-0"))
        assert other.state("5-0") == found.markets["m"].state("5-0")
