"""Bad input that only a process can refuse: which field it names, and that it stops this strategy alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.fakes.resources import EVENT, OTHER_EVENT, policy, strategy
from touchline_operator.decide.checks import refusal
from touchline_operator.desired import processes
from touchline_operator.desired.meta import LoopKey
from touchline_operator.desired.platform import Endpoint, Platform
from touchline_operator.desired.render import render
from touchline_operator.desired.world import PolicyFacts, World
from touchline_operator.reconcile.gather import policy_of, strategy_of
from trading_logic.contracts.messages import Fault

PLATFORM = Platform("default", "redis://bus", "redis://record", endpoints={"Simulator": Endpoint("http://s", "ws://s")})
READ_ONLY = {"environment": "Simulator", "readOnlySecretRef": {"name": "read"}, "credentialsSecretRef": {"name": "all"}}


def world(**policy_spec) -> World:
    raw = [strategy(), strategy("other", OTHER_EVENT)]
    for at, made in enumerate(raw):
        made["metadata"]["creationTimestamp"] = f"2026-01-01T00:00:0{at}Z"
    return World(tuple(map(strategy_of, raw)), (policy_of(policy(**policy_spec)),), {"house": PolicyFacts()})


SOURCE = processes.source_process("simulator", world().strategies[0].spec.sources[0])


def executors(made: World) -> dict[str, int]:
    return {
        name: found["spec"]["replicas"]
        for name in ("sunday", "other")
        for found in render(made, LoopKey("strategy", name), PLATFORM)
        if found["kind"] == "Deployment" and found["metadata"]["name"] == processes.executor_name(name)
    }


@pytest.mark.parametrize(
    ("process", "fault", "said"),
    [
        (
            processes.catalog_name("simulator"),
            Fault("NoSuchEvent", "no event", spec=True, event=EVENT),
            "spec.markets[game]",
        ),
        (processes.decision_name("sunday", EVENT), Fault("UnknownModel", "no model", spec=True), "spec.analyst.models"),
        (
            processes.ingest_name("simulator", EVENT),
            Fault("KeyRefused", "401", spec=True),
            "RiskPolicy house: spec.exchange.readOnlySecretRef (Secret read)",
        ),
    ],
)
def test_a_fault_of_one_strategys_own_process_stops_it_alone(process, fault, said):
    made = replace(world(exchange=READ_ONLY), faults={process: (fault,)})
    found = refusal(made, made.strategies[0])
    assert (found.reason, found.message) == (fault.reason, f"{said}: {fault.message}")
    assert executors(made) == {"sunday": 0, "other": 1}


@pytest.mark.parametrize(
    ("process", "fault", "said"),
    [
        (SOURCE, Fault("UnknownPlugin", "no plug-in", spec=True), "spec.sources[game]"),
        (
            processes.ledger_name("house"),
            Fault("BadKey", "no file", spec=True),
            "RiskPolicy house: spec.exchange.credentialsSecretRef (Secret all)",
        ),
    ],
)
def test_a_fault_of_a_shared_process_stops_all_that_stand_on_it(process, fault, said):
    made = replace(world(exchange=READ_ONLY), faults={process: (fault,)})
    assert executors(made) == {"sunday": 0, "other": 0}
    assert {refusal(made, one).message for one in made.strategies} == {f"{said}: {fault.message}"}


def test_everything_else_is_rendered_as_before():
    calm = world()
    made = replace(world(), faults={SOURCE: (Fault("UnknownPlugin", "no plug-in", spec=True),)})
    for key in (LoopKey("strategy", "sunday"), LoopKey("policy", "house"), LoopKey("feed", "simulator")):
        for before, after in zip(render(calm, key, PLATFORM), render(made, key, PLATFORM), strict=True):
            if before != after:
                assert before["metadata"]["name"] == processes.executor_name("sunday")
                before["spec"]["replicas"] = 0
                assert before == after


def test_an_executors_own_fault_and_a_halt():
    own = {processes.executor_name("sunday"): (Fault("BadKey", "no file", spec=True),)}
    made = replace(world(), faults=own)
    assert refusal(made, made.strategies[0]) is None
