import asyncio
import contextlib
import itertools

import pytest

from services.exchange.frames import (
    BadFrame,
    Connected,
    DeltaFrame,
    Disconnected,
    GapFrame,
    SnapshotFrame,
)
from services.exchange.stream import ExchangeStream


def wire_snapshot(seq, sid=1, market="A") -> dict:
    levels = [["0.4700", "3.00"]]
    msg = {"market_ticker": market, "market_id": "u", "yes_dollars_fp": levels}
    return {"type": "orderbook_snapshot", "sid": sid, "seq": seq, "msg": msg}


def wire_delta(seq, sid=1, market="A") -> dict:
    msg = {"market_ticker": market, "market_id": "u", "price_dollars": "0.4700", "delta_fp": "1.00", "side": "yes"}
    return {"type": "orderbook_delta", "sid": sid, "seq": seq, "msg": msg}


def book_channel(command: dict) -> list[dict]:
    if command["cmd"] != "subscribe":
        return []
    return [
        {"type": "subscribed", "id": command["id"], "msg": {"channel": "orderbook_delta", "sid": 1}},
        wire_snapshot(1),
    ]


@pytest.fixture
async def make_stream(stream_venue, signer, system_clock):
    numbers = itertools.count(1)
    async with contextlib.AsyncExitStack() as stack:

        async def make(**options) -> tuple[ExchangeStream, "Reader"]:
            stream = ExchangeStream(
                options.pop("url", stream_venue.url),
                signer,
                system_clock,
                lambda: f"session-{next(numbers)}",
                jitter=lambda: 0.0,
                **options,
            )
            await stream.subscribe(["orderbook_delta"], ["A"])
            await stack.enter_async_context(stream)
            return stream, Reader(stream)

        yield make


class Reader:
    def __init__(self, stream: ExchangeStream) -> None:
        self._batches = stream.batches()
        self.frames: list = []
        self._taken = 0

    async def next(self, kind):
        """The next frame of this kind; frames of other kinds are passed over."""
        async with asyncio.timeout(10):
            while True:
                while self._taken < len(self.frames):
                    frame = self.frames[self._taken]
                    self._taken += 1
                    if isinstance(frame, kind):
                        return frame
                self.frames += await anext(self._batches)


async def test_it_signs_subscribes_and_yields_frames(stream_venue, make_stream) -> None:
    stream_venue.on_command = book_channel
    stream, reader = await make_stream()
    assert (await reader.next(Connected)).session == "session-1"
    snapshot = await reader.next(SnapshotFrame)
    assert (snapshot.market, snapshot.yes, snapshot.session) == ("A", [(4700, 300)], "session-1")
    assert stream.is_connected
    headers = stream_venue.connections[0].request.headers
    assert headers["KALSHI-ACCESS-KEY"] == "11111111-2222-3333-4444-555555555555"
    assert "Sec-WebSocket-Extensions" not in headers
    assert stream_venue.commands[0]["params"]["use_yes_price"] is False


async def test_frames_that_wait_come_in_one_batch(stream_venue, make_stream) -> None:
    stream_venue.on_command = book_channel
    stream, reader = await make_stream()
    await reader.next(SnapshotFrame)
    await stream_venue.write(*[wire_delta(seq) for seq in range(2, 202)])
    while stream.counters.frames < 202:
        await asyncio.sleep(0.01)
    batch = await anext(stream.batches())
    assert [frame.seq for frame in batch] == list(range(2, 202))


async def test_a_full_buffer_stops_reading_and_loses_nothing(stream_venue, make_stream) -> None:
    stream_venue.on_command = book_channel
    stream, reader = await make_stream(max_buffer=10, silence_s=0.6)
    await reader.next(SnapshotFrame)
    await stream_venue.write(*[wire_delta(seq) for seq in range(2, 502)])
    await asyncio.sleep(1.0)  # longer than the silence allowed: the pause is ours, not the venue's
    assert stream.counters.frames <= 12
    for seq in range(2, 502):
        assert (await reader.next(DeltaFrame)).seq == seq
    assert not any(isinstance(frame, Disconnected) for frame in reader.frames)


async def test_it_comes_back_with_a_new_session_and_its_subscriptions(stream_venue, make_stream) -> None:
    stream_venue.on_command = book_channel
    stream, reader = await make_stream()
    await reader.next(SnapshotFrame)
    await stream.subscribe(["orderbook_delta"], ["B"])
    while len(stream_venue.commands) < 2:
        await asyncio.sleep(0.01)
    stream_venue.connections[0].transport.abort()
    assert (await reader.next(Disconnected)).session == "session-1"
    assert (await reader.next(Connected)).session == "session-2"
    assert (await reader.next(SnapshotFrame)).session == "session-2"
    assert stream_venue.commands[-1]["params"]["market_tickers"] == ["A", "B"]


