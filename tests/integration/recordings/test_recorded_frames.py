"""Recorded frames of the exchange through ingest and consumer: books equal an independent rebuild at every hundredth frame.

`kalshi-ws-ufc-2026-03`, whole (100,264 frames): simulator as a process, its WebSocket, ingest's and consumer's own `main`,
a real Redis. `kalshi-ws-nba-2026-03` of 2026-03-07, whole (865,045 frames, six markets): decoding, gap check, ingest's
and consumer's loops and a real Redis, without the socket; its first 5,000 frames again with the four gaps that the recorder left, and the first of these over the socket.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.json import encode

from services.exchange.frame_codec import decode_frame
from services.exchange.frames import Connected, Frame
from services.exchange.subscriptions import Counters, Subscriptions
from services.ingest.process import Ingest
from services.simulator.replay.tape import Tape, load
from trading_logic.money import format_count, format_price

ROOT = os.environ.get("TOUCHLINE_RECORDINGS", "")
pytestmark = [
    pytest.mark.recordings,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not ROOT, reason="TOUCHLINE_RECORDINGS is not set"),
]
NBA = Path(ROOT, "kalshi-ws-nba-2026-03", "2026-03-07")
UFC = Path(ROOT, "kalshi-ws-ufc-2026-03")
SOME = 5_000
FRAME_S = 0.01
"""Between two frames, for what waits: two seconds for a snapshot are two hundred frames."""


OLD_TRADES_UFC, OLD_TRADES_NBA = 9_042, 75_993
"""Public trades of that month say `taker_side`, not yet `taker_outcome_side`: each is refused and counted, its number kept."""


def told(record: Any, name: str, frames: int, seconds: float, checks: int) -> None:
    record("figures", f"{name}: {frames:,} frames, {frames / seconds:,.0f} frames/s, books compared {checks:,} times")


async def test_a_whole_recording_over_the_socket(
    line: Any, desks: Any, player: Any, tools: Any, record_property: Any
) -> None:
    tape = load(UFC)
    lines, truth, checks = tape.lines(), tools.rebuild(), 0
    venue = await player(UFC)
    line.list_markets(tape)
    async with line.ingest(venue.ready) as app, line.consumer():
        await tools.until("subscribed", lambda: desks.ingest and desks.ingest.frames == 2)  # one reply per channel
        start = time.perf_counter()
        for at in range(0, len(tape), tools.every):
            sent = await venue.step(tools.every)
            for _ in range(at, sent):
                truth.take(next(lines))
            await tools.until(f"frame {sent} applied", lambda: desks.seen == truth.moved)
            checks += 1
            for desk in (desks.ingest, desks.consumer):
                assert tools.books_of(desk) == truth.books, f"{type(desk).__name__} after frame {sent}"
        took = time.perf_counter() - start
    assert (desks.ingest.frames, desks.seen, desks.ingest.gaps) == (2 + 100_264, 91_222, 0)
    assert app.counters["bad_frames"] == OLD_TRADES_UFC
    told(record_property, "UFC over the socket", 100_264, took, checks)


class Fed:
    """In place of the socket: the tape's frames, decoded and checked, in batches that end at every hundredth.

    Without `raw_gaps` the answers that the recorder left out are filled in. With it they are not, and a request for
    snapshots is answered as the exchange does: on the same channel, which moves the numbers of what follows.
    """

    is_connected, silent_s = True, 0.0

    def __init__(self, tape: Tape, truth: Any, every: int, *, raw_gaps: bool = False, frames: int = 2**31) -> None:
        self._tape, self._truth, self._every, self.raw_gaps = tape, truth, every, raw_gaps
        self._frames = min(frames, len(tape))
        self._shift, self._last = dict.fromkeys(tape.sids.values(), 0), dict.fromkeys(tape.sids.values(), 0)
        self.counters = Counters()
        self._subscriptions = Subscriptions(self.counters)
        self.wanted: deque[Any] = deque()  # the books after each batch that the consumer has not seen

    def _heard(self, raw: bytes) -> list[Frame]:
        return self._subscriptions.accept(decode_frame(raw, "s", 1), self._truth.taken * FRAME_S)

    def _begin(self) -> list[Frame]:
        for channel in self._tape.sids:
            self._subscriptions.want(channel, tuple(self._tape.tickers), 0.0)
        self._subscriptions.connected(0.0)
        self._subscriptions.outbox.clear()
        first: list[Frame] = [Connected("s", 1)]
        for channel, sid in self._tape.sids.items():
            first += self._heard(encode({"type": "subscribed", "id": 1, "msg": {"channel": channel, "sid": sid}}))
        return first

    def _numbered(self, raw: bytes) -> bytes:
        frame = json.loads(raw)
        shift = self._shift[frame["sid"]]
        self._last[frame["sid"]] = frame["seq"] + shift
        return raw.replace(b'"seq":%d,' % frame["seq"], b'"seq":%d,' % (frame["seq"] + shift), 1) if shift else raw

    def _answers(self) -> list[Frame]:
        """What the exchange answers on the book's channel: `ok`, and snapshots of the books that it knows."""
        sid, found = self._tape.sids["orderbook_delta"], []
        outbox, self._subscriptions.outbox = self._subscriptions.outbox, []
        for command in map(json.loads, outbox):
            wanted = command["params"]
            if wanted["action"] != "get_snapshot":
                found += self._more(
                    sid, {"type": "ok", "id": command["id"]}, {"market_tickers": wanted["market_tickers"]}
                )
            if wanted["action"] == "delete_markets":
                continue
            for market in sorted(set(wanted["market_tickers"]) & set(self._truth.books)):
                book = self._truth.books[market]
                ladders = {
                    f"{side}_dollars_fp": [[format_price(p), format_count(c)] for p, c in sorted(book[side].items())]
                    for side in book
                }
                found += self._more(sid, {"type": "orderbook_snapshot"}, {"market_ticker": market} | ladders)
        return found

    def _more(self, sid: int, head: dict[str, Any], msg: dict[str, Any]) -> list[Frame]:
        """A frame that the recording does not have: it takes the next number of its channel."""
        self._shift[sid] += 1
        self._last[sid] += 1
        return self._heard(encode({**head, "sid": sid, "seq": self._last[sid], "msg": msg}))

    async def batches(self) -> AsyncIterator[list[Frame]]:
        batch, moved = self._begin(), 0
        for place, raw in enumerate(self._tape.lines()):
            for fill in () if self.raw_gaps else self._tape.fills.get(place, ()):
                ok = {"type": "ok", "id": 2, "sid": fill.sid, "seq": fill.seq, "msg": {"market_tickers": fill.markets}}
                batch += self._heard(encode(ok))
            numbered = self._numbered(raw) if self.raw_gaps else raw
            batch += self._heard(numbered)
            self._truth.take(raw)
            if self.raw_gaps:
                self._subscriptions.tick(place * FRAME_S)
                batch += self._answers()
            last = place + 1 == self._frames
            if (place + 1) % self._every == 0 or last:
                if self._truth.moved != moved:
                    moved = self._truth.moved
                    self.wanted.append(self._truth.copy())
                yield batch
                batch = []
                while (
                    len(self.wanted) > 64
                ):  # the stream is capped: a reader far behind would lose what it has not read
                    await asyncio.sleep(0)
            if last:
                return


