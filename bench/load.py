"""Load and stress: 1,000 book updates and 10,000 messages a second for minutes, then bursts of ten times the updates.

Updates go the whole way (venue, WebSocket, ingest, consumer, decision, executor, orders at the venue), messages
through one more stream of the same bus and `services.runtime.streams`. Lost or doubled is a fault; the rest is
measured and printed.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace

import structlog

from bench.books import Bus, last_id
from bench.figures import Arrival, Figure, Part, median, number
from bench.market import MARKETS
from bench.rig import Rig
from services.runtime.clock import Clock
from services.runtime.store import Store
from services.runtime.streams import GroupReader
from touchline_operator.adapters.local import redis_server
from trading_logic.contracts import codec

UPDATES, MESSAGES, DECISIONS_A_MINUTE = 1_000, 10_000, 100
SEGMENT_S = 10
"""Counted often enough that the capped stream still holds everything that is counted."""
BURST, BURST_S = 10, 10
REST_S = 60.0
TRIES = 3
MOST_LAG_S = 5.0
MOST_MB = 90
STREAM, STREAM_MAXLEN = "bench:messages", 100_000
BATCH = 100
POLL_S = 0.05


@dataclass
class Seen:
    """What was measured over the whole run."""

    updates: int = 0
    took_s: float = 0.0
    lags_s: list[float] = field(default_factory=list)
    burst_lags_s: list[float] = field(default_factory=list)
    burst_rates: list[float] = field(default_factory=list)
    memory: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    decisions: int = 0
    orders: int = 0
    arrival: Arrival = field(default_factory=lambda: Arrival(0, 0, 0))  # of the newest segment
    strays: int = 0


async def run(*, seconds: int, bursts: int) -> Part:
    """`seconds` at the steady rates, then `bursts` bursts with a rest after each."""
    part = Part(
        f"load: {seconds} s at {UPDATES:,} updates/s over {len(MARKETS)} markets, {bursts} bursts of {BURST} times that"
    )
    seen = Seen()
    async with Rig() as rig:
        bus, traffic = Bus(rig), Traffic(redis_server.url(rig.folder / "bus"))
        await rig.ask("ticks", frames=3 * UPDATES, rate=UPDATES, seed=1)
        before, start = await _decided(rig), time.monotonic()
        flowing = asyncio.create_task(traffic.run())
        try:
            for segment in range(max(1, seconds // SEGMENT_S)):
                seen.lags_s.append(await _segment(rig, bus, part, seen, UPDATES, SEGMENT_S, seed=2 + segment))
                await _weigh(rig, seen, time.monotonic() - start)
            seen.decisions, seen.took_s = await _decided(rig) - before, time.monotonic() - start
            for burst in range(bursts):
                lag = await _segment(rig, bus, part, seen, BURST * UPDATES, BURST_S, seed=900 + burst)
                seen.burst_lags_s.append(lag)
        finally:
            await traffic.stop(flowing)
        await asyncio.sleep(0.7)
        await _weigh(rig, seen, time.monotonic() - start)
    part.lost += traffic.lost
    part.doubled += traffic.doubled
    _tell(part, seen, traffic)
    return part


async def _decided(rig: Rig) -> int:
    await asyncio.sleep(0.7)  # a process' report period
    return (await rig.counters("decision")).get("decisions", 0)


async def _segment(rig: Rig, bus: Bus, part: Part, seen: Seen, rate: int, seconds: int, seed: int) -> float:
    """One segment; again when the connection broke in it. What is on its way then is the network's loss, not ours."""
    for again in range(TRIES):
        before = await _connections(rig)
        lag = await _written(rig, bus, seen, rate, seconds, seed + 1_000 * again)
        if await _connections(rig) == before:
            part.lost += seen.arrival.lost
            part.doubled += seen.arrival.doubled
            if seen.arrival.disordered:
                part.faults.append(f"{seen.arrival.disordered} updates out of order")
            if lag is None:
                part.faults.append(f"not at rest {REST_S:.0f} s after the last of {rate:,} updates/s")
            if seen.strays:
                part.faults.append(f"{seen.strays} orders that answer no update")
            return REST_S if lag is None else lag
        part.notes.append(
            f"a segment of {rate:,}/s once more: the machine stood still and the connection was lost in it"
        )
    part.faults.append(f"connection lost in each of {TRIES} segments of {rate:,} updates/s")
    return REST_S


async def _connections(rig: Rig) -> int:
    await asyncio.sleep(0.7)  # a process' report period
    return (await rig.counters("ingest"))["reconnects"]


async def _written(rig: Rig, bus: Bus, seen: Seen, rate: int, seconds: int, seed: int) -> float | None:
    """Write for so many seconds; seconds from the last write until everything was handled, None: it never was."""
    mark = await last_id(rig.bus, bus.md)
    rests: list[tuple[float, int]] = []
    watching = asyncio.create_task(_watch(bus, rests), name="watch")
    try:
        answer = await rig.ask("ticks", frames=rate * seconds, rate=rate, seed=seed)
        last, deadline = answer["last_seq"], time.monotonic() + REST_S
        while not rests or rests[-1][1] < last:
            rig.check_alive()
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(POLL_S)
    finally:
        watching.cancel()
    rested = next((at for at, seq in rests if seq >= last), None)
    arrival, _ = await bus.md_arrival(mark, answer["first_seq"], last)
    seen.arrival = replace(arrival, doubled=arrival.doubled + answer["doubled"])
    seen.strays = answer["strays"]
    seen.updates += rate * seconds
    seen.orders += answer["posts"]
    if rate > UPDATES:
        seen.burst_rates.append(rate * seconds / answer["took_s"])
    return None if rested is None else max(0.0, rested - float(answer["ended"]))


