"""What still has to end before a deleted resource may go: no executor, no open order. Fail closed."""

from __future__ import annotations

from touchline_operator import names
from touchline_operator.api import RiskPolicy, TradingStrategy
from touchline_operator.desired.world import Invalid, World, name_of


def abandoned(resource: RiskPolicy | TradingStrategy | Invalid) -> bool:
    """Somebody took it on himself that orders may go on resting."""
    annotations = resource.annotations if isinstance(resource, Invalid) else resource.metadata.annotations
    return annotations.get(names.ABANDON_ORDERS) == "true"


def deleted(resource: RiskPolicy | TradingStrategy | Invalid) -> bool:
    """Whether its deletion was asked for."""
    stamp = resource.deletion_timestamp if isinstance(resource, Invalid) else resource.metadata.deletion_timestamp
    return bool(stamp)


def policy_named(strategy: TradingStrategy | Invalid) -> str:
    """The policy that a strategy names, also when the rest of it does not parse."""
    return strategy.policy if isinstance(strategy, Invalid) else strategy.spec.risk_policy_ref.name


def left_of_strategy(world: World, strategy: TradingStrategy | Invalid, executors: int) -> str:
    """What a deleted strategy waits for; "" when it may go. `executors` are its processes as observed."""
    if abandoned(strategy):
        return ""
    if executors:
        return f"{executors} executors still run"
    policy = policy_named(strategy)
    if policy not in world.policy_by_name:
        # A policy does not go before the orders of all its strategies have ended.
        return ""
    facts = world.facts.get(policy)
    if facts is None:
        return "the record Redis does not answer: whether orders rest is not known"
    name = name_of(strategy)
    if name in facts.writers:
        return "its executor still holds the writer lease"
    orders = facts.open_orders.get(name, 0)
    return f"{orders} of its orders have not ended" if orders else ""


def left_of_policy(world: World, policy: RiskPolicy | Invalid, executors: int) -> str:
    """What a deleted policy waits for; "" when it may go. `executors` are those of all its strategies."""
    if abandoned(policy):
        return ""
    if executors:
        return f"{executors} executors still run"
    facts = world.facts.get(name_of(policy))
    if facts is None:
        return "the record Redis does not answer: whether orders rest is not known"
    if facts.writers:
        return f"executors still hold the writer lease: {', '.join(sorted(facts.writers))}"
    orders = sum(facts.open_orders.values())
    return f"{orders} orders have not ended" if orders else ""


def waiting(left: str) -> str:
    """The sentence of a condition."""
    return f'being deleted; {left}; annotation {names.ABANDON_ORDERS}: "true" lets it go all the same'
