"""Read what is true: resources from the cluster, facts from the record, into one world for the pure core."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from touchline_operator.api import RiskPolicy, TradingStrategy, parse_policy, parse_strategy
from touchline_operator.desired.world import Invalid, PolicyFacts, World
from touchline_operator.ports import Clock, Cluster, RecordUnreachableError, RiskFeed

Raw = Mapping[str, Any]

FACTS_GOOD_MS = 3_000
"""How long the last answer of the record may stand in for a new one: a hiccup is no reason to scale to zero, and the
executors themselves fail closed at once."""


def strategy_of(raw: Raw) -> TradingStrategy | Invalid:
    """A strategy as the API holds it; one that does not parse keeps its name and its problems."""
    parsed = parse_strategy(raw)
    return _invalid(raw, parsed) if isinstance(parsed, tuple) else parsed


def policy_of(raw: Raw) -> RiskPolicy | Invalid:
    """A policy as the API holds it; one that does not parse keeps its name and its problems."""
    parsed = parse_policy(raw)
    return _invalid(raw, parsed) if isinstance(parsed, tuple) else parsed


def _invalid(raw: Raw, problems: tuple[Any, ...]) -> Invalid:
    meta = raw["metadata"]
    spec = raw.get("spec")
    ref = spec.get("riskPolicyRef") if isinstance(spec, dict) else None
    policy = ref.get("name") if isinstance(ref, dict) else None
    return Invalid(
        name=meta["name"],
        uid=meta.get("uid", ""),
        generation=meta.get("generation", 0),
        problems=problems,
        policy=policy if isinstance(policy, str) else "",
    )


@dataclass
class Gatherer:
    """Builds worlds. Remembers parsed resources by generation and the record's last answers by policy."""

    cluster: Cluster
    feed: RiskFeed
    clock: Clock
    _parsed: dict[tuple[str, str, int], RiskPolicy | TradingStrategy | Invalid] = field(default_factory=dict)
    _facts: dict[str, tuple[int, PolicyFacts]] = field(default_factory=dict)

    async def world(self) -> World:
        """The world now. Raises what the cluster raises; a silent record shows as missing facts."""
        resources = await self.cluster.resources()
        fresh: dict[tuple[str, str, int], RiskPolicy | TradingStrategy | Invalid] = {}
        strategies: list[TradingStrategy | Invalid] = []
        policies: list[RiskPolicy | Invalid] = []
        for raw in resources:
            meta = raw["metadata"]
            key = (raw["kind"], meta["uid"], meta["generation"])
            known = self._parsed.get(key) if not meta.get("deletionTimestamp") else None
            if raw["kind"] == "TradingStrategy":
                strategy = known if isinstance(known, TradingStrategy) else strategy_of(raw)
                strategies.append(strategy)
                fresh[key] = strategy
            else:
                policy = known if isinstance(known, RiskPolicy) else policy_of(raw)
                policies.append(policy)
                fresh[key] = policy
        self._parsed = fresh
        names = [policy.metadata.name for policy in policies if isinstance(policy, RiskPolicy)]
        return World(tuple(strategies), tuple(policies), await self._all(names))

    async def _all(self, policies: list[str]) -> dict[str, PolicyFacts]:
        found: dict[str, PolicyFacts] = {}
        for policy in policies:
            try:
                facts = await self.feed.facts(policy)
            except RecordUnreachableError:
                at_ms, facts = self._facts.get(policy, (0, PolicyFacts()))
                if self.clock.mono_ms() - at_ms > FACTS_GOOD_MS or policy not in self._facts:
                    continue
            else:
                self._facts[policy] = (self.clock.mono_ms(), facts)
            found[policy] = facts
        return found
