"""The simulator's streams: fan-out, memory of many live markets, a recording at high speed.

`python -m bench.simulator_streams [--short] [--only fan-out|memory|replay] [--json]`. The recording is read from
TOUCHLINE_RECORDINGS and the replay is left out, with one line, where that is not set.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import json
import os
import re
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import msgspec
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from bench.figures import Figure, Part, render, render_required
from services.simulator.accept_log import AcceptLog
from services.simulator.app import Simulator, wall_ms
from services.simulator.engine.events import BookChange
from services.simulator.engine.model import NewOrder
from services.simulator.keys import load_or_make
from services.simulator.venue import build_venue
from services.simulator.world.flow import FlowSettings
from services.simulator.world.games import find_games
from services.simulator.world.world import WorldSettings

EVENT = "KXNFLGAME-25SEP04DALPHI"
MARKET = f"{EVENT}-PHI"
PATH = "/trade-api/ws/v2"
BATCH = 250
MOST_WAITING = 2 * 1024 * 1024
NAMES = ("fan-out", "memory", "replay")
RECORDING = ("kalshi-ws-nba-2026-03", "2026-03-07")
FILLED, LAST = 4, {1: 789_054, 2: 75_995}
"""Replies that this recording lacks, and the last number of each of its sids."""
MOST_BEHIND_MS = 500
"""Wall time; a game's bursts are played as they came, 600 times as dense."""
TAIL = 64 * 1024
SPEED = 600.0


def yardstick() -> float:
    """Deltas a second that this processor can turn into JSON: what a figure is put beside."""
    body = {
        "market_ticker": MARKET, "market_id": "6a717ade-50da-4929-8b15-25f3640e15c7", "price_dollars": "0.8200",
        "delta_fp": "-434.00", "side": "no", "ts": "2026-03-08T00:11:58.112Z", "ts_ms": 1772928718112,
    }  # fmt: skip
    began, count = time.perf_counter(), 200_000
    for _ in range(count):
        msgspec.json.encode(body)
    return count / (time.perf_counter() - began)


def signed(key_id: str, pem: Path) -> dict[str, str]:
    private = serialization.load_pem_private_key(pem.read_bytes(), password=None)
    assert isinstance(private, RSAPrivateKey)
    stamp = str(wall_ms())
    pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
    signature = private.sign(f"{stamp}GET{PATH}".encode(), pss, hashes.SHA256())
    return {
        "KALSHI-ACCESS-KEY": key_id,
        "KALSHI-ACCESS-TIMESTAMP": stamp,
        "KALSHI-ACCESS-SIGNATURE": base64.b64encode(signature).decode(),
    }


# -- fan-out: the server in this process, readers in another -----------------------------------------------


def raw_client(port: int, headers: dict[str, str], channels: list[str], tickers: list[str]) -> socket.socket:
    """A subscribed socket whose bytes are only counted: the reader must not be what is measured."""
    found = socket.create_connection(("127.0.0.1", port))
    lines = [f"GET {PATH} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket", "Connection: Upgrade",
             "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="]  # fmt: skip
    lines += [f"{name}: {value}" for name, value in headers.items()]
    found.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += found.recv(4096)
    assert answer.startswith(b"HTTP/1.1 101"), answer
    command = {"id": 1, "cmd": "subscribe", "params": {"channels": channels, "market_tickers": tickers}}
    text = json.dumps(command).encode()
    found.sendall(b"\x81\xfe" + len(text).to_bytes(2, "big") + bytes(4) + text)  # masked with zeros
    return found


class Reading(msgspec.Struct):
    """What readers of another process are to do: read until each has `frames`."""

    port: int
    key_id: str
    pem: str
    subscribers: int
    channels: list[str]
    tickers: list[str]
    frames: int


class Told(msgspec.Struct):
    """What they got: frames each, last number per sid and reader, seconds from the first to the last."""

    seconds: float
    frames: list[int]
    last: list[dict[int, int]]


