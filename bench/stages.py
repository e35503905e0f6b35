"""Where the time from tick to order goes: each order's way through the processes, stage by stage.

An order is followed backwards: its client id names the intent, the intent its signal; the frame that made the edge is
known to the venue. All stamps are CLOCK_MONOTONIC of one machine.
"""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path
from typing import Any

from bench.engine import VALUE, RawSocket, packed
from bench.figures import Figure, Part, percentile
from bench.rig import Rig
from trading_logic.orders import intent_of

RATE = 1_000
WARM_UP_FRAMES = 3_000
FLOOR_TIMES = 200
FLOOR_APART_S = 0.005
Stamps = dict[str, dict[str, int]]
"""Stage -> key -> ns. Keys: the frame's number up to the consumer, then the signal's id, then the intent's."""

STAGES = (
    ("socket → decoded", "ingest hears the frame and decodes it"),
    ("decoded → taken", "waits for the write of the batch before"),
    ("taken → md", "books moved, batch encoded"),
    ("md → consumed", "bus, and the consumer's batch before"),
    ("consumed → signal", "books moved, signal made"),
    ("signal → decided", "bus, and the decision's batch before"),
    ("decided → intent", "fair value, edge, size"),
    ("intent → carried", "stream of intents"),
    ("carried → asked", "order named"),
    ("asked → claimed", "the gate, one durable append"),
    ("claimed → bytes", "last look, request built, sent, heard"),
)


async def run(*, short: bool) -> Part:
    """One round of 1,000 frames a second with every process stamped."""
    part = Part(f"stages of tick → order bytes at {RATE:,} frames/s, stamped")
    frames = RATE * (12 if short else 40)
    async with Rig(stamped=True) as rig:
        await rig.ask("ticks", frames=WARM_UP_FRAMES, rate=RATE, seed=1)
        answer = await rig.ask("ticks", frames=frames, rate=RATE, seed=2)
        floor = await _floor(rig)
        await rig.stop()
        stamps = _read(rig.folder)
    ways = [way for row in answer["ways"] if (way := _way(row, stamps)) is not None]
    if not ways:
        part.faults.append("no order could be followed")
        return part
    whole = [way[-1] - way[0] for way in ways]
    for at, (name, _) in enumerate(STAGES):
        spent = [(way[at + 1] - way[at]) / 1e6 for way in ways]
        share = sum(spent) / (sum(whole) / 1e6)
        part.figures.append(Figure(name, percentile(spent, 0.5), "ms p50", share, "of the time"))
    total = [one / 1e6 for one in whole]
    part.figures.append(Figure("all", percentile(total, 0.5), "ms p50", percentile(total, 0.99), "ms p99"))
    for name, values in floor.items():
        part.figures.append(Figure(f"floor: {name}", percentile(values, 0.5), "ms p50"))
    part.notes.append(f"{len(ways)} of {len(answer['ways'])} orders followed")
    part.notes += [f"{name}: {text}" for name, text in STAGES]
    return part


async def _floor(rig: Rig) -> dict[str, list[float]]:
    """What the machine itself takes for the two steps that no code of ours can shorten, with nothing else running."""
    return await asyncio.to_thread(_floor_blocking, rig)


def _floor_blocking(rig: Rig) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {"one durable append": [], "one HTTP round trip": []}
    append = packed(b"XADD", b"bench:floor", b"MAXLEN", b"~", b"1000", b"*", b"m", VALUE)
    with RawSocket(rig.socket("record")) as record:
        for _ in range(FLOOR_TIMES):
            start = time.perf_counter()
            record.round_trip(append, 2)
            found["one durable append"].append((time.perf_counter() - start) * 1000)
            time.sleep(FLOOR_APART_S)
    request = b"GET /trade-api/v2/exchange/status HTTP/1.1\r\nHost: bench\r\n\r\n"
    with socket.create_connection(("127.0.0.1", rig.port)) as http:
        http.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(FLOOR_TIMES):
            start = time.perf_counter()
            http.sendall(request)
            http.recv(1 << 16)
            found["one HTTP round trip"].append((time.perf_counter() - start) * 1000)
            time.sleep(FLOOR_APART_S)
    return found


def _read(folder: Path) -> Stamps:
    found: Stamps = {}
    for path in folder.glob("*.stamps"):
        for line in path.read_text().splitlines():
            stage, key, at = line.split(" ")
            found.setdefault(stage, {}).setdefault(key, int(at))
    return found


def _way(row: dict[str, Any], stamps: Stamps) -> list[int] | None:
    """Nanoseconds of every stage of one order; None when a stamp is missing."""
    intent, seq = intent_of(row["client_order_id"]), str(row["seq"])
    signals = stamps[f"intent={intent}"]
    (signal,) = signals  # one wish, one signal
    keys = {
        **dict.fromkeys(("decoded", "taken", "md", "consumed"), seq),
        **dict.fromkeys(("signal", "read", f"intent={intent}"), signal),
        **dict.fromkeys(("carried", "asked", "claimed"), intent),
    }
    found = [stamps[stage].get(key) for stage, key in keys.items()]
    whole = [at for at in found if at is not None]
    return [row["written_ns"], *whole, row["arrived_ns"]] if len(whole) == len(found) else None
