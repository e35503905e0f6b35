import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.exchange.frames import (
    BadFrame,
    DeltaFrame,
    ErrorFrame,
    FillFrame,
    GapFrame,
    OkFrame,
    SnapshotFrame,
    Subscribed,
    TradeFrame,
)
from services.exchange.subscriptions import Counters, Subscriptions


def delta(seq: int, market: str = "A", sid: int = 1) -> DeltaFrame:
    return DeltaFrame("s", 0, sid, seq, market, "yes", 4200, 100, None, None)


def snapshot(seq: int, market: str = "A", sid: int = 1) -> SnapshotFrame:
    return SnapshotFrame("s", 0, sid, seq, market, [], [])


def commands(subs: Subscriptions) -> list[dict]:
    sent = [json.loads(raw) for raw in subs.outbox]
    subs.outbox.clear()
    return sent


@pytest.fixture
def subs() -> Subscriptions:
    """Books of A and B on sid 1, both whole, last number 2."""
    made = Subscriptions(Counters())
    made.want("orderbook_delta", ("A", "B"), 0.0)
    made.connected(0.0)
    (command,) = commands(made)
    assert command == {
        "id": 1,
        "cmd": "subscribe",
        "params": {
            "channels": ["orderbook_delta"],
            "market_tickers": ["A", "B"],
            "use_yes_price": False,
        },
    }
    made.accept(Subscribed("s", 0, 1, "orderbook_delta"), 0.0)
    made.accept(snapshot(1), 0.0)
    made.accept(snapshot(2, "B"), 0.0)
    return made


def test_frames_in_order_are_delivered_and_ok_takes_a_number(subs) -> None:
    ok = OkFrame("s", 0, 5, 1, 4)
    assert subs.accept(delta(3), 1) == [delta(3)]
    assert subs.accept(ok, 1) == [ok]
    assert subs.accept(delta(5, "B"), 1) == [delta(5, "B")]
    subs.tick(100)
    assert commands(subs) == []


def test_a_question_is_asked_and_its_answer_is_no_frame_of_the_feed(subs) -> None:
    subs.ask()
    (command,) = commands(subs)
    assert command["cmd"] == "list_subscriptions"
    assert subs.accept(OkFrame("s", 0, command["id"], None, None), 1) == []
    assert subs.accept(delta(3), 1) == [delta(3)]


def test_a_gap_voids_all_books_of_the_sid_and_asks_for_them(subs) -> None:
    assert subs.accept(delta(4), 1) == [GapFrame("s", 0, 1, "orderbook_delta", 3, 4, ("A", "B"))]
    (command,) = commands(subs)
    assert command["params"] == {"action": "get_snapshot", "sid": 1, "market_tickers": ["A", "B"]}
    assert subs.accept(delta(5, "B"), 1) == []
    assert subs.accept(snapshot(6), 1) == [snapshot(6)]
    assert subs.accept(delta(7, "A"), 1) == [delta(7, "A")]
    assert subs.accept(delta(8, "B"), 1) == []
    assert subs.accept(snapshot(9, "B"), 1) == [snapshot(9, "B")]
    assert subs.accept(delta(10, "B"), 1) == [delta(10, "B")]


@pytest.mark.parametrize(("seq", "expected"), [(2, 3), (1, 3), (9, 3)])
def test_repeats_and_steps_back_are_gaps_too(subs, seq, expected) -> None:
    (gap,) = subs.accept(delta(seq), 1)
    assert isinstance(gap, GapFrame)
    assert (gap.expected, gap.got) == (expected, seq)
    assert subs.accept(delta(seq + 1), 1) == []


def test_an_old_snapshot_again_does_not_make_a_book_whole(subs) -> None:
    (gap,) = subs.accept(snapshot(2, "B"), 1)
    assert isinstance(gap, GapFrame)
    assert subs.accept(delta(3, "B"), 1) == []


