"""From the write of a tick to the arrival of its order, at 1,000 frames a second, open loop, safety on."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from bench.books import Bus, last_id, missed, order_account, written
from bench.engine import VALUE
from bench.figures import Figure, Part, median, number, percentile
from bench.rig import ENTRY, Rig

RATE = 1_000
WARM_UP_FRAMES = 3_000  # not counted
PROBE_S = 0.1
"""Seldom enough that the probe's own fsyncs are not in the way of the orders'."""
SETTLE_S = 10.0
PARTS = {"p50": 0.5, "p99": 0.99, "max": 1.0}
REPORT_S = 0.7
"""Longer than a process' report period: its counters are complete then."""


@dataclass
class Round:
    """What one round measured."""

    frames: int
    took_s: float
    late_ms: float
    edges: int
    latencies_ms: list[float]
    md_ms: list[float]
    decision_ms: list[float]
    publish_ms: list[float]
    record_ms: list[float]
    decisions: int
    commands: int
    missed: dict[str, int] = field(default_factory=dict)


async def run(rig: Rig, *, short: bool) -> Part:
    """Rounds of 1,000 frames a second; at least 200 orders (40 when short)."""
    part = Part(f"tick → order bytes at {RATE:,} frames/s, safety on")
    seconds, rounds, wanted = (12, 2, 40) if short else (20, 5, 200)
    bus = Bus(rig)
    await rig.ask("ticks", frames=WARM_UP_FRAMES, rate=RATE, seed=1)
    done: list[Round] = []
    while len(done) < rounds or (sum(len(r.latencies_ms) for r in done) < wanted and len(done) < 2 * rounds):
        done.append(await _round(rig, bus, part, seconds * RATE, seed=2 + len(done)))
    _tell(part, done)
    return part


async def _round(rig: Rig, bus: Bus, part: Part, frames: int, seed: int) -> Round:
    marks = {
        bus.md: await last_id(rig.bus, bus.md),
        bus.decisions: await last_id(rig.bus, bus.decisions),
    }
    intents = await written(rig.bus, bus.intents)
    counts, decided = await _counts(rig), (await rig.counters("decision"))["decisions"]
    commands = (await rig.bus.info("stats"))["total_commands_processed"]
    publishing: list[float] = []
    recording: list[float] = []
    probe = asyncio.create_task(_probe(rig, publishing, recording))
    try:
        answer = await rig.ask("ticks", frames=frames, rate=RATE, seed=seed)
    finally:
        probe.cancel()
    commands = (await rig.bus.info("stats"))["total_commands_processed"] - commands
    await _settled(rig, bus, part)
    arrival, waits = await bus.md_arrival(marks[bus.md], answer["first_seq"], answer["last_seq"])
    intents = await written(rig.bus, bus.intents) - intents
    lost, ends = order_account(counts, await _counts(rig), intents, answer["posts"])
    decisions, decision_ms = await bus.decisions_after(marks[bus.decisions])
    part.lost += arrival.lost + lost
    part.doubled += arrival.doubled + answer["doubled"]
    if arrival.disordered:
        part.faults.append(f"{arrival.disordered} frames out of order on {bus.md}")
    if answer["strays"]:
        part.faults.append(f"{answer['strays']} orders that answer no tick")
    if ends != "all claimed and sent":
        part.notes.append(f"intents: {ends}")
    return Round(
        frames=frames,
        took_s=answer["took_s"],
        late_ms=answer["late_ms"],
        edges=answer["edges"],
        latencies_ms=[seconds * 1000 for _, seconds in answer["answers"]],
        md_ms=waits,
        decision_ms=decision_ms,
        publish_ms=publishing,
        record_ms=recording,
        decisions=(await rig.counters("decision"))["decisions"] - decided,
        commands=commands,
        missed=missed(decisions, ENTRY.min_edge),
    )


async def _counts(rig: Rig) -> dict[str, int]:
    rows = await rig.record.hgetall(rig.money.counts())
    return {name.decode(): int(n) for name, n in rows.items()}