async def _watch(bus: Bus, rests: list[tuple[float, int]]) -> None:
    """Note every moment at which nothing waited anywhere, with the newest update that is on the stream then."""
    while True:
        seq = await bus.md_seq()
        if await bus.all_handled() and await bus.idle(bus.intents, "executor"):
            rests.append((time.perf_counter(), seq))
        await asyncio.sleep(POLL_S)


async def _weigh(rig: Rig, seen: Seen, at_s: float) -> None:
    for name in rig.processes:
        found = await rig.report(name)
        if found is not None:
            seen.memory.setdefault(name, []).append((at_s, found.resident_bytes / 1e6))


class Traffic:
    """Messages through one more stream of the bus, written in batches on schedule and read by a group."""

    def __init__(self, url: str) -> None:
        self._store = Store(url, "bus")
        self._reader = GroupReader(
            self._store, STREAM, "load", "load", "bench:dead", Clock(), structlog.get_logger(), start="0"
        )
        self._stop, self._written = asyncio.Event(), False
        self.sent = self.read = self.doubled = 0
        self.took_s = 0.0

    @property
    def lost(self) -> int:
        return max(0, self.sent - self.read)

    async def run(self) -> None:
        """Until stopped and everything is read."""
        await self._reader.open()
        reading = asyncio.create_task(self._read(), name="read")
        start = time.perf_counter()
        while not self._stop.is_set():
            due = int((time.perf_counter() - start) * MESSAGES) - self.sent
            # Behind its schedule it catches up, a batch at a time: a late writer writes no less.
            for _ in range(due // BATCH):
                pipe = self._store.pipeline(transaction=False)
                for one in range(self.sent, self.sent + BATCH):
                    pipe.xadd(STREAM, {codec.FIELD: b"%d" % one}, maxlen=STREAM_MAXLEN, approximate=True)
                await pipe.execute()
                self.sent += BATCH
            await asyncio.sleep(BATCH / MESSAGES)
        self.took_s, self._written = time.perf_counter() - start, True
        await asyncio.wait_for(reading, REST_S)

    async def _read(self) -> None:
        next_number = 0
        while not (self._written and self.read >= self.sent):
            entries = await self._reader.read(count=10 * BATCH, block_ms=200)
            for entry in entries:
                self.doubled += int(entry.body) < next_number
                next_number = int(entry.body) + 1
            self.read += len(entries)
            await self._reader.ack(entries)

    async def stop(self, running: asyncio.Task[None]) -> None:
        self._stop.set()
        await running
        await self._store.close()


def slope(points: list[tuple[float, float]]) -> float:
    """Least squares: the second value's change per unit of the first; 0 for fewer than two moments."""
    n = len(points)
    mean_x, mean_y = sum(x for x, _ in points) / n, sum(y for _, y in points) / n
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


def _tell(part: Part, seen: Seen, traffic: Traffic) -> None:
    a_minute = seen.decisions * 60 / seen.took_s
    per_s = traffic.read / traffic.took_s
    lag = f"≤ {MOST_LAG_S:.0f} s"
    part.figures = [
        Figure("updates", seen.updates, "", None, "", f"{UPDATES:,}/s, lost 0"),
        Figure("messages", per_s, "/s", traffic.read / traffic.sent, "of those sent", f"{MESSAGES:,}/s"),
        Figure("decisions", a_minute, "/min", a_minute / DECISIONS_A_MINUTE, "of the aim", f"≥ {DECISIONS_A_MINUTE}"),
        Figure("orders", seen.orders, ""),
        Figure("steady: lag to rest, most", max(seen.lags_s), "s", max(seen.lags_s) / MOST_LAG_S, "of the aim", lag),
    ]  # fmt: skip
    if seen.burst_lags_s:
        most, rate = max(seen.burst_lags_s), median(seen.burst_rates)
        part.figures += [
            Figure("bursts", rate, "updates/s", rate / UPDATES, "of steady", f"{BURST} times"),
            Figure("after a burst: lag to rest, most", most, "s", most / MOST_LAG_S, "of the aim", lag),
        ]
    for name, points in seen.memory.items():
        resident = points[-1][1]
        steady = points[len(points) // 3 : -1]  # after the warm-up, before the bursts
        unit = f"MB, {slope(steady) * 60:+.2f} MB/min while steady"
        part.figures.append(
            Figure(f"{name}: memory", resident, unit, resident / MOST_MB, "of the aim", f"≤ {MOST_MB} MB")
        )
        if resident > MOST_MB:
            part.faults.append(f"{name} holds {number(resident)} MB, allowed: {MOST_MB}")
    if a_minute < DECISIONS_A_MINUTE:
        part.faults.append(f"{number(a_minute)} decisions a minute, wanted: {DECISIONS_A_MINUTE}")