def test_a_snapshot_beyond_the_gap_is_whole(subs) -> None:
    gap, frame = subs.accept(snapshot(7), 1)
    assert isinstance(gap, GapFrame)
    assert frame == snapshot(7)
    assert subs.accept(delta(8), 1) == [delta(8)]
    assert subs.accept(delta(9, "B"), 1) == []


def test_no_snapshot_in_time_takes_only_the_silent_market_out_and_in(subs) -> None:
    subs.accept(delta(4), 1)
    subs.accept(snapshot(5), 1)
    commands(subs)
    subs.tick(2.9)
    assert commands(subs) == []
    subs.tick(3.0)
    assert [c["params"] for c in commands(subs)] == [
        {"action": "delete_markets", "sid": 1, "market_tickers": ["B"]},
        {"action": "add_markets", "sid": 1, "market_tickers": ["B"]},
    ]
    assert subs.accept(delta(6), 3) == [delta(6)], "the other book stays valid"


def test_no_snapshot_at_all_subscribes_anew_less_and_less_often(subs) -> None:
    subs.accept(delta(4), 0)
    commands(subs)
    subs.tick(2.0)
    assert [c["cmd"] for c in commands(subs)] == ["unsubscribe", "subscribe"]
    assert subs.accept(delta(5), 2.0) == [], "of the sid that was let go"
    subs.tick(5.9)
    assert commands(subs) == []
    subs.tick(6.0)
    assert [c["cmd"] for c in commands(subs)] == ["subscribe"], "never confirmed: there is no sid to let go"
    subs.accept(Subscribed("s", 0, 2, "orderbook_delta"), 6.0)
    assert subs.accept(snapshot(1, sid=2), 6.0) == [snapshot(1, sid=2)]
    assert subs.accept(delta(2, sid=2), 6.0) == [delta(2, sid=2)]


def test_a_first_snapshot_that_stays_away_is_asked_for() -> None:
    subs = Subscriptions(Counters())
    subs.want("orderbook_delta", ("A",), 0.0)
    subs.connected(0.0)
    commands(subs)
    subs.accept(Subscribed("s", 0, 1, "orderbook_delta"), 0.0)
    assert subs.accept(delta(1), 0.0) == [], "no book to apply it to"
    subs.tick(2.0)
    assert [c["params"]["action"] for c in commands(subs)] == ["get_snapshot"]


def test_an_unreadable_book_frame_is_a_gap_though_its_number_fits(subs) -> None:
    bad = BadFrame("s", 0, b"x", "msg.side: missing", 1, 3)
    assert subs.accept(bad, 1) == [bad, GapFrame("s", 0, 1, "orderbook_delta", 3, 3, ("A", "B"))]
    assert subs.accept(delta(4), 1) == []
    anonymous = BadFrame("s", 0, b"x", "truncated", None, None)
    assert subs.accept(anonymous, 1) == [anonymous]


def test_added_markets_join_the_sid_and_wait_for_their_snapshot(subs) -> None:
    subs.want("orderbook_delta", ("B", "C"), 1)
    (command,) = commands(subs)
    assert command["params"] == {"action": "add_markets", "sid": 1, "market_tickers": ["C"]}
    assert subs.accept(delta(3, "C"), 1) == []
    assert subs.accept(delta(4, "A"), 1) == [delta(4, "A")]
    assert subs.accept(snapshot(5, "C"), 1) == [snapshot(5, "C")]
    subs.connected(9)
    assert commands(subs)[0]["params"]["market_tickers"] == ["A", "B", "C"]


def test_markets_wanted_before_the_sid_is_known_are_added_after() -> None:
    subs = Subscriptions(Counters())
    subs.want("trade", ("A",), 0)
    subs.connected(0)
    subs.want("trade", ("B",), 0)
    assert [c["params"].get("market_tickers") for c in commands(subs)] == [["A"]]
    subs.accept(Subscribed("s", 0, 4, "trade"), 0)
    (command,) = commands(subs)
    assert command["params"] == {"action": "add_markets", "sid": 4, "market_tickers": ["B"]}