async def _probe(rig: Rig, publishing: list[float], recording: list[float]) -> None:
    """One PUBLISH on the bus and one XADD on the record (fsync always), again and again, beside the load."""

    async def timed(call: Any) -> float:
        start = time.perf_counter()
        await call
        return (time.perf_counter() - start) * 1000

    while True:
        publishing.append(await timed(rig.bus.publish("bench:probe", VALUE)))
        recording.append(await timed(rig.record.xadd("bench:probe", {b"m": VALUE}, maxlen=1000)))
        await asyncio.sleep(PROBE_S)


async def _settled(rig: Rig, bus: Bus, part: Part) -> None:
    """Wait until every stream is handled and the reports have it."""
    deadline = time.monotonic() + SETTLE_S
    while not (await bus.all_handled() and await _intents_done(rig, bus)):
        rig.check_alive()
        if time.monotonic() > deadline:
            part.faults.append(f"streams not at rest {SETTLE_S:.0f} s after the last frame")
            break
        await asyncio.sleep(0.05)
    await asyncio.sleep(REPORT_S)


async def _intents_done(rig: Rig, bus: Bus) -> bool:
    groups = await rig.bus.xinfo_groups(bus.intents)
    return all(group["pending"] == 0 and group["lag"] == 0 for group in groups)


def _tell(part: Part, rounds: list[Round]) -> None:
    every = _all(rounds, "latencies_ms")
    if not every:
        part.faults.append("no order came: nothing was measured")
        return
    # On the path lies one append that waits for the disk, the claim's. What the same disk and the same scheduler did to
    # a single one in the same seconds is the measure.
    durable = _all(rounds, "record_ms")
    appends = "times one durable append"
    for name, share, aim in (("p50", 0.5, "≤ 2 ms"), ("p90", 0.9, ""), ("p99", 0.99, "≤ 15 ms"), ("max", 1.0, "")):
        value = percentile(every, share)
        part.figures.append(Figure(name, value, "ms", value / percentile(durable, share), appends, aim))
    medians = [percentile(found.latencies_ms, 0.5) for found in rounds if found.latencies_ms]
    part.figures.append(
        Figure("median of rounds' p50", median(medians), "ms", median(medians) / median(durable), appends)
    )
    frames, took = sum(r.frames for r in rounds), sum(r.took_s for r in rounds)
    commands = sum(r.commands for r in rounds)
    part.figures.append(Figure("frames written", frames, "", frames / took / RATE, "of the schedule"))
    part.figures.append(Figure("orders", len(every), "", len(every) / sum(r.edges for r in rounds), "of the edges"))
    part.figures.append(Figure("bus commands", commands, "", commands / frames, "per frame"))
    part.figures.append(Figure("one durable append meanwhile, p50", median(durable), "ms"))
    reasons: dict[str, int] = {}
    for found in rounds:
        for rule, n in found.missed.items():
            reasons[rule] = reasons.get(rule, 0) + n
    edges = sum(r.edges for r in rounds)
    rest = edges - len(every) - sum(reasons.values())
    told = ", ".join(f"{n} {rule}" for rule, n in sorted(reasons.items()))
    part.notes.append(f"missed edges, by the decisions' own rule: {told or 'none'}; {rest} conflated with a neighbour")
    part.notes.append(f"latest write behind its schedule: {number(max(r.late_ms for r in rounds))} ms")
    _require(part, rounds, frames / took, took)


def _all(rounds: list[Round], name: str) -> list[float]:
    return [value for found in rounds for value in getattr(found, name)]


def _require(part: Part, rounds: list[Round], per_s: float, took: float) -> None:
    def of(name: str) -> str:
        values = _all(rounds, name)
        return ", ".join(f"{n} {number(percentile(values, share))}" for n, share in PARTS.items()) + " ms"

    decisions = sum(r.decisions for r in rounds) * 60 / took
    part.required |= {
        "WebSocket handling (frame → md entry)": ("< 100 ms", of("md_ms")),
        "Redis publish, bus": ("< 10 ms", of("publish_ms")),
        "Redis append, record, fsync always": ("< 10 ms", of("record_ms")),
        "decision (frame → intent written)": ("< 500 ms", of("decision_ms")),
        "end to end (tick → order bytes)": (
            "< 1 s",
            of("latencies_ms"),
        ),
        "updates/s": ("1,000", f"{number(per_s)} for {number(took)} s, lost {part.lost}"),
        "decisions/min": ("100", number(decisions)),
    }
