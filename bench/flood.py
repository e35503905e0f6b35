"""Flat out: frames as fast as the socket takes them, until the decision process has handled the last signal."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from bench import engine
from bench.books import Bus, last_id
from bench.figures import Figure, Part, median, number
from bench.market import LEVELS, MARKETS, SIDES
from bench.rig import Rig
from trading_logic.contracts.messages import Signal

POLL_S = 0.01
MOST_S = 180.0
PEEL_S = 5.0
ROUNDS = 3


async def run(rig: Rig, *, short: bool) -> Part:
    """Three rounds, each with the engine's own rate right after it; then every book is compared level by level."""
    frames = 50_000 if short else 200_000
    part = Part(f"flat out, ingest → decision, {ROUNDS} rounds of {frames:,} frames")
    bus = Bus(rig)
    rates: list[float] = []
    ratios: list[float] = []
    decided = 0
    by = ""
    for seed in range(ROUNDS):
        before = (await rig.counters("decision"))["decisions"]
        rates.append(await _round(rig, bus, part, frames, seed=100 + seed))
        raw = engine.xadd_pipelined(rig.socket("bus"))
        by = raw.by
        ratios.append(rates[-1] / raw.per_s)
        part.figures.append(Figure(f"engine after round {seed + 1}", raw.per_s, "XADD/s"))
        decided += (await rig.counters("decision"))["decisions"] - before
    await _same_books(rig, bus, part)
    aim = "≥ 10,000 frames/s"
    part.figures.insert(0, Figure("median of rounds", median(rates), "frames/s", median(ratios), "of the engine", aim))
    part.notes.append(f"rounds: {', '.join(number(rate) for rate in rates)} frames/s; {decided} decisions")
    part.notes.append(f"engine: {by}, XADD of {len(engine.VALUE)} bytes with MAXLEN ~")
    part.required["Redis messages/s, in and out again"] = ("10,000", f"{number(median(rates))}, lost {part.lost}")
    return part


async def _round(rig: Rig, bus: Bus, part: Part, frames: int, seed: int) -> float:
    mark, counted = await last_id(rig.bus, bus.md), (await rig.counters("ingest"))["frames"]
    answer = await rig.ask("flood", frames=frames, seed=seed)
    last = answer["last_seq"]
    deadline = time.monotonic() + MOST_S
    # The last frame of the last market moves its top: with it everything is past ingest.
    while await bus.ingest_seq(MARKETS[-1]) < last or not await bus.all_handled():
        rig.check_alive()
        if time.monotonic() > deadline:
            part.faults.append(f"round not handled in {MOST_S:.0f} s")
            break
        await asyncio.sleep(POLL_S)
    took = time.perf_counter() - answer["start"]  # one clock: CLOCK_MONOTONIC is the machine's
    await asyncio.sleep(0.7)
    arrival, _ = await bus.md_arrival(mark, answer["first_seq"], last)
    part.lost += arrival.lost
    part.doubled += arrival.doubled
    if arrival.disordered:
        part.faults.append(f"{arrival.disordered} frames out of order on {bus.md}")
    counted = (await rig.counters("ingest"))["frames"] - counted
    if counted != frames:
        part.faults.append(f"ingest counted {counted} frames of {frames}")
    return float(frames / took)


async def _same_books(rig: Rig, bus: Bus, part: Part) -> None:
    """Ingest's published ladders against the truth, then the consumer's: peeled off, level by level."""
    answer = await rig.venue.get("/bench/ladders")
    truth: dict[str, dict[str, dict[str, int]]] = answer.json()
    ours = await bus.ingest_ladders()
    for market in MARKETS:
        for side in SIDES:
            wanted = {int(price): count for price, count in truth[market][side].items()}
            if ours.get(market, {}).get(side) != wanted:
                part.faults.append(f"ingest's book of {market} {side}: {ours.get(market)}, wanted {wanted}")
    levels = 0
    for side in SIDES:
        for _ in range(LEVELS):
            tops = await rig.ask("peel", side=side)
            if wrong := await _differs(bus, tops):
                part.faults.append(wrong)
                return
            levels += len(tops)
    part.notes.append(f"books: ingest's equal, consumer's equal in all {levels} levels (read from its signals)")


async def _differs(bus: Bus, tops: dict[str, list[int]]) -> str:
    """Wait for the signals of these frames; what is wrong in them, or an empty text."""
    deadline = time.monotonic() + PEEL_S
    while True:
        found = await bus.last_signals()
        if all(market in found and found[market].top.seq >= tops[market][0] for market in tops):
            break
        if time.monotonic() > deadline:
            return f"no signal of frames {[top[0] for top in tops.values()]} in {PEEL_S:.0f} s"
        await asyncio.sleep(0.002)
    for market, wanted in tops.items():
        if _top(found[market]) != wanted:
            return f"consumer's book of {market}: {_top(found[market])}, wanted {wanted}"
    return ""


def _top(signal: Signal) -> list[Any]:
    top = signal.top
    return [top.seq, top.yes_bid, top.yes_bid_size, top.yes_ask, top.yes_ask_size]