def test_a_trade_gap_is_told_and_the_trade_delivered() -> None:
    subs = Subscriptions(Counters())
    subs.want("trade", ("A",), 0)
    subs.connected(0)
    subs.accept(Subscribed("s", 0, 4, "trade"), 0)
    trade = TradeFrame("s", 0, 4, 3, "A", "t", 4200, 5800, 100, "yes", 1)
    commands(subs)
    gap, delivered = subs.accept(trade, 0)
    assert isinstance(gap, GapFrame)
    assert delivered == trade
    assert commands(subs) == []


def test_private_channels_carry_no_numbers() -> None:
    subs = Subscriptions(Counters())
    subs.want("fill", None, 0)
    subs.connected(0)
    assert commands(subs)[0]["params"] == {"channels": ["fill"]}
    subs.accept(Subscribed("s", 0, 7, "fill"), 0)
    fill = FillFrame(
        "s", 0, 7, "A", "t", "o", None, 0, "yes", "bid", 4200, 100, 0, is_taker=True, post_position=100, ts_ms=1
    )
    assert subs.accept(fill, 0) == [fill]
    assert subs.accept(fill, 0) == [fill]


def test_a_subscription_that_the_venue_ends_is_a_gap_and_made_anew(subs) -> None:
    ended = ErrorFrame("s", 0, None, 1, None, 25, "Subscription buffer overflow", None)
    told = subs.accept(ended, 1)
    assert told[0] == ended
    assert isinstance(told[1], GapFrame)
    subs.tick(3)
    assert [c["cmd"] for c in commands(subs)] == ["unsubscribe", "subscribe"]


def test_a_refused_subscribe_is_tried_again_later() -> None:
    subs = Subscriptions(Counters())
    subs.want("orderbook_delta", ("A",), 0)
    subs.connected(0)
    commands(subs)
    refused = ErrorFrame("s", 0, 1, None, None, 27, "Too many requests", None)
    assert subs.accept(refused, 0) == [refused]
    subs.tick(2)
    assert [c["cmd"] for c in commands(subs)] == ["subscribe"]


def test_books_need_markets_and_filters_do_not_mix() -> None:
    subs = Subscriptions(Counters())
    with pytest.raises(ValueError, match="needs a list of markets"):
        subs.want("orderbook_delta", None, 0)
    subs.want("trade", ("A",), 0)
    with pytest.raises(ValueError, match="with and without"):
        subs.want("trade", None, 0)


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.sampled_from("AB")), max_size=60))
def test_whatever_is_lost_no_delta_is_applied_to_a_wrong_book(history) -> None:
    """The venue's truth is a count of deltas per market. A consumer of what is delivered never disagrees."""
    subs = Subscriptions(Counters())
    subs.want("orderbook_delta", ("A", "B"), 0)
    subs.connected(0)
    subs.accept(Subscribed("s", 0, 1, "orderbook_delta"), 0)
    truth = {"A": 0, "B": 0}
    seen: dict[str, int] = {}
    seq = 0
    for lose, is_snapshot, market in history:
        seq += 1
        if is_snapshot:
            frame = SnapshotFrame("s", 0, 1, seq, market, [(1, truth[market])], [])
        else:
            truth[market] += 1
            frame = delta(seq, market)
        if lose == 0:
            continue
        for told in subs.accept(frame, 0):
            match told:
                case GapFrame(markets=markets):
                    seen = {k: v for k, v in seen.items() if k not in markets}
                case SnapshotFrame(market=which, yes=yes):
                    seen[which] = yes[0][1]
                case DeltaFrame(market=which):
                    seen[which] += 1  # a KeyError here is a delta without a book
        if frame.market in seen:
            assert seen[frame.market] == truth[frame.market]
