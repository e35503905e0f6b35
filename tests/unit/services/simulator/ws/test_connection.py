"""What one connection sends: numbers, scripted faults, frames on the wire, the slow reader."""

import json

import pytest

from services.simulator.engine.model import Account, Member
from services.simulator.faults import Fault, Faults, Match
from services.simulator.ws.connection import Connection
from services.simulator.ws.server import framed


@pytest.fixture
def connection():
    return Connection(Account("one", Member("user"), 0), "key", Faults())


def texts(connection):
    return [json.loads(frame) for frame in connection.take()]


def scripted(connection, action, **more):
    connection.faults.add(Fault(action=action, match=Match(channel="orderbook_delta"), **more))


def sent(connection, found, numbers):
    for number in numbers:
        connection.push(found, b"orderbook_delta", b'{"n":%d}' % number)
    return [frame["seq"] for frame in texts(connection)]


def test_channels_number_their_own_frames_and_unsequenced_ones_have_none(connection):
    book, fills = connection.open("orderbook_delta", {"A": None}), connection.open("fill", None)
    connection.push(book, b"orderbook_delta", b"{}")
    connection.push(fills, b"fill", b"{}")
    connection.reply(book, {"type": "ok"}, {"market_tickers": ["A"]})
    connection.reply(fills, {"type": "ok"}, {})
    connection.push(book, b"orderbook_delta", b"{}")
    assert [(frame["type"], frame["sid"], frame.get("seq")) for frame in texts(connection)] == [
        ("orderbook_delta", 1, 1), ("fill", 2, None), ("ok", 1, 2), ("ok", 2, None), ("orderbook_delta", 1, 3)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("action", "seqs"),
    [
        ("gap", [1, 3, 4]),
        ("repeat", [1, 2, 2, 3, 4]),
        ("reorder", [1, 3, 2, 4]),
    ],
)
def test_faults_of_frames_let_numbers_count_on(connection, action, seqs):
    found = connection.open("orderbook_delta", None)
    scripted(connection, action, after=1)
    assert sent(connection, found, range(4)) == seqs
    assert sent(connection, found, range(2)) == [5, 6], "used up"


def test_a_delta_before_its_snapshot(connection):
    found = connection.open("orderbook_delta", None)
    scripted(connection, "delta_before_snapshot")
    connection.push(found, b"orderbook_delta", b"{}")
    connection.snapshot(found, "A", b'{"book":1}')
    connection.push(found, b"orderbook_delta", b"{}")
    assert [(frame["type"], frame["seq"]) for frame in texts(connection)] == [
        ("orderbook_delta", 1), ("orderbook_delta", 3), ("orderbook_snapshot", 2)
    ]  # fmt: skip


def test_a_stale_snapshot_is_the_one_before(connection):
    found = connection.open("orderbook_delta", None)
    connection.snapshot(found, "A", b'{"book":1}')
    connection.snapshot(found, "B", b'{"book":7}')
    scripted(connection, "stale_snapshot")
    connection.snapshot(found, "A", b'{"book":2}', command_id=9)
    connection.snapshot(found, "A", b'{"book":3}')
    assert [(frame["seq"], frame.get("id"), frame["msg"]["book"]) for frame in texts(connection)] == [
        (1, None, 1), (2, None, 7), (3, 9, 1), (4, None, 3)
    ]  # fmt: skip


def test_mute_says_nothing_any_more_and_hang_up_ends(connection):
    found = connection.open("orderbook_delta", None)
    scripted(connection, "mute")
    assert sent(connection, found, range(3)) == []
    connection.put({"type": "ok"})
    assert connection.take() == []
    assert not connection.hung_up
    scripted(connection, "hang_up")
    connection.push(found, b"orderbook_delta", b"{}")
    assert connection.hung_up
    assert connection.ready.is_set()


def test_another_channel_is_not_touched(connection):
    trades = connection.open("trade", None)
    scripted(connection, "gap", times=5)
    connection.push(trades, b"trade", b"{}")
    assert [frame["seq"] for frame in texts(connection)] == [1]


def test_a_verbatim_subscription_ends_with_our_first_reply(connection):
    found = connection.open("orderbook_delta", None)
    found.verbatim = True
    connection.raw(found, 41, b'{"seq":41}\n')
    assert found.verbatim
    connection.reply(found, {"type": "ok"}, {})
    assert not found.verbatim
    assert [frame["seq"] for frame in texts(connection)] == [41, 42]


def test_the_slow_reader_loses_what_waits_of_that_subscription_only(connection):
    connection.limit = 400
    book, trades = connection.open("orderbook_delta", None), connection.open("trade", None)
    connection.push(trades, b"trade", b"{}")
    for _ in range(20):
        if book.sid in connection.by_sid:
            connection.push(book, b"orderbook_delta", b'{"padding":"%b"}' % (b"x" * 60))
    found = texts(connection)
    assert [frame["type"] for frame in found] == ["trade", "error"]
    assert (found[1]["sid"], found[1]["msg"]["code"]) == (1, 25)
    assert list(connection.by_channel) == ["trade"]
    assert connection.waiting_bytes == 0


@pytest.mark.parametrize(
    ("size", "head"),
    [(0, b"\x81\x00"), (125, b"\x81\x7d"), (126, b"\x81\x7e\x00\x7e"), (65_535, b"\x81\x7e\xff\xff"),
     (65_536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00")],
)  # fmt: skip
def test_frames_on_the_wire(size, head):
    assert framed([b"x" * size, b"y"]) == head + b"x" * size + b"\x81\x01y"