def read(wish: Reading) -> Told:
    """Count frames by their last two bytes until all are there."""
    selector = selectors.DefaultSelector()
    tails: dict[int, bytes] = {}
    counts: dict[int, int] = {}
    headers = signed(wish.key_id, Path(wish.pem))
    for _ in range(wish.subscribers):
        client = raw_client(wish.port, headers, wish.channels, wish.tickers)
        selector.register(client, selectors.EVENT_READ)
        tails[client.fileno()], counts[client.fileno()] = b"", 0
    first = last = 0.0
    acknowledged = 2 * len(wish.channels)  # each channel's `subscribed`, and a snapshot where there is one
    while any(count < wish.frames for count in counts.values()):
        ready = selector.select(30.0)
        assert ready, f"nothing came for 30 s at {counts}"
        woken = time.perf_counter()
        for key, _ in ready:
            data = key.fileobj.recv(1 << 20)  # type: ignore[union-attr]  # a socket
            assert data, "the server hung up"
            got = counts[key.fd] + (tails[key.fd][-1:] + data).count(b"}\n")
            if got > acknowledged and not first:
                first = woken
            counts[key.fd], tails[key.fd] = got, (tails[key.fd] + data)[-TAIL:]
            last = time.perf_counter()
    numbers = [
        {int(sid): int(seq) for sid, seq in re.findall(rb'"sid": ?(\d+), ?"seq": ?(\d+)', tail)}
        for tail in tails.values()
    ]
    return Told(last - first, list(counts.values()), numbers)


async def reader(wish: Reading) -> asyncio.subprocess.Process:
    """The readers' process; `told` waits for what it says."""
    command = [sys.executable, "-m", "bench.simulator_streams", "--read", msgspec.json.encode(wish).decode()]
    return await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)


async def told(process: asyncio.subprocess.Process) -> Told:
    out, _ = await process.communicate()
    return msgspec.json.decode(out, type=Told)


async def fan_out(part: Part, subscribers: int, deltas: int, aim: int) -> None:
    """Push `deltas` book changes through the hub as fast as the readers take them."""
    still = FlowSettings(noise_rate=1e-6, informed_rate=1e-6)
    with tempfile.TemporaryDirectory(prefix="tl-bench-") as name:
        folder = Path(name)
        keys = load_or_make(folder)
        log = AcceptLog(folder, wall_ms)
        settings = WorldSettings(makers=0, flow=still, pregame_s=10_000)
        venue = build_venue(
            settings, find_games(EVENT), keys, log, cash=10**9, tier="prestige", wall_ms=wall_ms
        )  # fmt: skip
        async with Simulator(venue, host="127.0.0.1", port=0, admin=False) as simulator:
            hub = simulator.hub
            key = keys[0]
            wish = Reading(
                simulator.port, key.key_id, str(key.private_key_path), subscribers, ["orderbook_delta"], [MARKET],
                deltas + 2,
            )  # fmt: skip
            readers = await reader(wish)
            while sum("orderbook_delta" in connection.by_channel for connection in hub.connections) < subscribers:
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.2)
            maker = venue.exchange.add_account("bench", 10**15, internal=True)
            new = NewOrder(MARKET, "ask", 5000, 100_000_000, "good_till_canceled")
            order = venue.exchange._order(maker, venue.exchange.markets[MARKET], new, None, wall_ms())
            market, sent, began = order.market, 0, time.process_time()
            while sent < deltas:
                now = wall_ms()
                for number in range(sent, min(deltas, sent + BATCH)):
                    change = BookChange(market, "ask", 5000 + number % 40 * 100, 100 + number % 7, order, now)
                    hub.on_event(change)
                sent += BATCH
                while max(connection.waiting_bytes for connection in hub.connections) > MOST_WAITING:
                    await asyncio.sleep(0.001)
                await asyncio.sleep(0)
            answer = await told(readers)
            spent = time.process_time() - began
        log.close()
    part.lost += sum(deltas + 1 - last[1] for last in answer.last)
    part.doubled += sum(frames - deltas - 2 for frames in answer.frames)
    each = deltas / answer.seconds
    name = f"book deltas to {'one subscriber' if subscribers == 1 else f'each of {subscribers}'}"
    pace = yardstick()
    part.figures.append(Figure(name, each, "/s", each * subscribers / pace, "x one encode", f">= {aim:,}"))
    part.notes.append(
        f"{name}: {deltas * subscribers / spent:,.0f} frames per second of the server's own processor time"
    )
    part.required[name] = (f">= {aim:,} /s", f"{each:,.0f} /s")


