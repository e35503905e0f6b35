"""PURE: which loops a change of the resources concerns, so that one edit among a thousand wakes a few."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import TypeVar

from touchline_operator.api import RiskPolicy, TradingStrategy
from touchline_operator.decide.checks import account_of
from touchline_operator.desired import network, processes
from touchline_operator.desired.meta import LoopKey
from touchline_operator.desired.needs import strategy_events
from touchline_operator.desired.processes import strategy_processes
from touchline_operator.desired.world import Invalid, World, feed_of

R = TypeVar("R", bound="TradingStrategy | RiskPolicy | Invalid")


def affected(before: World, after: World) -> set[LoopKey]:
    """Keys that may have to do something else now. The resync finds what this does not."""
    keys: set[LoopKey] = set()
    events: set[tuple[str, str]] = set()
    changed = {name: (old, new) for name, old, new in _changes(before.strategy_by_name, after.strategy_by_name)}
    for name in before.followed.keys() | after.followed.keys():
        if before.followed.get(name) != after.followed.get(name):
            changed.setdefault(name, (before.strategy_by_name.get(name), after.strategy_by_name.get(name)))
    for name, (old, new) in changed.items():
        keys.add(LoopKey("strategy", name))
        for world, one in ((before, old), (after, new)):
            if isinstance(one, TradingStrategy):
                policy = one.spec.risk_policy_ref.name
                keys |= _shared(world, one)
                keys.add(LoopKey("policy", policy))
                events |= {(policy, event) for event in world.events_of(one)}
            elif one is not None and one.policy:
                keys.add(LoopKey("policy", one.policy))
    if events:
        # One strategy per policy and event: a younger one may now be free, or no longer be.
        for other in after.good_strategies():
            policy = other.spec.risk_policy_ref.name
            if any((policy, event) in events for event in after.events_of(other)):
                keys.add(LoopKey("strategy", other.metadata.name))
    return keys | _of_policies(before, after)


def of_policy(world: World, name: str) -> set[LoopKey]:
    """The loops that a policy's record concerns."""
    return {LoopKey("policy", name)} | {
        LoopKey("strategy", strategy.metadata.name) for strategy in world.good_strategies(name)
    }


def of_processes(world: World, reported: AbstractSet[str]) -> set[LoopKey]:
    """The loops whose conditions or executors hang on what these processes report."""
    if not reported:
        return set()
    return {key for name in reported for key in _by_process(world).get(name, ())}


def _by_process(world: World) -> Mapping[str, set[LoopKey]]:
    """Process -> the strategies and policies that stand on it."""
    known: dict[str, set[LoopKey]] | None = world.memo.get("by_process")
    if known is None:
        known = world.memo["by_process"] = {}
        for strategy in world.good_strategies():
            for name in strategy_processes(world, strategy):
                known.setdefault(name, set()).add(LoopKey("strategy", strategy.metadata.name))
                # Its DataFresh speaks of feeds and sources.
                known[name].add(LoopKey("policy", strategy.spec.risk_policy_ref.name))
        for policy in world.good_policies():
            name = processes.ledger_name(policy.metadata.name)
            known.setdefault(name, set()).update(of_policy(world, policy.metadata.name))
    return known


def _of_policies(before: World, after: World) -> set[LoopKey]:
    keys: set[LoopKey] = set()
    for name, old, new in _changes(before.policy_by_name, after.policy_by_name):
        if old is None or new is None:
            keys.add(network.LOOP)
        keys |= of_policy(before, name) | of_policy(after, name)
        accounts = {account_of(one) for one in (old, new) if isinstance(one, RiskPolicy)}
        feeds = {feed_of(one) for one in (old, new) if isinstance(one, RiskPolicy)}
        for other in after.good_policies():
            if account_of(other) in accounts:
                keys |= of_policy(after, other.metadata.name)
        if _spec(old) == _spec(new):
            continue
        # The feed's key comes from its policies, and owners may be policies: all shared loops of the feed look again.
        for strategy in after.good_strategies():
            if after.feed_of(strategy) in feeds:
                keys |= _shared(after, strategy)
    return keys


def _spec(policy: RiskPolicy | Invalid | None) -> object:
    """What shared loops read of a policy."""
    return policy.spec.exchange if isinstance(policy, RiskPolicy) else None


def _shared(world: World, strategy: TradingStrategy) -> set[LoopKey]:
    feed = world.feed_of(strategy)
    if feed is None:
        return set()
    return {LoopKey("feed", feed)} | {LoopKey("event", feed, event) for event in strategy_events(world, strategy)}


def _changes(before: Mapping[str, R], after: Mapping[str, R]) -> Iterator[tuple[str, R | None, R | None]]:
    for name in before.keys() | after.keys():
        old, new = before.get(name), after.get(name)
        # Parsed again after a status was written, equal all the same: nothing for anybody else.
        if old is not new and old != new:
            yield name, old, new
