"""Recordings of the exchange come out of our WebSocket as they went in. They are read from TOUCHLINE_RECORDINGS."""

import json
import os
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from services.simulator.replay.tape import load

ROOT = os.environ.get("TOUCHLINE_RECORDINGS", "")
pytestmark = [
    pytest.mark.recordings,
    pytest.mark.skipif(not ROOT, reason="TOUCHLINE_RECORDINGS is not set"),
]
NBA = Path(ROOT, "kalshi-ws-nba-2026-03", "2026-03-07")
NO_SNAPSHOT = Path(ROOT, "kalshi-ws-nba-2026-03", "no-first-snapshot-2026-03-14")
UFC = Path(ROOT, "kalshi-ws-ufc-2026-03")
MLB = Path(ROOT, "kalshi-ws-mlb-2026-08", "frames.jsonl.gz")
TRADES = Path(ROOT, "kalshi-trades-nba-2026-03")


async def played(launch, path, seconds, *, step=20.0, channels=("orderbook_delta", "trade"), **how):
    """Every frame that one subscriber to everything gets in that time, as raw text."""
    running = await launch(games="", recording=path, wait_s=1.0, **how)
    tickers = sorted(running.venue.exchange.markets)
    frames = []
    async with running.stream(running.one) as stream:
        await stream.send(id=1, cmd="subscribe", params={"channels": list(channels), "market_tickers": tickers})
        for _ in channels:
            assert json.loads(await stream.socket.receive_str())["type"] == "subscribed"
        until = running.clock.now + round((1 + seconds) * 1000)
        while running.clock.now < until:
            running.clock.now = min(until, running.clock.now + round(step * 1000))
            running.venue.advance()
            await stream.send(id=99, cmd="list_subscriptions")
            while True:
                text = await stream.socket.receive_str(timeout=20)
                if text.startswith('{"id":99'):
                    break
                frames.append(text)
    return running, frames


def read(tape, count):
    lines = tape.lines()
    return [next(lines).decode() + "\n" for _ in range(count)]


@pytest.mark.slow
async def test_a_whole_connection_byte_for_byte(launch):
    tape = load(UFC)
    running, frames = await played(launch, UFC, 1_500)
    assert frames == read(tape, len(tape))
    assert len(frames) == 100_264
    seqs = defaultdict(int)
    for frame in map(json.loads, frames):
        assert frame["seq"] == seqs[frame["sid"]] + 1
        seqs[frame["sid"]] = frame["seq"]
    assert seqs == {1: 91_222, 2: 9_042}
    for market in running.venue.exchange.markets.values():
        assert market.status == "active", "this recording stops before the market closes"


@pytest.mark.parametrize("raw_gaps", [False, True])
async def test_the_four_missing_replies_are_filled_in_unless_asked_not_to(launch, raw_gaps):
    _, frames = await played(launch, NBA, 400, raw_gaps=raw_gaps)
    found = [json.loads(frame) for frame in frames]
    replies = [(frame["sid"], frame["seq"]) for frame in found if frame["type"] == "ok"]
    assert sorted(replies) == ([] if raw_gaps else [(1, 40), (1, 282), (2, 14), (2, 66)])
    for sid in (1, 2):
        seqs = [frame["seq"] for frame in found if frame["sid"] == sid]
        missing = sorted(set(range(1, seqs[-1] + 1)) - set(seqs))
        assert missing == ({1: [40, 282], 2: [14, 66]}[sid] if raw_gaps else [])
        assert seqs == sorted(seqs)
    recorded = [frame for frame in frames if '"ok"' not in frame[:40]]
    assert len(recorded) > 900
    assert recorded == read(load(NBA), len(recorded))


async def test_a_connection_without_its_first_snapshots_stays_one(launch):
    running, frames = await played(launch, NO_SNAPSHOT, 600)
    assert frames == read(load(NO_SNAPSHOT), len(frames))
    assert Counter(json.loads(frame)["type"] for frame in frames)["orderbook_snapshot"] == 0
    async with running.stream(running.one) as stream:
        ticker = next(iter(running.venue.exchange.markets))
        await stream.send(id=1, cmd="subscribe", params={"channels": ["orderbook_delta"], "market_ticker": ticker})
        assert (await stream.next())["type"] == "subscribed"
        await stream.send(
            id=2, cmd="update_subscription", params={"sid": 1, "action": "get_snapshot", "market_ticker": ticker}
        )
        assert (await stream.next())["msg"]["code"] == 11, "nobody knows that book"


async def test_the_newest_shapes_with_replies_of_the_recorders_own(launch):
    _, frames = await played(launch, MLB, 60, channels=("orderbook_delta",))
    found = [json.loads(frame) for frame in frames]
    assert frames == read(load(MLB), 190)
    assert [frame["seq"] for frame in found] == list(range(1, 191))
    assert sum(frame["type"] == "ok" for frame in found) == 11


async def test_rest_shows_the_books_that_the_frames_add_up_to(launch):
    running, _ = await played(launch, MLB, 60, channels=("orderbook_delta",))
    wanted = json.loads((MLB.parent / "expected_books_at_end.json").read_text())
    assert wanted["after_seq"] == 190
    books = 0
    for ticker, book in wanted["books"].items():
        body = (await running.call("GET", f"/markets/{ticker}/orderbook")).body["orderbook_fp"]
        different = [
            level
            for side in ("yes", "no")
            for level in {tuple(level) for level in body[f"{side}_dollars"]}
            ^ {tuple(level) for level in book[f"{side}_dollars_fp"]}
        ]
        assert different == []
        books += 1
    assert books == 12


async def test_trades_alone(launch):
    running, frames = await played(launch, TRADES, 3_600, channels=("orderbook_delta", "trade"))
    assert frames == read(load(TRADES), len(frames))
    assert len(frames) > 1_000
    body = (await running.call("GET", "/markets/trades?limit=1")).body["trades"][0]
    assert body["trade_id"] == json.loads(frames[-1])["msg"]["trade_id"]


async def test_our_order_meets_recorded_depth_while_the_stream_does_not_change(launch):
    tape = load(UFC)
    running = await launch(games="", recording=UFC, wait_s=1.0)
    tickers = sorted(running.venue.exchange.markets)
    async with running.stream(running.one) as stream:
        await stream.send(
            id=1, cmd="subscribe", params={"channels": ["orderbook_delta", "trade"], "market_tickers": tickers}
        )
        await stream.take(2)
        running.pass_time(30)
        ticker = tickers[0]
        book = running.venue.exchange.markets[ticker].book
        ask = book.best_ask()
        body = {
            "ticker": ticker, "side": "bid", "price": f"{ask.price / 10_000:.4f}", "count": "1",
            "time_in_force": "immediate_or_cancel", "self_trade_prevention_type": "taker_at_cross",
        }  # fmt: skip
        done = await running.one.call("POST", "/portfolio/events/orders", body)
        assert (done.status, done.body["fill_count"]) == (201, "1.00")
        assert book.best_ask().total == ask.total
        running.pass_time(30)
        await stream.send(id=99, cmd="list_subscriptions")
        frames = []
        while not (text := await stream.socket.receive_str(timeout=5)).startswith('{"id":99'):
            frames.append(text)
    assert frames == read(tape, len(frames))
    assert len(frames) > 500
    fills = (await running.one.call("GET", "/portfolio/fills")).body["fills"]
    assert [fill["ticker"] for fill in fills] == [ticker]
    positions = (await running.one.call("GET", "/portfolio/positions")).body["market_positions"]
    assert positions[0]["position_fp"] == "1.00"