async def through(fed: Fed, line: Any, desks: Any, tools: Any) -> tuple[Any, int, float]:
    """Everything that `fed` has, by ingest's loop, Redis and the consumer; (ingest's app, comparisons, seconds)."""
    checks, wrong = 0, []
    app = line.ingest_app({"rest_url": "", "ws_url": "", "accounts": [{"key_id_file": "", "private_key_path": ""}]})
    desk = desks.make(fed._tape.tickers)
    ingest = Ingest(app, desk, fed)  # type: ignore[arg-type]  # stands for the stream

    def look(moved: int) -> None:
        nonlocal checks
        if moved and not wrong:
            checks += 1
            ours, truth = tools.books_of(desks.consumer), fed.wanted.popleft()
            if not fed.raw_gaps and set(ours) != set(truth):
                wrong.append(f"after frame {desks.seen}: books of {sorted(ours)}, wanted {sorted(truth)}")
            wrong.extend(
                f"after frame {desks.seen}: {m}: {ours[m]}, wanted {truth[m]}" for m in ours if ours[m] != truth[m]
            )

    desks.applied = look
    async with line.consumer():
        await tools.until("consumer", lambda: desks.consumer is not None)
        await ingest.begin()
        start = time.perf_counter()
        frames = asyncio.create_task(ingest.frames())
        await tools.until("every frame applied", lambda: wrong or (frames.done() and not fed.wanted), 280)
        took = time.perf_counter() - start
        assert wrong == []
        await frames
        assert tools.books_of(desk) == tools.books_of(desks.consumer)
    await app.bus.close()
    await app.record.close()
    return app, checks, took


