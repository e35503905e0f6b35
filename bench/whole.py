"""The whole product as a newcomer starts it: memory of every process, and seconds to the first decision."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from bench.figures import Figure, Part, number
from bench.rig import ROOT, RigError

SAMPLES = ("policy", "taking", "resting")
FOR_S = 25
WIND_UP_S = 95
MOST_MB, MOST_ALL_MB, MOST_FIRST_S = 90, 900, 20
NOT_SERVICES = frozenset({"up", "simulator", "bus-redis", "record-redis"})


Watch = Callable[[Path], Awaitable[None]]
"""Looks on while `up` runs in a directory; cancelled when it ends."""


async def run() -> Part:
    """One `touchline up` of the samples. Raises RigError when it does not end well."""
    return judge(await up(SAMPLES, FOR_S))


async def up(samples: Sequence[str], for_s: int, watch: Watch | None = None) -> dict[str, Any]:
    """The summary of one `touchline up --json`. Raises RigError when it does not end well."""
    files = [str(ROOT / "manifests" / "samples" / f"{name}.yaml") for name in samples]
    command = [str(Path(sys.executable).parent / "touchline"), "up", *files, "--for", f"{for_s}s", "--json"]
    folder = tempfile.mkdtemp(prefix="tl-bench-")  # `up` keeps its state in the directory where it runs
    watching = None if watch is None else asyncio.ensure_future(watch(Path(folder)))
    try:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        try:
            out, complaints = await asyncio.wait_for(process.communicate(), for_s + WIND_UP_S)
        except TimeoutError:
            process.kill()  # its own children notice; it had its time to wind up
            await process.communicate()
            raise RigError(f"touchline up --for {for_s}s did not end in {for_s + WIND_UP_S} s") from None
    finally:
        if watching is not None:
            watching.cancel()
            (ended,) = await asyncio.gather(watching, return_exceptions=True)
        shutil.rmtree(folder, ignore_errors=True)
    if process.returncode:
        raise RigError(f"touchline up ended with {process.returncode}: {complaints.decode(errors='replace')[-1_000:]}")
    if watching is not None and isinstance(ended, Exception):
        raise RigError(f"looking on at touchline up: {ended!r}") from ended
    found: dict[str, Any] = json.loads(out.decode().splitlines()[-1])
    return found


def judge(summary: dict[str, Any]) -> Part:
    """The figures of one summary line of `touchline up --json`."""
    part = Part(f"touchline up, samples, {FOR_S} s")
    resident: dict[str, float] = summary["resident_mb"]
    services = {name: mb for name, mb in resident.items() if name not in NOT_SERVICES}
    largest = max(services, key=lambda name: services[name])
    total = sum(resident.values())
    aim = f"≤ {MOST_MB} MB"
    part.figures = [
        Figure(
            f"largest service process ({largest})",
            services[largest],
            "MB",
            services[largest] / MOST_MB,
            "of the aim",
            aim,
        ),
        Figure("all processes", total, "MB", total / MOST_ALL_MB, "of the aim", f"≤ {MOST_ALL_MB} MB"),
    ]
    first = summary["seconds_to_first_decision"]
    if first is None:
        part.faults.append("no decision at all")
    else:
        figure = Figure("first decision", first, "s", first / MOST_FIRST_S, "of the aim", f"≤ {MOST_FIRST_S} s")
        part.figures.append(figure)
    part.notes.append(", ".join(f"{name} {number(mb)}" for name, mb in sorted(resident.items())) + " MB")
    part.notes.append(f"{summary['orders']} orders, the exchange's own count {summary['venue_accepted_orders']}")
    part.lost += max(0, summary["orders"] - summary["venue_accepted_orders"])
    part.doubled += max(0, summary["venue_accepted_orders"] - summary["orders"])
    return part
