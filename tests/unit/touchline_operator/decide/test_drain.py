from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.resources import policy, strategy
from touchline_operator import names
from touchline_operator.decide.drain import left_of_policy, left_of_strategy
from touchline_operator.desired.world import PolicyFacts, World
from touchline_operator.reconcile.gather import policy_of, strategy_of

STAMP = "2026-01-02T00:00:00Z"


def raw(made: dict[str, Any], **meta: Any) -> dict[str, Any]:
    made["metadata"] |= {"uid": "u", "generation": 1, "creationTimestamp": STAMP, "deletionTimestamp": STAMP, **meta}
    return made


def world(facts: PolicyFacts | None, *, with_policy: bool = True, **meta: Any) -> World:
    policies = (policy_of(raw(policy(), **meta)),) if with_policy else ()
    return World((strategy_of(raw(strategy(), **meta)),), policies, {"house": facts} if facts is not None else {})


def both(at: World, executors: int) -> tuple[str, str]:
    return (
        left_of_strategy(at, at.strategy_by_name["sunday"], executors),
        left_of_policy(at, at.policy_by_name["house"], executors),
    )


@pytest.mark.parametrize(
    ("facts", "executors", "told"),
    [
        (PolicyFacts(), 1, "executors still run"),
        (None, 0, "does not answer"),
        (PolicyFacts(writers=frozenset({"sunday"})), 0, "writer lease"),
        (PolicyFacts(open_orders={"sunday": 2}), 0, "have not ended"),
    ],
)
def test_a_deleted_resource_waits(facts: PolicyFacts | None, executors: int, told: str) -> None:
    assert all(told in left for left in both(world(facts), executors))
    excused = world(facts, annotations={names.ABANDON_ORDERS: "true"})
    assert both(excused, executors) == ("", "")
    refused = world(facts, annotations={names.ABANDON_ORDERS: "false"})
    assert all(both(refused, executors))


def test_nothing_left() -> None:
    assert both(world(PolicyFacts(open_orders={"other": 0})), 0) == ("", "")


def test_other_strategies_orders_hold_the_policy_only() -> None:
    mine, policys = both(world(PolicyFacts(open_orders={"other": 1}, writers=frozenset({"other"}))), 0)
    assert mine == ""
    assert "other" in policys


def test_a_strategy_without_its_policy_goes() -> None:
    at = world(None, with_policy=False)
    assert left_of_strategy(at, at.strategy_by_name["sunday"], 0) == ""
    assert left_of_strategy(at, at.strategy_by_name["sunday"], 1)
