"""`touchline up` with a followed series: games come before their start and go once they are settled."""

from __future__ import annotations

import contextlib
import json
import signal
from pathlib import Path

import psutil
import pytest

from tests.integration.local.touchline import SAMPLES, items, mine, start, until

SERIES = "  markets: [{name: nfl, series: KXNFLGAME, startsWithinHours: 12, maxEvents: 2}]\n"


def followed(where) -> dict[str, str]:
    markets = items(where).get("taking", {}).get("status", {}).get("markets", [])
    assert all(market["series"] == "KXNFLGAME" for market in markets)
    return {market["event"]: market["state"] for market in markets}


def sets(where) -> set[str]:
    """Events whose ingest runs."""
    files, found = [], set()
    for process in mine(where):
        with contextlib.suppress(psutil.NoSuchProcess):  # it ended since it was listed
            words = process.cmdline()
            if "services.ingest" in words:
                files.append(words[-1])
    for file in files:
        with contextlib.suppress(FileNotFoundError):  # a process that is ending may outlive its file
            found.add(json.loads(Path(file).read_text())["event"])
    return found


@pytest.mark.slow
def test_games_of_a_series_come_and_go(tmp_path):
    text = (SAMPLES / "taking.yaml").read_text()
    head, _, rest = text.partition("  markets:")
    (tmp_path / "series.yaml").write_text(head + SERIES + rest[rest.index("  sources:") :])
    up = start(tmp_path, "up", SAMPLES / "policy.yaml", "series.yaml", "--speed", "400", "--json")
    try:
        until(lambda: len(followed(tmp_path)) == 2)
        first = set(followed(tmp_path))
        until(lambda: sets(tmp_path) == first)
        # One of them ends, is settled and booked; its place is taken by another.
        until(lambda: len(set(followed(tmp_path)) - first) > 0, 120)
        gone = first - set(followed(tmp_path))
        assert gone
        until(lambda: not sets(tmp_path) & gone)
    finally:
        up.send_signal(signal.SIGINT)
        out, err = up.communicate(timeout=60)
    assert up.returncode == 0, err
    summary = json.loads(out)
    assert summary["decisions"] > 0
    assert summary["orders"] == summary["venue_accepted_orders"]
    assert summary["resting_orders"] == 0
    assert mine(tmp_path) == []
