"""Check the summary that `make run ARGS="--for 60s --json"` ends with: `python tests/check_run.py FILE`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

KEYS = {
    *(
        "frames",
        "gaps",
        "signals",
        "decisions",
        "refusals",
        "intents",
        "orders",
        "fills",
        "fees_dollars",
        "pnl_dollars",
    ),
    *("equity_dollars", "drawdown", "resting_orders", "venue_accepted_orders", "halted", "seconds_to_first_decision"),
    "resident_mb",
}
MAX_PROCESS_MB = 90
MAX_ALL_MB = 900
OTHERS = {"up", "simulator", "bus-redis", "record-redis"}


def problems(summary: dict) -> list[str]:
    """What is not as the README says."""
    found = [f"missing: {key}" for key in sorted(KEYS - set(summary))]
    if found:
        return found
    if summary["orders"] < 1 or summary["fills"] < 1:
        found.append(f"orders {summary['orders']}, fills {summary['fills']}: at least one of each")
    if summary["orders"] != summary["venue_accepted_orders"]:
        found.append(f"orders {summary['orders']}, accepted at the exchange {summary['venue_accepted_orders']}")
    if summary["resting_orders"] != 0:
        found.append(f"{summary['resting_orders']} orders rest")
    if summary["seconds_to_first_decision"] > 20:
        found.append(f"first decision after {summary['seconds_to_first_decision']} s, allowed are 20 s")
    memory = summary["resident_mb"]
    found += [f"{name}: {mb} MB" for name, mb in memory.items() if name not in OTHERS and mb > MAX_PROCESS_MB]
    if sum(memory.values()) > MAX_ALL_MB:
        found.append(f"all processes: {sum(memory.values()):.0f} MB, allowed are {MAX_ALL_MB} MB")
    return found


if __name__ == "__main__":
    told = problems(json.loads(Path(sys.argv[1]).read_text().splitlines()[-1]))
    sys.stderr.write("".join(f"summary: {line}\n" for line in told))
    sys.exit(bool(told))
