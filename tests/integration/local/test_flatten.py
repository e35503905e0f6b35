"""`touchline flatten` on a recorded game: shown, confirmed, sold once, also when the executor dies in between."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis

from tests.integration.local.touchline import UP, items, mine, ready, run, start, until
from trading_logic.contracts.topics import RecordTopics

SAMPLES = Path(__file__).parents[3] / "manifests" / "samples"


@pytest.fixture
def trading(tmp_path):
    """`up` with a strategy that enters early and never leaves by itself; ends with nothing left."""
    text = (SAMPLES / "taking.yaml").read_text()
    for old, new in (('stopLoss: "0.10"', 'stopLoss: "0.95"'), ('takeProfit: "0.15"', 'takeProfit: "0.95"')):
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "holding.yaml").write_text(text)
    up = start(tmp_path, "up", SAMPLES / "policy.yaml", "holding.yaml")
    try:
        until(lambda: ready(tmp_path))
        yield tmp_path
    finally:
        up.send_signal(signal.SIGINT)
        up.communicate(timeout=60)
    assert mine(tmp_path) == []


def record(where: Path) -> tuple[Any, RecordTopics]:
    told = json.loads((where / ".touchline" / "run.json").read_text())
    return redis.Redis.from_url(told["record_url"]), RecordTopics(told["namespace"], "house")


def held(where: Path) -> dict[str, int]:
    client, names = record(where)
    rows = [json.loads(body) for body in client.hvals(names.positions())]
    client.close()
    return {row["market"]: row["count"] for row in rows if row["count"]}


def fills(where: Path) -> list[dict[str, Any]]:
    lines = (where / ".touchline" / "last" / "sim" / "accepts.jsonl").read_text().splitlines()
    return [line for line in map(json.loads, lines) if line["kind"] == "fill"]


def never_turned(told: list[dict[str, Any]]) -> bool:
    """Whether no fill took a position through zero to the other side."""
    last: dict[str, float] = {}
    for fill in told:
        now = float(fill["position"])
        if last.get(fill["ticker"], 0.0) * now < 0:
            return False
        last[fill["ticker"]] = now
    return True


def by_hand(where: Path, words: list[str], typed: str) -> tuple[int, str]:
    """Run at a terminal, type one line; (exit code, what was shown)."""
    ours, theirs = pty.openpty()
    ended = subprocess.Popen([*UP, *words], cwd=where, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    os.close(theirs)
    os.write(ours, typed.encode())
    out, _ = ended.communicate(timeout=60)
    os.close(ours)
    return ended.returncode, out.decode()


@pytest.mark.slow
def test_nothing_is_sold_before_it_is_confirmed_and_then_all_of_it(trading):
    empty = run(trading, "flatten", "nobody")
    assert (empty.returncode, len(empty.stderr.splitlines())) == (2, 1)
    assert "no RiskPolicy or TradingStrategy nobody here; there is: house, taking" in empty.stderr
    until(lambda: held(trading))

    shown = run(trading, "flatten")
    assert shown.returncode == 1
    assert shown.stdout.startswith("MARKET")
    assert "Expected: $" in shown.stdout
    assert shown.stderr == "touchline: house: nothing was sent: confirm with --yes\n"
    code, text = by_hand(trading, ["flatten", "taking"], "no\n")
    assert code == 1
    assert "Type taking to sell this" in text
    client, names = record(trading)
    assert client.hgetall(names.flatten()) == {}
    assert all(float(fill["position"]) != 0 for fill in fills(trading)), "nothing was sold"

    told = json.loads((trading / ".touchline" / "run.json").read_text())
    far = ("--record", told["record_url"], "--bus", told["bus_url"], "--namespace", told["namespace"])
    elsewhere = run("/", "flatten", "house", *far, "--feed", "simulator", "--json")
    assert elsewhere.returncode == 1, elsewhere.stderr
    away = json.loads(elsewhere.stdout)
    assert away["plan"] == away["left"] != []
    assert {line["market"] for line in away["plan"]} <= set(held(trading)), (
        "it goes on trading, so more may be held now"
    )

    halted = run(trading, "halt", "--reason", "a test")
    assert halted.returncode == 0, halted.stderr
    refused = run(trading, "flatten", "--yes")
    assert refused.returncode == 1
    assert "halted by Manual: a test: while halted no order can be sent; touchline resume house first" in refused.stderr
    assert run(trading, "resume").returncode == 0
    until(lambda: ready(trading))

    sold = run(trading, "flatten", "--yes", "--json")
    assert sold.returncode == 0, sold.stderr
    told = json.loads(sold.stdout)
    assert (told["flat"], told["left"], told["policy"], told["strategy"]) == (True, [], "house", None)
    assert told["plan"]
    assert all(line["bidDollars"] and line["expectedFees"] for line in told["plan"])
    for line in told["plan"]:
        # It may have entered again since: a flatten is no halt.
        assert 0.0 in [float(fill["position"]) for fill in fills(trading) if fill["ticker"] == line["market"]]
    assert never_turned(fills(trading))
    assert client.hgetall(names.flatten()) == {}, "the request is taken back"
    client.close()


@pytest.mark.slow
def test_an_executor_that_is_killed_while_it_flattens_sells_nothing_twice(trading):
    until(lambda: held(trading))

    def executors() -> list[psutil.Process]:
        found = []
        for process in mine(trading):
            with contextlib.suppress(psutil.NoSuchProcess):
                if "services.executor" in process.cmdline():
                    found.append(process)
        return found

    flatten = subprocess.Popen(
        [*UP, "flatten", "taking", "--yes", "--json", "--for", "60s"], cwd=trading, stdout=subprocess.PIPE, text=True
    )
    client, names = record(trading)
    until(lambda: client.hgetall(names.flatten()))
    client.close()
    for pause in (0.0, 0.15, 0.4):
        time.sleep(pause)
        for process in executors():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        until(executors)
    out, _ = flatten.communicate(timeout=90)
    assert flatten.returncode == 0, out
    assert json.loads(out)["flat"]
    assert never_turned(fills(trading))
    assert items(trading)["taking"]["status"]["replicas"] == 1


def test_without_a_run_it_says_where_to_look(tmp_path):
    alone = run(tmp_path, "flatten", "house", "--yes")
    assert (alone.returncode, alone.stdout) == (1, "")
    assert alone.stderr.startswith("touchline: no touchline up runs in ")
    half = run(tmp_path, "flatten", "house", "--record", "redis://localhost:1")
    assert half.returncode == 2
    assert "a policy elsewhere needs --bus, --namespace, --feed too" in half.stderr
    shown = run(
        tmp_path, "flatten", "house", "--record", "redis://:hidden@h", "--bus", "redis://h", "--namespace", "n",
        "--feed", "demo",
    )  # fmt: skip
    assert shown.returncode == 2
    assert "the URL holds a password; put it into a file and name that: ?passwordFile=PATH" in shown.stderr
    assert "hidden" not in shown.stderr
    away = run(
        tmp_path, "flatten", "house", "--record", "redis://127.0.0.1:1", "--bus", "redis://127.0.0.1:1",
        "--namespace", "n", "--feed", "simulator",
    )  # fmt: skip
    assert (away.returncode, len(away.stderr.splitlines())) == (1, 1)
    assert "record Redis at redis://127.0.0.1:1" in away.stderr
