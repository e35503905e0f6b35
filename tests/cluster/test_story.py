"""What a person does with a fresh cluster: install, apply, watch it trade, halt, resume, delete, uninstall."""

from __future__ import annotations

import time

import pytest

from tests.cluster.figures import Figure
from tests.cluster.judge import accepted, groups, resting, twice
from tests.cluster.release import SAMPLES, Release, now_ms, until
from touchline_operator import names

pytestmark = [pytest.mark.cluster, pytest.mark.node, pytest.mark.timeout(480)]


def test_install_trade_halt_resume_delete_uninstall(empty: Release, figure: Figure) -> None:
    at = empty
    at.helm("install", **{"simulator.admin": "true", "simulator.pregameSeconds": "20"})

    began = time.monotonic()
    at.kubectl("apply", "-f", str(SAMPLES))
    until(lambda: at.kube.children() and not at.unready(), 60, "pods are not ready")
    ready_s = time.monotonic() - began
    until(lambda: accepted(at.log()), 120, "no order was accepted")
    trading_s = time.monotonic() - began
    figure("apply -> all pods ready", ready_s, 60)
    figure("apply -> first order accepted", trading_s, 60)
    until(lambda: all_filled(at), 30, "a column is empty")

    ordered = now_ms()
    said = at.plugin("halt", "--reason", "half time")
    assert "halted; nothing rests" in said
    confirmed = at.confirmed_ms()
    assert ordered < confirmed
    until(lambda: not at.pods("executor"), 30, "executor pods stay")
    described = at.kubectl("describe", "riskpolicy", "house")
    for text in ("HaltRequested", "HaltConfirmed", "Manual: half time", "Confirmed Time"):
        assert text in described
    assert "half time" in at.kubectl("describe", "tstrat", "taking")
    time.sleep(3)  # time in which a trader would have sent more
    assert accepted(at.log(), confirmed) == []
    assert resting(at.log()) == set()

    assert "no cause is left" in at.plugin("resume")
    resumed = now_ms()
    before = groups(at.log())
    until(lambda: accepted(at.log(), resumed), 90, "no order after the resume")
    assert not groups(at.log(), resumed) & before, "an order group of the old epoch takes orders again"

    at.kubectl("delete", "tstrat", "--all", "--timeout=60s")
    at.kubectl("delete", "rpol", "--all", "--timeout=60s")
    lines = at.log()
    assert resting(lines) == set()
    assert twice(lines) == []
    at.keep_log()
    assert at.unexpected == []
    at.uninstall()
    until(lambda: not at.kube.list("Pod"), 60, "pods stay")
    assert [made for kind in names.KINDS for made in at.kube.list(kind)] == []
    assert at.kube.list("Deployment") == []


def all_filled(at: Release) -> bool:
    """Every column of both kinds says something, and it is what the trader expects."""
    shown = at.kubectl("get", "tstrat,rpol", "--no-headers").split("\n")
    strategies = [line.split() for line in shown if line.startswith("tradingstrategy")]
    policies = [line.split() for line in shown if line.startswith("riskpolicy")]
    return (
        [len(row) for row in strategies] == [10, 10]
        and [row[7:9] for row in strategies] == [["True", "False"]] * 2
        and [row[1:4] for row in policies] == [["false", "False", "NotHalted"]]
        and [len(row) for row in policies] == [8]
    )