# -- the simulator as a process ------------------------------------------------------------------------------


@contextlib.contextmanager
def simulator(*words: str) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, object]]]:
    """A started `touchline sim` and what it said when it was ready."""
    with tempfile.TemporaryDirectory(prefix="tl-bench-") as name:
        command = [sys.executable, "-m", "services.simulator", "--state-dir", name, "--admin", *words]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())
        finally:
            process.terminate()
            process.wait(10)


def resident_mb(pid: int, field: str = "VmRSS") -> float:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"{field}:\s+(\d+)", text)[1]) / 1024  # type: ignore[index]  # Linux always has it


async def drink(ready: dict[str, object], channels: list[str], tickers: list[str] | None) -> tuple[int, int]:
    """Read a subscription until cancelled; (frames, gaps) so far are kept in the task's result list."""
    account = ready["accounts"][0]  # type: ignore[index]  # the simulator's own words
    headers = signed(account["key_id"], Path(account["private_key_path"]))
    frames = gaps = 0
    seqs: dict[int, int] = {}
    params = {"channels": channels} | ({"market_tickers": tickers} if tickers else {})
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(str(ready["ws_url"]), headers=headers, max_msg_size=0) as stream,
    ):
        await stream.send_str(json.dumps({"id": 1, "cmd": "subscribe", "params": params}))
        find = re.compile(r'"sid": ?(\d+), ?"seq": ?(\d+)').search
        with contextlib.suppress(asyncio.CancelledError):
            async for message in stream:
                frames += 1
                found = find(message.data, 0, 120)
                if found:
                    sid, seq = int(found[1]), int(found[2])
                    gaps += seq != seqs.get(sid, 0) + 1
                    seqs[sid] = seq
        return frames, gaps


async def memory(part: Part, *, short: bool) -> None:
    """RSS of 100 invented games (200 winner markets), all of them quoted and traded, one subscriber to all."""
    seconds = 10 if short else 40
    words = ("--generate", "basketball:100", "--speed", "1", "--pregame", "2")
    with simulator(*words) as (process, ready):
        async with aiohttp.ClientSession() as http:
            async with http.get(f"{ready['rest_url']}/markets?limit=1000") as response:
                tickers = [market["ticker"] for market in (await response.json())["markets"]]
            reader = asyncio.create_task(drink(ready, ["orderbook_delta", "trade"], tickers))
            await asyncio.sleep(seconds)
            used, most = resident_mb(process.pid), resident_mb(process.pid, "VmHWM")
            reader.cancel()
            frames, gaps = await reader
    part.lost += gaps
    if len(tickers) != 200:
        part.faults.append(f"{len(tickers)} markets instead of 200")
    part.figures.append(Figure("200 live markets, resident", used, "MB", most / used, "most / now", "<= 250"))
    part.notes.append(f"200 live markets: {frames / seconds:,.0f} frames/s to the subscriber during {seconds} s")
    part.required["200 markets live"] = ("<= 250 MB", f"{used:,.0f} MB (most {most:,.0f})")