async def test_three_games_whole(line: Any, desks: Any, tools: Any, record_property: Any) -> None:
    tape, truth = load(NBA), tools.rebuild()
    line.list_markets(tape)
    app, checks, took = await through(Fed(tape, truth, tools.every), line, desks, tools)
    assert (truth.moved, desks.seen, desks.ingest.gaps) == (789_052, 789_052, 0)
    assert app.counters["bad_frames"] == OLD_TRADES_NBA
    assert checks == -(-865_045 // tools.every)
    told(record_property, "NBA without the socket", 865_045, took, checks)


async def test_every_raw_gap_is_named_blocks_its_markets_and_is_mended(
    line: Any, desks: Any, tools: Any, record_property: Any
) -> None:
    tape, truth = load(NBA), tools.rebuild()
    missing = [(fill.sid, fill.seq) for fills in tape.fills.values() for fill in fills]
    assert sorted(missing) == [(1, 40), (1, 282), (2, 14), (2, 66)]
    line.list_markets(tape)
    fed = Fed(tape, truth, tools.every, raw_gaps=True, frames=SOME)
    app, checks, took = await through(fed, line, desks, tools)
    named = [(state.state, state.reason, state.markets) for state in desks.states if state.state == "gap"]
    everything = tuple(sorted(tape.tickers))
    assert named == [
        ("gap", "expected frame 40 of subscription 1, got 41", everything),
        # 282 in the recording; five answers to what was asked after the first gap came before it.
        ("gap", "expected frame 287 of subscription 1, got 288", everything),
    ]
    assert app.counters["gaps"] == 4, "two of books, two of trades"
    assert checks == SOME // tools.every
    told(record_property, "NBA with its gaps", SOME, took, checks)


async def test_a_raw_gap_over_the_socket_is_named_blocks_and_is_mended(
    line: Any, desks: Any, player: Any, tools: Any
) -> None:
    tape, truth = load(NBA), tools.rebuild()
    lines, whole = tape.lines(), tape.lines()
    place = next(place for place, fills in tape.fills.items() if fills[0].sid == 1)
    venue = await player(NBA, "--raw-gaps")
    line.list_markets(tape)
    after = dict.fromkeys(tape.tickers, "gap")
    statuses: list[dict[str, str]] = []

    def look(_: int) -> None:
        if desks.states and desks.states[-1].state == "gap" and not statuses:
            statuses.append({market: feed.book.status for market, feed in desks.consumer.feed.markets.items()})

    desks.applied = look
    async with line.ingest(venue.ready), line.consumer():
        await tools.until("subscribed", lambda: desks.ingest and desks.ingest.frames == 2)
        sent = await venue.step(place + 1)
        await tools.until("the gap", lambda: statuses)
        assert "expected frame 40 of subscription 1, got 41" in [state.reason for state in desks.states]
        # The frame behind the gap is a market's first snapshot: whole in itself, as the others are not.
        *_, first = (json.loads(next(whole))["msg"]["market_ticker"] for _ in range(sent))
        assert statuses == [after | {first: "valid"}]
        for step in (0, *[tools.every] * 5):
            sent += await venue.step(step) - sent if step else 0
            while truth.taken < sent:
                truth.take(next(lines))
            await tools.until(f"books after frame {sent}", lambda: all(same(desks, truth, tools)))
        assert {desks.consumer.feed.markets[market].book.status for market in truth.books} == {"valid"}


def same(desks: Any, truth: Any, tools: Any) -> list[bool]:
    return [tools.books_of(desk) == truth.books for desk in (desks.ingest, desks.consumer)]