async def test_silence_ends_the_connection(stream_venue, make_stream, monkeypatch) -> None:
    stream_venue.on_command = book_channel
    _, reader = await make_stream(silence_s=0.4)
    await reader.next(SnapshotFrame)
    stream_venue.connections[0].transport.pause_reading()  # no pong any more, the socket stays open
    assert "silent for" in (await reader.next(Disconnected)).reason
    await reader.next(Connected)


async def test_a_feed_that_no_longer_answers_is_down_though_its_socket_lives(stream_venue, make_stream) -> None:
    """The venue's WebSocket layer still answers pings: only the feed behind it is gone."""
    stream_venue.on_command = book_channel  # answers no other command
    _, reader = await make_stream(silence_s=0.4)
    await reader.next(SnapshotFrame)
    assert "silent for" in (await reader.next(Disconnected)).reason
    assert stream_venue.commands[-1]["cmd"] == "list_subscriptions"


async def test_own_questions_keep_a_quiet_connection(stream_venue, make_stream) -> None:
    def venue(command: dict) -> list[dict]:
        if command["cmd"] == "list_subscriptions":
            return [{"id": command["id"], "type": "ok", "msg": [{"channel": "orderbook_delta", "sid": 1}]}]
        return book_channel(command)

    stream_venue.on_command = venue
    stream, reader = await make_stream(silence_s=0.3)
    await reader.next(SnapshotFrame)
    await asyncio.sleep(1.0)
    assert stream.is_connected
    assert stream.counters.connections == 1


async def test_a_gap_is_told_and_healed(stream_venue, make_stream) -> None:
    def venue(command: dict) -> list[dict]:
        if command["params"].get("action") == "get_snapshot":
            return [wire_snapshot(6)]
        return book_channel(command)

    stream_venue.on_command = venue
    _, reader = await make_stream()
    await reader.next(SnapshotFrame)
    await stream_venue.write(wire_delta(2), wire_delta(4), wire_delta(5))
    assert (await reader.next(DeltaFrame)).seq == 2
    gap = await reader.next(GapFrame)
    assert (gap.expected, gap.got, gap.markets) == (3, 4, ("A",))
    assert (await reader.next(SnapshotFrame)).seq == 6
    await stream_venue.write(wire_delta(7))
    assert (await reader.next(DeltaFrame)).seq == 7


async def test_an_unanswered_gap_subscribes_anew(stream_venue, make_stream) -> None:
    stream_venue.on_command = book_channel
    _, reader = await make_stream()
    await reader.next(SnapshotFrame)
    await stream_venue.write(wire_delta(4))
    await reader.next(GapFrame)
    assert (await reader.next(SnapshotFrame)).seq == 1
    assert stream_venue.actions() == ["subscribe", "get_snapshot", "unsubscribe", "subscribe"]


async def test_a_bad_frame_does_not_stop_the_others(stream_venue, make_stream) -> None:
    stream_venue.on_command = book_channel
    stream, reader = await make_stream()
    await reader.next(SnapshotFrame)
    await stream_venue.write("{nonsense", '{"type":"weather","msg":{}}', wire_delta(2))
    assert (await reader.next(BadFrame)).raw == b"{nonsense\n"
    assert "weather" in (await reader.next(BadFrame)).error
    assert (await reader.next(DeltaFrame)).seq == 2
    assert stream.counters.bad == 2


async def test_a_refused_connection_says_what_to_check(signer, make_stream) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    _, reader = await make_stream(url=f"ws://127.0.0.1:{port}/trade-api/ws/v2")
    reason = (await reader.next(Disconnected)).reason
    assert "401" in reason
    assert "clock" in reason
    server.close()


async def test_an_unreachable_venue_is_tried_again(make_stream) -> None:
    stream, reader = await make_stream(url="ws://127.0.0.1:1/trade-api/ws/v2")
    for _ in range(3):
        assert "cannot connect to 127.0.0.1:1" in (await reader.next(Disconnected)).reason
    assert not stream.is_connected


async def test_the_end_of_the_stream_ends_the_batches(stream_venue, signer, system_clock) -> None:
    stream = ExchangeStream(stream_venue.url, signer, system_clock, lambda: "s")
    async with stream:
        pass
    assert not any([isinstance(frame, DeltaFrame) async for batch in stream.batches() for frame in batch])


def test_a_url_that_is_none_is_refused(signer, system_clock) -> None:
    with pytest.raises(ValueError, match="exchange stream URL"):
        ExchangeStream("http://x/", signer, system_clock, lambda: "s")