async def replay(part: Part, *, short: bool) -> None:
    """Three recorded games at once, six markets, 4 hours, to one subscriber; how far it fell behind."""
    root = os.environ.get("TOUCHLINE_RECORDINGS")
    if not root:
        part.notes.append("replay: skipped, TOUCHLINE_RECORDINGS is not set")
        return
    recording = str(Path(root, *RECORDING))
    wait_s = 3
    with simulator("--replay", recording, "--speed", str(SPEED), "--pregame", str(wait_s)) as (_, ready):
        url, key = str(ready["rest_url"]), ready["accounts"][0]  # type: ignore[index]  # the simulator's own words
        tickers = sorted(path.name.split(".")[0] for path in Path(recording).glob("*.gz"))
        began, behind = time.monotonic() + wait_s, [0]
        clock = url.replace("/trade-api/v2", "/sim/clock")
        async with aiohttp.ClientSession() as http:
            async with http.get(clock) as response:
                frames = (await response.json())["replay"]["frames"]
            port, channels = int(url.rsplit(":", 1)[1].split("/", 1)[0]), ["orderbook_delta", "trade"]
            wanted = (frames // 4 if short else frames + FILLED) + len(channels)
            wish = Reading(port, key["key_id"], key["private_key_path"], 1, channels, tickers, wanted)
            readers = asyncio.create_task(told(await reader(wish)))
            while not readers.done():
                await asyncio.sleep(0.1)
                async with http.get(clock) as response:
                    state = (await response.json())["replay"]
                behind.append(state["behind_ms"])
        took = time.monotonic() - began
        answer = await readers
    worst = max(behind)
    if not short:
        part.lost += LAST[1] - answer.last[0][1] + LAST[2] - answer.last[0][2]
        part.doubled += answer.frames[0] - wanted
    late = sum(ms > MOST_BEHIND_MS for ms in behind)
    part.notes.append(
        f"replay: {answer.frames[0]:,} frames read, {took * SPEED / 3600:.2f} h in {took:.1f} s, behind by more than "
        f"{MOST_BEHIND_MS} ms in {late} of {len(behind)} looks, {behind[-1]} ms at the end"
    )
    pace = answer.frames[0] / took
    name = "three recorded games at 600x, most behind"
    part.figures.append(Figure(name, worst, "ms", pace / yardstick(), "x one encode", "catches up"))
    part.required["recorded game at 600x"] = ("not behind", f"{behind[-1]} ms at its end, {worst:,} ms at worst")
    if behind[-1] > MOST_BEHIND_MS:
        part.faults.append(f"the replay ended {behind[-1]} ms behind")


async def run(names: list[str], *, short: bool) -> Part:
    part = Part("simulator streams")
    if "fan-out" in names:
        await fan_out(part, 1, 60_000 if short else 400_000, 50_000)
        await fan_out(part, 10, 15_000 if short else 100_000, 20_000)
    if "memory" in names:
        await memory(part, short=short)
    if "replay" in names:
        await replay(part, short=short)
    return part


def main() -> int:
    """Measure; 1 when a frame was lost, else 0."""
    if sys.argv[1:2] == ["--read"]:
        wish = msgspec.json.decode(sys.argv[2], type=Reading)
        print(msgspec.json.encode(read(wish)).decode())
        return 0
    parser = argparse.ArgumentParser(prog="bench.simulator_streams", description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="fewer and smaller rounds")
    parser.add_argument("--only", choices=NAMES, help="one figure")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of text")
    asked = parser.parse_args()
    part = asyncio.run(run([asked.only] if asked.only else list(NAMES), short=asked.short))
    if asked.json:
        print(json.dumps({"load_average": os.getloadavg(), "parts": [part.as_dict()]}))
    else:
        load = os.getloadavg()
        print(f"load average {load[0]:.2f} {load[1]:.2f} {load[2]:.2f} on {os.cpu_count()} cores")
        print(render(part))
        print(render_required(part.required))
    return 1 if part.failed else 0


if __name__ == "__main__":
    sys.exit(main())
