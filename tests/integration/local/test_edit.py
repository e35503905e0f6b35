"""Editing a file while `touchline up` runs is `kubectl apply`, removing a market from it too."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
from pathlib import Path

import pytest

from tests.integration.local.touchline import SAMPLES, UP, items, mine, until

WINNER, SPREAD = "KXNFLGAME-25SEP07BALBUF", "KXNFLSPREAD-25SEP07BALBUF"
MARKETS = f"  markets:\n    - {{name: winner, event: {WINNER}}}\n    - {{name: spread, event: {SPREAD}}}\n"


def strategy() -> str:
    head, _, rest = (SAMPLES / "taking.yaml").read_text().partition("  markets:")
    return head + MARKETS + rest[rest.index("  sources:") :]


def shown(where) -> dict:
    return items(where).get("taking", {})


def markets(where) -> dict[str, str]:
    return {m["event"]: m["state"] for m in shown(where).get("status", {}).get("markets", [])}


def ready(where) -> bool:
    found = shown(where)
    status = found.get("status", {})
    conditions = {c["type"]: c["status"] for c in status.get("conditions", [])}
    return conditions.get("Ready") == "True" and status["observedGeneration"] == found["metadata"]["generation"]


def config(where, role: str, event: str) -> dict:
    """The configuration of the running process of a role and event; empty while there is none."""
    for process in mine(where):
        words = process.cmdline()
        if f"services.{role}" in words:
            # A process that is ending may outlive its file.
            with contextlib.suppress(FileNotFoundError):
                found = json.loads(Path(words[-1]).read_text())
                if found["event"] == event:
                    return found
    return {}


@pytest.mark.slow
def test_edits_of_a_file_apply_while_it_runs(tmp_path):
    words = ["up", str(SAMPLES / "policy.yaml"), "strategy.yaml", "--speed", "100", "--json"]
    file = tmp_path / "strategy.yaml"
    file.write_text(strategy())
    said = tmp_path / "stderr"
    with said.open("w") as stderr:
        up = subprocess.Popen([*UP, *words], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=stderr)
    try:
        until(lambda: ready(tmp_path) and set(markets(tmp_path)) == {WINNER, SPREAD})
        assert config(tmp_path, "decision", SPREAD)["entry"]["minEdge"] == 200

        # Broken: what ran goes on. The next good version is applied.
        file.write_text(strategy().replace('minEdge: "0.02"', "minEdge: nonsense"))
        until(lambda: "nonsense" in said.read_text())
        assert "the last good version stays" in said.read_text()
        assert shown(tmp_path)["metadata"]["generation"] == 1
        assert config(tmp_path, "decision", SPREAD)["entry"]["minEdge"] == 200

        # Changed: the processes that it concerns get it.
        file.write_text(strategy().replace('minEdge: "0.02"', 'minEdge: "0.03"'))
        until(lambda: config(tmp_path, "decision", SPREAD).get("entry", {}).get("minEdge") == 300)
        until(lambda: ready(tmp_path))
        assert shown(tmp_path)["metadata"]["generation"] == 2

        # Removed: nobody decides on it any more; its feed stays until it holds nothing, then goes too.
        kept = strategy().replace(f"    - {{name: spread, event: {SPREAD}}}\n", "")
        file.write_text(kept)
        until(lambda: not config(tmp_path, "decision", SPREAD))
        assert markets(tmp_path).get(SPREAD, "Draining") == "Draining"
        until(lambda: set(markets(tmp_path)) == {WINNER}, 200)
        until(lambda: not config(tmp_path, "ingest", SPREAD))
        assert config(tmp_path, "ingest", WINNER)
    finally:
        up.send_signal(signal.SIGINT)
        try:
            up.wait(60)
        finally:
            up.kill()  # nothing, once it has ended
    assert up.returncode == 0, said.read_text()
    assert mine(tmp_path) == []
