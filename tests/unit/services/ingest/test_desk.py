from __future__ import annotations

from services.exchange.frames import (
    BadFrame,
    Connected,
    DeltaFrame,
    Disconnected,
    ErrorFrame,
    GapFrame,
    OkFrame,
    SnapshotFrame,
    Subscribed,
    TradeFrame,
)
from services.ingest.desk import Desk
from trading_logic.contracts.messages import BookDelta, BookSnapshot, FeedState, TradePrint
from trading_logic.feed import EventFeed

S = "s1"


def snap(market: str, seq: int) -> SnapshotFrame:
    return SnapshotFrame(S, 10, 1, seq, market, [(4_000, 300)], [(5_500, 100)])


def delta(market: str, seq: int, price: int = 4_100, count: int = 50) -> DeltaFrame:
    return DeltaFrame(S, 11, 1, seq, market, "yes", price, count, None, None)


def test_frames_become_market_data_in_their_order():
    desk = Desk(["m", "n"])
    trade = TradeFrame(S, 12, 2, None, "m", "t1", 4_500, 5_500, 700, "yes", 1)
    found = desk.take([Connected(S, 9), Subscribed(S, 9, 1, "orderbook_delta"), snap("m", 1), trade, delta("m", 2)])
    assert [type(message) for message in found] == [BookSnapshot, TradePrint, BookDelta]
    assert found[0].yes == ((4_000, 300),)
    assert (found[1].seq, found[1].count, found[1].taker) == (0, 700, "yes")
    assert (desk.frames, desk.up, desk.connections) == (4, True, 1)
    assert desk.feed.markets["m"].book.yes_bid == 4_100


def test_what_is_published_makes_the_same_books():
    desk, reader = Desk(["m", "n"]), EventFeed(["m", "n"])
    gap = GapFrame(S, 13, 1, "orderbook_delta", 4, 6, ("n",))
    for message in desk.take([snap("m", 1), snap("n", 2), delta("m", 3), gap, delta("n", 6), delta("m", 7)]):
        reader.apply(message)
    for market in ("m", "n"):
        assert reader.markets[market].state("x") == desk.feed.markets[market].state("x")
    assert reader.markets["n"].book.status == "gap"
    assert desk.gaps == 1


def test_an_outage_is_said_once():
    desk = Desk(["m"])
    desk.take([Connected(S, 9), snap("m", 1)])
    [down] = desk.take([Disconnected(S, 20, "cut"), Disconnected(S, 21, "cannot connect")])
    assert (down.state, down.markets, down.received_ms) == ("down", ("m",), 20)
    assert (desk.up, desk.down_reason) == (False, "cannot connect")
    assert desk.feed.markets["m"].book.status == "stale"


def test_a_gap_of_trades_blocks_no_book():
    desk = Desk(["m"])
    desk.take([snap("m", 1)])
    assert desk.take([GapFrame(S, 13, 2, "trade", 4, 6, ("m",))]) == []
    assert (desk.gaps, desk.feed.markets["m"].book.status) == (1, "valid")


def test_bad_frames_are_told_and_stop_nothing():
    desk = Desk(["m"])
    bad = BadFrame(S, 9, b"{", "msg.price_dollars: missing", 1, 4)
    error = ErrorFrame(S, 9, 1, None, None, 8, "Unknown channel name", None)
    found = desk.take([bad, error, OkFrame(S, 9, 1, None, None), snap("m", 1)])
    assert [type(message) for message in found] == [BookSnapshot]
    assert desk.problems == [("bad-frame", "msg.price_dollars: missing"), ("exchange-error", "8: Unknown channel name")]
    assert desk.frames == 4


def test_tops_are_conflated_and_quiet_ones_repeat_on_the_heartbeat():
    desk = Desk(["m", "n"])
    desk.take([snap("m", 1), snap("n", 2)])
    assert {top.market for top in desk.tops(50, every=False)} == {"m", "n"}
    desk.take([delta("m", 3), delta("m", 4), delta("n", 5, 3_900)])
    [top] = desk.tops(60, every=False)
    assert (top.market, top.yes_bid_size, top.seq, top.alive_ms) == ("m", 100, 4, 60)
    assert desk.tops(60, every=False) == []
    assert [top.alive_ms for top in desk.tops(70, every=True)] == [70, 70]


def test_books_are_published_when_they_changed_and_all_on_the_heartbeat():
    desk = Desk(["m", "n"])
    assert {state.market for state in desk.states("1-0", every=False)} == {"m", "n"}
    desk.take([snap("m", 1)])
    [state] = desk.states("2-0", every=False)
    assert (state.market, state.status, state.stream_id) == ("m", "valid", "2-0")
    assert desk.states("3-0", every=False) == []
    assert len(desk.states("3-0", every=True)) == 2


def test_after_a_hole_everything_is_said_again():
    desk = Desk(["m", "n", "o"])
    desk.take([Connected(S, 9), snap("m", 1), snap("n", 2), delta("m", 3)])
    desk.take([GapFrame(S, 13, 1, "orderbook_delta", 4, 6, ("n",))])
    reader = EventFeed(["m", "n", "o"])
    found = desk.snapshots(99)
    for message in found:
        reader.apply(message)
    assert reader.markets["m"].book.levels("yes") == desk.feed.markets["m"].book.levels("yes")
    assert reader.markets["m"].seq == 3
    assert [m.markets for m in found if isinstance(m, FeedState)] == [("n",), ("o",)]
    desk.take([Disconnected(S, 20, "cut")])
    for message in desk.snapshots(100):
        reader.apply(message)
    assert reader.markets["m"].book.status == "stale"


def test_a_new_market_is_followed():
    desk = Desk(["m"])
    desk.add("n")
    desk.take([snap("n", 1)])
    assert desk.feed.markets["n"].book.status == "valid"
