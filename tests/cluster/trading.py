"""Two strategies on a large account that send an order every few seconds, and the way back to that from anywhere."""

from __future__ import annotations

from typing import Any

from tests.cluster.judge import accepted
from tests.cluster.release import Release, now_ms, sample, until
from trading_logic.contracts.record import MANUAL_CAUSE

VALUES = {
    "simulator.admin": "true",
    "simulator.pregameSeconds": "10",
    "simulator.speed": "12",
    "simulator.cash": "100000.00",
}
"""A game of fifteen minutes, and more money than one game can take."""
RECOVERED_S = 90.0
Object = dict[str, Any]


def policy() -> Object:
    (made,) = sample("policy")
    made["spec"] |= {"maxPositionDollars": "5000.00", "maxOrdersPerMinute": 600, "maxTradesPerDay": 10000}
    return made


def strategies() -> list[Object]:
    """The samples, asking for less before they act."""
    (taking,), (resting,) = sample("taking"), sample("resting")
    taking["spec"]["entry"]["minEdge"] = "0.005"
    resting["spec"]["entry"] |= {"minEdge": "0.005", "restSeconds": 2}
    return [taking, resting]


def make_it_trade(at: Release) -> None:
    """Everything that a test may have changed is as wanted again, and an order has been accepted since."""
    at.new_pods()
    at.apply(policy(), *strategies())
    for cause in at.causes():
        at.plugin("resume", *(() if cause == MANUAL_CAUSE else ("--halt-id", cause)))
    until(lambda: not at.unready() and len(at.kube.children("executor")) == len(strategies()), RECOVERED_S, "not ready")
    began = now_ms()
    until(lambda: accepted(at.log(), began), RECOVERED_S, "no order")
