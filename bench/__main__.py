"""The command: which parts run, and what is said of them."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys

from bench import flood, micro, operator, simulator, simulator_streams, stages, sunday, tick, whole
from bench.figures import Part, render, render_required
from bench.rig import Rig, RigError

NAMES = ("tick", "flood", "stages", "up", "sunday", "micro", "simulator", "streams", "operator")
EXIT_LOST = 1
EXIT_RIG = 2


async def _measure(names: list[str], *, short: bool, tell: bool) -> list[Part]:
    parts: list[Part] = []

    def done(part: Part) -> None:
        parts.append(part)
        if tell:
            print(render(part), flush=True)

    if {"tick", "flood"} & set(names):
        async with Rig() as rig:
            for name, run in (("tick", tick.run), ("flood", flood.run)):
                if name in names:
                    done(await run(rig, short=short))
    if "stages" in names:
        done(await stages.run(short=short))
    if "micro" in names:
        done(await micro.run(short=short))
    if "simulator" in names:
        done(await simulator.run(short=short))
    if "streams" in names:
        done(await simulator_streams.run(list(simulator_streams.NAMES), short=short))
    if "operator" in names:
        done(await operator.run(short=short))
    if "up" in names:
        done(await whole.run())
    if "sunday" in names:
        done(await sunday.run(short=short))
    return parts


def _load(load: tuple[float, float, float]) -> str:
    return "load average {:.2f} {:.2f} {:.2f}".format(*load)


def main() -> int:
    """Run the parts; 1 when something was lost or doubled, 2 when the bench itself could not run."""
    parser = argparse.ArgumentParser(prog="bench", description="Figures of Touchline on this machine.")
    parser.add_argument("--short", action="store_true", help="fewer and smaller rounds")
    parser.add_argument("--only", choices=NAMES, help="one part")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of text")
    asked = parser.parse_args()
    names = [asked.only] if asked.only else [name for name in NAMES if name != "operator" or "KUBECONFIG" in os.environ]
    load = os.getloadavg()
    if not asked.json:
        print(f"{_load(load)} on {os.cpu_count()} cores", flush=True)
    try:
        parts = asyncio.run(_measure(names, short=asked.short, tell=not asked.json))
    except RigError as error:
        print(f"bench: {error}", file=sys.stderr)
        return EXIT_RIG
    required = {name: pair for part in parts for name, pair in part.required.items()}
    skipped = [name for name in NAMES if name not in names]
    if asked.json:
        body = {"load_average": load, "parts": [part.as_dict() for part in parts], "skipped": skipped}
        print(json.dumps(body))
    else:
        if required:
            print(render_required(required))
        if skipped:
            print(f"not measured: {', '.join(skipped)} (operator needs KUBECONFIG at a test cluster)")
        print(f"{_load(os.getloadavg())} at the end, our own share in it")
    lost, doubled = sum(part.lost for part in parts), sum(part.doubled for part in parts)
    failed = any(part.failed for part in parts)
    if failed:
        print(f"bench: LOST {lost} DOUBLED {doubled}, {sum(len(p.faults) for p in parts)} faults", file=sys.stderr)
    return EXIT_LOST if failed else 0


if __name__ == "__main__":
    sys.exit(main())
