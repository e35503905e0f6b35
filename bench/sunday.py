"""A Sunday: four games at once with winner, spreads and totals, as `touchline up` runs them on this machine."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import redis.asyncio as redis

from bench import whole
from bench.figures import Figure, Part, number, percentile
from bench.rig import RigError
from touchline_operator.adapters.local.folder import Folder, RunInfo
from trading_logic.contracts import codec, topics
from trading_logic.contracts.messages import Decision

SAMPLES = ("sunday/policy", "sunday/strategies")
POLICY, STRATEGIES = "sunday", ("winners", "lines")
FOR_S, SHORT_S = 75, 45
SETTLED_S = 25.0
"""Some fifty processes start at once: what they do meanwhile is not the steady state."""

LOOK_S = 1.0
MOST_LAG_MS, MOST_MB, LEAST_MARKETS = 100, 90, 16


@dataclass(slots=True)
class Lags:
    """Milliseconds from the tick's arrival to its decision, of the decisions that were written down."""

    found: list[int] = field(default_factory=list)
    markets: set[str] = field(default_factory=set)

    async def watch(self, where: Path) -> None:
        """Read the strategies' decisions as they come, once everything has settled."""
        folder = Folder(where)
        while not folder.run_file.exists():
            await asyncio.sleep(0.1)
        run = msgspec.json.decode(folder.run_file.read_bytes(), type=RunInfo)
        names = topics.RecordTopics(run.namespace, POLICY)
        await asyncio.sleep(SETTLED_S)
        bus: Any = redis.Redis.from_url(run.bus_url)
        try:
            last = dict.fromkeys(map(names.decisions, STRATEGIES), "$")
            while True:
                for name, entries in await bus.xread(last, count=1_000, block=round(LOOK_S * 1_000)):
                    last[name.decode()] = entries[-1][0].decode()
                    self.add(fields[codec.FIELD] for _, fields in entries)
        except redis.ConnectionError:
            return  # `up` has stopped it: the end
        finally:
            await bus.aclose()

    def add(self, bodies: Any) -> None:
        """Note every decision of these entries."""
        reader = codec.Reader(Decision)
        for decision in (one for body in bodies for one in reader.batch(body)):
            self.found.append(max(0, decision.decided_ms - decision.received_ms))
            self.markets.add(decision.market)


async def run(*, short: bool) -> Part:
    """Run and judge. Raises RigError when `up` does not end well or nothing was decided."""
    lags = Lags()
    seconds = SHORT_S if short else FOR_S
    return judge(await whole.up(SAMPLES, seconds, lags.watch), lags, seconds)


def judge(summary: dict[str, Any], lags: Lags, seconds: int) -> Part:
    """The figures of one run."""
    if not lags.found:
        raise RigError("sunday: no decision was written after everything had started")
    part = Part(f"sunday: four games, {len(lags.markets)} markets, {seconds} s")
    resident: dict[str, float] = summary["resident_mb"]
    services = {name: mb for name, mb in resident.items() if name not in whole.NOT_SERVICES}
    largest = max(services, key=lambda name: services[name])
    lag = percentile(lags.found, 0.99)
    half = percentile(lags.found, 0.5)
    aims = f"≤ {MOST_LAG_MS} ms", f"≤ {MOST_MB} MB"
    part.figures = [
        Figure("decision lag p50", half, "ms"),
        Figure("decision lag p99", lag, "ms", lag / MOST_LAG_MS, "of the aim", aims[0]),
        Figure(f"largest of {len(services)} service processes ({largest})", services[largest], "MB",
               services[largest] / MOST_MB, "of the aim", aims[1]),
        Figure("frames", summary["frames"] / seconds, "1/s"),
        Figure("decisions", summary["decisions"] / seconds, "1/s"),
    ]  # fmt: skip
    part.notes.append(f"lag of {len(lags.found):,} written decisions, the first {SETTLED_S:.0f} s left out")
    part.notes.append(f"{summary['orders']} orders, the exchange's own count {summary['venue_accepted_orders']}")
    part.required["Sunday, four games: decision lag p99"] = (
        aims[0],
        f"{number(lag)} ms on {len(lags.markets)} markets",
    )
    part.required["Sunday, four games: memory per process"] = (aims[1], f"{number(services[largest])} MB at most")
    if len(lags.markets) < LEAST_MARKETS:
        part.faults.append(f"decisions on {len(lags.markets)} markets, {LEAST_MARKETS} are a Sunday")
    part.lost += max(0, summary["orders"] - summary["venue_accepted_orders"])
    part.doubled += max(0, summary["venue_accepted_orders"] - summary["orders"])
    return part
