"""A halt by `kubectl patch` on a node, against the figures that were asked for."""

from __future__ import annotations

import time

import pytest

from tests.cluster.figures import Figure
from tests.cluster.judge import accepted, groups, resting
from tests.cluster.release import Release, now_ms, until

pytestmark = [pytest.mark.cluster, pytest.mark.node, pytest.mark.timeout(300)]
MARKET = "KXNFLGAME-25SEP07BALBUF-BUF"
ORDERS = 20


def test_a_patch_ends_twenty_resting_orders(trading: Release, figure: Figure) -> None:
    at = trading
    for number in range(ORDERS):
        at.place(MARKET, "0.0100", "1.00", f"by-hand-{now_ms()}-{number}")
    until(lambda: int(at.record("hget", at.topics().risk(), "resting")) >= ORDERS, 30, "the ledger does not see them")
    assert len(resting(at.log())) >= ORDERS

    ordered = now_ms()
    at.kubectl("patch", "riskpolicy", "house", "--type", "merge", "-p", '{"spec":{"halt":true,"haltReason":"fog"}}')
    until(at.halted, 24, "not halted")
    halted = now_ms()
    until(lambda: not at.pods("executor"), 30, "executor pods stay")
    gone = now_ms()
    confirmed = at.confirmed_ms()
    figure(f"patch -> confirmed, {ORDERS} orders resting", (confirmed - ordered) / 1000, 4)
    figure("patch -> Halted=True", (halted - ordered) / 1000, 8)
    figure("confirmed -> no executor pod", (gone - confirmed) / 1000, 3)
    time.sleep(3)  # time in which a trader would have sent more
    lines = at.log()
    assert resting(lines) == set()
    assert accepted(lines, confirmed) == []
    status = at.policy()["status"]
    assert (status["halt"]["state"], status["restingOrders"]) == ("confirmed", 0)

    before, resumed = groups(lines), now_ms()
    at.kubectl("patch", "riskpolicy", "house", "--type", "merge", "-p", '{"spec":{"halt":false,"haltReason":""}}')
    until(lambda: accepted(at.log(), resumed), 60, "no order after the resume")
    assert not groups(at.log(), resumed) & before, "an order group of the old epoch takes orders again"
