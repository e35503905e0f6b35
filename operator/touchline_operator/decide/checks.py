"""May this strategy trade? A chain of pure checks: the first that refuses puts the executor at zero and says why.

The order is from what cannot be trusted to what somebody asked for, so that the reason shown is the root.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from touchline_operator.api import RiskPolicy, TradingStrategy
from touchline_operator.decide.faults import spec_fault
from touchline_operator.desired.world import Invalid, World, feed_of
from touchline_operator.names import Reason


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not: a reason for machines, a sentence that says what to change for people."""

    reason: str
    """A Reason, or what a process reports."""
    message: str


@dataclass(frozen=True, slots=True)
class Input:
    """One strategy with its policy in its world."""

    world: World
    strategy: TradingStrategy
    policy: RiskPolicy | Invalid | None


Check = Callable[[Input], Refusal | None]


def policy_exists(at: Input) -> Refusal | None:
    name = at.strategy.spec.risk_policy_ref.name
    if at.policy is None:
        return Refusal(
            Reason.POLICY_NOT_FOUND, f"RiskPolicy {name} does not exist; apply it or change spec.riskPolicyRef.name"
        )
    if isinstance(at.policy, Invalid):
        return Refusal(Reason.INVALID_POLICY, f"RiskPolicy {name}: {at.policy.problems[0]}")
    return None


def mode_agrees(at: Input) -> Refusal | None:
    assert isinstance(at.policy, RiskPolicy)
    mine, theirs = at.strategy.spec.mode, at.policy.spec.mode
    if mine == theirs:
        return None
    return Refusal(
        Reason.MODE_MISMATCH,
        f"spec.mode is {mine}, RiskPolicy {at.policy.metadata.name} says {theirs}; both must say the same",
    )


def nobody_deleted(at: Input) -> Refusal | None:
    assert isinstance(at.policy, RiskPolicy)
    if at.strategy.metadata.deletion_timestamp:
        return Refusal(Reason.DELETED, "the strategy is being deleted")
    if at.policy.metadata.deletion_timestamp:
        return Refusal(Reason.DELETED, f"RiskPolicy {at.policy.metadata.name} is being deleted")
    return None


def account_is_ours(at: Input) -> Refusal | None:
    assert isinstance(at.policy, RiskPolicy)
    return account_refusal(at.world, at.policy)


def events_are_free(at: Input) -> Refusal | None:
    takers = _takers(at.world, at.strategy.spec.risk_policy_ref.name)
    mode, name = at.strategy.spec.mode, at.strategy.metadata.name
    for event in at.world.events_of(at.strategy):
        taker = takers[mode, event]
        if taker != name:
            return Refusal(
                Reason.EVENT_TAKEN,
                f"{event} is traded by the older strategy {taker}: one per policy and event; "
                f"remove it from spec.markets or use another policy",
            )
    return None


def _takers(world: World, policy: str) -> dict[tuple[str, str], str]:
    """(mode, event) -> the oldest of the policy's strategies that trades it."""
    known: dict[tuple[str, str], str] | None = world.memo.get(("takers", policy))
    if known is None:
        known = world.memo["takers", policy] = {}
        for strategy in world.good_strategies(policy):
            for event in world.events_of(strategy):
                known.setdefault((strategy.spec.mode, event), strategy.metadata.name)
    return known


def record_answers(at: Input) -> Refusal | None:
    assert isinstance(at.policy, RiskPolicy)
    if at.policy.metadata.name in at.world.facts:
        return None
    return Refusal(Reason.RECORD_UNREACHABLE, "the record Redis does not answer: whether to halt is not known")


def not_halted(at: Input) -> Refusal | None:
    assert isinstance(at.policy, RiskPolicy)
    facts = at.world.facts[at.policy.metadata.name]
    if not facts.stopped:
        return None
    causes = ", ".join(f"{cause.source} ({cause.reason or cause.id})" for cause in facts.causes)
    return Refusal(Reason.HALTED, f"RiskPolicy {at.policy.metadata.name} is halted: {causes}")


def processes_accept(at: Input) -> Refusal | None:
    assert isinstance(at.policy, RiskPolicy)
    found = spec_fault(at.world, at.strategy, at.policy)
    return Refusal(found.fault.reason, found.message) if found is not None else None


def wanted(at: Input) -> Refusal | None:
    if at.strategy.spec.suspend:
        return Refusal(Reason.SUSPENDED, "spec.suspend is true")
    if at.strategy.spec.executor.replicas == 0:
        return Refusal(Reason.SCALED_TO_ZERO, "spec.executor.replicas is 0")
    return None


CHAIN: tuple[Check, ...] = (
    policy_exists,
    mode_agrees,
    nobody_deleted,
    account_is_ours,
    events_are_free,
    record_answers,
    not_halted,
    processes_accept,
    wanted,
)


def refusal(world: World, strategy: TradingStrategy | Invalid) -> Refusal | None:
    """The first reason why the strategy's executor must be at zero, or None when it may run.

    A latch whose halt is not yet confirmed is no reason: the executor must drain first.
    """
    if isinstance(strategy, Invalid):
        return Refusal(Reason.INVALID_SPEC, "; ".join(str(problem) for problem in strategy.problems))
    at = Input(world, strategy, world.policy_by_name.get(strategy.spec.risk_policy_ref.name))
    for check in CHAIN:
        found = check(at)
        if found is not None:
            return found
    return None


def account_of(policy: RiskPolicy) -> tuple[str, str, int]:
    """What identifies the exchange account: environment, key and subaccount."""
    exchange = policy.spec.exchange
    # The simulator gives every policy without a key of its own a fresh account.
    key = exchange.credentials_secret_ref.name if exchange.credentials_secret_ref else f"policy/{policy.metadata.name}"
    return feed_of(policy), key, exchange.subaccount


def account_refusal(world: World, policy: RiskPolicy) -> Refusal | None:
    """Why the policy may not use its account: an older policy has it."""
    users: dict[tuple[str, str, int], str] | None = world.memo.get("accounts")
    if users is None:
        users = world.memo["accounts"] = {}
        for other in world.good_policies():
            users.setdefault(account_of(other), other.metadata.name)
    user = users[account_of(policy)]
    if user == policy.metadata.name:
        return None
    return Refusal(
        Reason.ACCOUNT_IN_USE,
        f"the account is used by the older RiskPolicy {user}: one policy per account; "
        f"change spec.exchange or delete one of them",
    )
