from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.fakes.resources import EVENT, OTHER_EVENT, policy, strategy
from touchline_operator.desired.meta import LoopKey
from touchline_operator.desired.world import Followed, World
from touchline_operator.reconcile.affected import affected
from touchline_operator.reconcile.gather import policy_of, strategy_of


def parsed(raw: dict[str, Any]) -> Any:
    name = raw["metadata"]["name"]
    raw["metadata"] |= {"uid": name, "generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z"}
    return policy_of(raw) if raw["kind"] == "RiskPolicy" else strategy_of(raw)


def world(*resources: dict[str, Any]) -> World:
    made = [parsed(raw) for raw in resources]
    kinds = [raw["kind"] for raw in resources]
    return World(
        tuple(one for one, kind in zip(made, kinds, strict=True) if kind == "TradingStrategy"),
        tuple(one for one, kind in zip(made, kinds, strict=True) if kind == "RiskPolicy"),
    )


def keys(found: set[LoopKey]) -> set[str]:
    return {str(key) for key in found}


def test_the_same_resources_parsed_again_concern_nobody() -> None:
    assert affected(world(policy(), strategy()), world(policy(), strategy())) == set()


def test_one_new_strategy_among_others_wakes_its_own_loops() -> None:
    before = world(policy(), strategy("a", "KXA-1"), strategy("b", "KXB-1"))
    after = world(policy(), strategy("a", "KXA-1"), strategy("b", "KXB-1"), strategy("c", "KXC-1"))
    assert keys(affected(before, after)) == {
        "strategy/c", "policy/house", "feed/simulator", "event/simulator/KXC-1",
    }  # fmt: skip


def test_an_edit_wakes_the_old_event_the_new_one_and_the_sibling_that_waited() -> None:
    before = world(policy(), strategy("a", EVENT), strategy("b", EVENT))
    after = world(policy(), strategy("a", OTHER_EVENT), strategy("b", EVENT))
    found = keys(affected(before, after))
    assert {"strategy/a", "strategy/b", f"event/simulator/{EVENT}", f"event/simulator/{OTHER_EVENT}"} <= found


def test_a_limit_of_the_policy_concerns_its_strategies_only() -> None:
    others = (policy("second"), strategy("other", OTHER_EVENT, riskPolicyRef={"name": "second"}))
    before = world(policy(), strategy(), *others)
    after = world(policy(maxOrdersPerMinute=5), strategy(), *others)
    assert keys(affected(before, after)) == {"policy/house", "strategy/sunday"}


def test_a_policy_that_goes_frees_its_account_and_touches_the_feed() -> None:
    exchange = {"environment": "Demo", "credentialsSecretRef": {"name": "k"}}
    first, second = policy("first", exchange=exchange), policy("second", exchange=exchange)
    other = strategy("other", riskPolicyRef={"name": "second"})
    found = keys(affected(world(first, second, other), world(second, other)))
    assert {"policy/first", "policy/second", "strategy/other", "feed/demo", f"event/demo/{EVENT}"} <= found


def test_a_game_that_comes_by_series_wakes_its_follower_and_its_own_loops() -> None:
    wish = {"name": "nfl", "series": "KXNFLGAME", "startsWithinHours": 12, "maxEvents": 4}
    before = world(policy(), strategy("a", markets=[wish]), strategy("b", "KXB-1"))
    after = replace(before, followed={"a": (Followed("KXNFLGAME-A", "KXNFLGAME"),)}, memo={})
    expected = {"strategy/a", "policy/house", "feed/simulator", "event/simulator/KXNFLGAME-A"}
    assert keys(affected(before, after)) == expected
    assert keys(affected(after, before)) == expected
