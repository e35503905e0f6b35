"""Each single part dead in turn, and a halt: no order is accepted after it. Then the part comes back."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import halt_table
from tests.cluster.halt_table import Row
from tests.cluster.judge import accepted, resting, twice
from tests.cluster.release import Release, now_ms, ran, until
from tests.cluster.trading import make_it_trade
from touchline_operator import names

pytestmark = [pytest.mark.cluster, pytest.mark.node, pytest.mark.timeout(400)]
ON_ITS_WAY_MS = 1_000
WATCHED_S = 5.0
"""Longer than what a strategy of the tests lets pass between two orders."""
PATCH = '{"spec":{"halt":true,"haltReason":"drill"}}'


@dataclass(frozen=True)
class Case:
    """How a part dies and comes back, and how `Halted` reads until it is back."""

    kill: Callable[[Release], None]
    revive: Callable[[Release], None]
    halted: str
    latched: tuple[str, ...] = ("the operator", "the ledger")
    """Who may be the first to latch."""


def scaled(what: str, component: str) -> tuple[Callable[[Release], None], Callable[[Release], None]]:
    """A part of the chart: nobody but us scales it."""

    def kill(at: Release) -> None:
        at.scale(what, 0)
        until(lambda: not at.pods(selector=f"{names.COMPONENT}={component}"), 60, f"the {component} stays")

    return kill, lambda at: at.scale(what, 1)


def kept_dead(role: str) -> tuple[Callable[[Release], None], Callable[[Release], None]]:
    """A process of the operator's: killed, while the namespace may start no pod."""

    def kill(at: Release) -> None:
        at.no_new_pods()
        at.kill(role)

    return kill, lambda at: at.new_pods()


CASES = {
    "operator": Case(*scaled("deployment/touchline-operator", "operator"), "not written", ("the ledger",)),
    "bus Redis": Case(*scaled("deployment/touchline-bus", "bus"), "True"),
    "record Redis": Case(*scaled("statefulset/touchline-record", "record"), "Unknown: RecordUnreachable"),
    "ledger": Case(*kept_dead("ledger"), "False: Draining", ("the operator",)),
    "executors": Case(*kept_dead("executor"), "True"),
}


@pytest.mark.parametrize("part", CASES)
def test_no_order_is_accepted_after_a_halt_with_one_part_dead(trading: Release, part: str) -> None:
    at, case = trading, CASES[part]
    if part == "operator":
        at.keep_log()
    case.kill(at)
    died = now_ms()
    at.kubectl("patch", "riskpolicy", "house", "--type", "merge", "-p", PATCH)
    latched = "nobody: no gate opens without the record"
    if part != "record Redis":
        cause = until(lambda: at.record("hget", at.topics().latch(), "manual"), 30, "no cause is latched")
        body = json.loads(cause)
        died = body["time_ms"]
        assert said(body) in case.latched
        latched = " or ".join(case.latched)
    until(lambda: shown(at) == case.halted, 60, f"Halted reads {shown(at)!r}")
    if part == "operator":
        until(at.confirmed_ms, 30, "the ledger does not confirm")
    if part == "record Redis":
        until(lambda: not at.pods("executor"), 60, "executors run without a record")
    time.sleep(WATCHED_S)
    assert shown(at) == case.halted
    after = len(accepted(at.log(), died + ON_ITS_WAY_MS))

    case.revive(at)
    until(at.halted, 120, "not halted when the part is back")
    lines = at.log()
    assert resting(lines) == set()
    assert len(accepted(lines, died + ON_ITS_WAY_MS)) == after
    settle(at, Row(part, "`kubectl patch`", latched, after, case.halted))


def test_no_order_is_accepted_after_a_halt_without_an_api_server(trading: Release, tmp_path: Path) -> None:
    at = trading
    stop, start = (os.environ.get(f"TOUCHLINE_{verb}_API_SERVER") for verb in ("STOP", "START"))
    if not stop or not start:
        pytest.skip("TOUCHLINE_STOP_API_SERVER and TOUCHLINE_START_API_SERVER do not say how to take it away")
    service = json.loads(at.kubectl("get", "service", "touchline-record", "-o", "json"))
    secret = at.kube.get("Secret", "touchline-record-password")
    assert secret is not None
    (tmp_path / "password").write_bytes(base64.b64decode(secret["data"]["password"]))
    record = f"redis://{service['spec']['clusterIP']}:6379/0?passwordFile={tmp_path}/password"
    subprocess.run(stop, shell=True, check=True)
    try:
        told = json.loads(
            ran(
                "touchline",
                "halt",
                "house",
                "--record",
                record,
                "--namespace",
                at.namespace,
                "--reason",
                "drill",
                "--json",
            )
        )
        time.sleep(WATCHED_S)
    finally:
        subprocess.run(start, shell=True, check=True)
    assert told["halted"], told
    (cause,) = told["causes"]
    until(at.halted, 60, "not halted when the API server is back")
    body = json.loads(at.record("hget", at.topics().latch(), cause))
    after = len(accepted(at.log(), body["time_ms"] + ON_ITS_WAY_MS))
    assert resting(at.log()) == set()
    settle(at, Row("API server", "`touchline halt --record`", said(body), after, "not written"))


LATCHERS = {"spec.halt": "the operator", "house-ledger-": "the ledger", "touchline halt": "the command itself"}


def said(cause: dict[str, Any]) -> str:
    """Who latched first, as the cause says."""
    return next(who for begin, who in LATCHERS.items() if str(cause["by"]).startswith(begin))


def shown(at: Release) -> str:
    """The Halted condition as a person reads it, as soon as it is about the present spec."""
    found = at.condition("RiskPolicy", "house", "Halted")
    if not found:
        return "not written"
    return "True" if found["status"] == "True" else f"{found['status']}: {found['reason']}"


def settle(at: Release, row: Row) -> None:
    """Trade again, and hold the row against the page."""
    make_it_trade(at)
    assert twice(at.log()) == []
    assert row.accepted_after == 0
    if os.environ.get(halt_table.REFRESH):
        halt_table.write(row)
    assert row.line() == halt_table.written(row.dead)
