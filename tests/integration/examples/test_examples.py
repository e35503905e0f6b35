"""Each example as a person runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[3] / "examples"
MARKETS = ["KXNFLGAME-25SEP04DALPHI-PHI", "KXNFLGAME-25SEP04DALPHI-DAL"]


@pytest.mark.slow
def test_run_all_shows_every_process_and_ends_clean(tmp_path):
    done = subprocess.run(
        [sys.executable, EXAMPLES / "run_all.py", "--for", "20s"],
        cwd=tmp_path, capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    shown = [line.split(" | ", 1) for line in done.stdout.splitlines()]
    started = [who.strip() for who, text in shown if text == "started"]
    for role in (
        "catalog",
        "ingest",
        "source",
        "consumer",
        "decision",
        "executor",
        "ledger",
        "simulator",
        "redis-bus",
        "redis-record",
    ):
        assert any(role in who for who in started), role
    assert any(who.startswith("touchline up") and "decisions" in text for who, text in shown)
    assert any("executor" in who and text.startswith("trading ") for who, text in shown)
    assert len([text for _, text in shown if text.startswith("ended, ")]) == len(started)


@pytest.fixture
def sim(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "touchline_operator", "sim", "--port", "0", "--state-dir", tmp_path / "sim", "--speed", "120"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    yield json.loads(process.stdout.readline())
    process.terminate()
    process.communicate(timeout=30)


def ws_probe(ready, *, key_id=None, markets=MARKETS):
    account = ready["accounts"][0]
    return subprocess.run(
        [sys.executable, EXAMPLES / "ws_probe.py", "--url", ready["ws_url"], "--key-id", key_id or account["key_id"],
         "--private-key", account["private_key_path"], "--seconds", "4", *markets],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_ws_probe_prints_frames_and_rates(sim):
    done = ws_probe(sim)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Connected(" in done.stdout
    assert done.stdout.count("SnapshotFrame(") == len(MARKETS)
    rates = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line.endswith("/s")}
    assert int(rates["SnapshotFrame"][0]) == len(MARKETS)
    assert all(rate.endswith("/s") for _, rate in rates.values())


def test_ws_probe_says_that_a_key_is_refused(sim):
    done = ws_probe(sim, key_id="nobody")
    assert done.returncode == 1
    assert "key_refused=True" in done.stdout
    assert "Traceback" not in done.stderr


def test_ws_probe_refuses_a_key_file_that_is_none(sim, tmp_path):
    sim["accounts"][0]["private_key_path"] = str(tmp_path / "none.pem")
    done = ws_probe(sim)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
