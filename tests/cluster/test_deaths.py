"""Pods die while it trades: it trades again by itself, and no order leaves twice."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

import pytest

from tests.cluster.figures import Figure
from tests.cluster.judge import accepted, twice
from tests.cluster.release import Release, now_ms, until
from tests.cluster.trading import RECOVERED_S
from touchline_operator import names

pytestmark = [pytest.mark.cluster, pytest.mark.node, pytest.mark.timeout(300)]


@pytest.mark.parametrize("role", ["executor", "ledger", "ingest", "operator"])
def test_a_killed_pod_is_replaced_and_nothing_is_sent_twice(trading: Release, figure: Figure, role: str) -> None:
    at = trading
    if role == "operator":
        at.keep_log()
    selector = f"{names.COMPONENT}={role}"
    before = {pod["metadata"]["uid"] for pod in at.pods(selector=selector)}
    killed = now_ms()
    at.kill(role)
    until(lambda: ready(at, selector, before), RECOVERED_S, f"no new {role} is ready")
    figure(f"{role} killed -> its successor ready", (now_ms() - killed) / 1000, 15)
    back = now_ms()
    until(lambda: accepted(at.log(), back), RECOVERED_S, "no order")
    assert twice(at.log()) == []
    assert at.policy()["status"].get("halt") is None


def test_a_pod_that_is_told_to_stop_while_it_starts_does_so(trading: Release) -> None:
    at = trading
    name = at.deployment("ledger")["metadata"]["name"]
    at.kubectl("delete", "pod", "-l", f"{names.INSTANCE}={name}", "--wait=false")
    young = until(lambda: [pod for pod in at.pods("ledger") if running(pod) and age_s(pod) < 10], 60, "no new ledger")
    told = time.monotonic()
    at.kubectl("delete", "pod", young[0]["metadata"]["name"])
    assert time.monotonic() - told < young[0]["spec"]["terminationGracePeriodSeconds"] - 5


def running(pod: dict[str, Any]) -> bool:
    return any("running" in status["state"] for status in pod["status"].get("containerStatuses", ()))


def age_s(pod: dict[str, Any]) -> float:
    return time.time() - datetime.fromisoformat(pod["metadata"]["creationTimestamp"]).timestamp()


def ready(at: Release, selector: str, before: set[str]) -> bool:
    """Pods of the selector are ready, and none of them was there before."""
    pods = at.pods(selector=selector)
    return (
        bool(pods)
        and before.isdisjoint(pod["metadata"]["uid"] for pod in pods)
        and all({"Ready": "True"}.items() <= conditions(pod).items() for pod in pods)
    )


def conditions(pod: dict[str, Any]) -> dict[str, str]:
    return {c["type"]: c["status"] for c in pod["status"].get("conditions", ())}
