"""Read what is true: resources from the cluster, facts from the record, into one world for the pure core."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from touchline_operator import names
from touchline_operator.api import RiskPolicy, TradingStrategy, parse_policy, parse_strategy
from touchline_operator.desired.slate import Follower, follow
from touchline_operator.desired.world import Followed, Invalid, PolicyFacts, World, name_of
from touchline_operator.ports import Clock, Cluster, RecordUnreachableError, RiskFeed
from trading_logic.contracts.messages import Fault, Report, Slate

Raw = Mapping[str, Any]

SLATES_GOOD_MS = 500
"""Slates change in minutes: loops of one moment share one reading."""

FACTS_GOOD_MS = 3_000
"""How long the last answer of the record may stand in for a new one: a hiccup is no reason to scale to zero, and the
executors themselves fail closed at once."""
FAULT_KEPT_MS = 60_000
"""How long a fault of a process that fell silent is still held against it."""


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
        deletion_timestamp=meta.get("deletionTimestamp") or "",
        annotations=meta.get("annotations") or {},
    )


def taken_before(raw: Raw) -> tuple[Followed, ...]:
    """What a strategy followed when its status was last written: it outlives the operator and a silent catalog."""
    markets = (raw.get("status") or {}).get("markets") or ()
    return tuple(
        Followed(market["event"], market["series"])
        for market in markets
        if market["state"] == "Trading" and "series" in market
    )


def being_released(raw: Raw) -> bool:
    """Deleted and let go by us: only other people's finalizers keep it in being. Nothing is wanted for it any more."""
    meta = raw["metadata"]
    return bool(meta.get("deletionTimestamp")) and names.FINALIZER not in (meta.get("finalizers") or ())


def _said(report: Report | None) -> object:
    """The part of a report that conditions show."""
    return report and (report.ready, report.reason, report.message, report.faults)


@dataclass
class Gatherer:
    """Builds worlds. Remembers parsed resources by generation and the record's last answers by policy.

    `others_ms` is how old the record's answer may be for policies that a pass is not about.
    """

    cluster: Cluster
    feed: RiskFeed
    clock: Clock
    others_ms: int = 0
    _read: tuple[Sequence[Raw], World] = field(default_factory=lambda: ([], World()))
    _parsed: dict[tuple[str, str, int, str], RiskPolicy | TradingStrategy | Invalid] = field(default_factory=dict)
    _facts: dict[str, tuple[int, PolicyFacts]] = field(default_factory=dict)
    _reports: tuple[int, Mapping[str, Report]] = (-1_000_000, MappingProxyType({}))
    _faults: dict[str, tuple[int, tuple[Fault, ...]]] = field(default_factory=dict)
    _slates: tuple[int, frozenset[tuple[str, str]], dict[tuple[str, str], Slate]] = (0, frozenset(), {})

    async def world(self, about: str | None = None) -> World:
        """The world now, with fresh facts of policy `about`. Raises what the cluster raises.

        A silent record shows as missing facts. The same world again means that nothing changed.
        """
        resources = await self.cluster.resources()
        seen, before = self._read
        if resources is seen:
            strategies, policies = before.strategies, before.policies
        else:
            strategies, policies = self._parse(resources)
        facts = await self._all([name_of(policy) for policy in policies], about)
        await self.reports()
        faults = {process: found for process, (_, found) in self._faults.items()}
        base = before if resources is seen else World(strategies, policies)
        followed = await self._following(base, resources)
        told = (facts, faults, followed)
        if resources is seen and told == (before.facts, before.faults, before.followed):
            return before
        world = World(strategies, policies, facts, faults, followed)
        self._read = (resources, world)
        return world

    async def reports(self) -> Mapping[str, Report]:
        """The report of every process, at most `others_ms` old; none when the bus does not answer."""
        if not self.others_ms or self.clock.mono_ms() - self._reports[0] >= self.others_ms:
            await self.hear()
        return self._reports[1]

    async def hear(self) -> set[str]:
        """Read all reports now; the processes of which something else is to be said than before."""
        before, now = self._reports[1], self.clock.mono_ms()
        try:
            reports = await self.feed.reports()
        except RecordUnreachableError:
            reports = {}  # every process then shows as silent, which is what is known
        self._reports = (now, reports)
        for process, report in reports.items():
            found = tuple(fault for fault in report.faults if fault.spec)
            if found:
                self._faults[process] = (now, found)
            else:
                self._faults.pop(process, None)
        # A process that restarts is silent for a moment and has not changed its mind.
        self._faults = {p: kept for p, kept in self._faults.items() if now - kept[0] <= FAULT_KEPT_MS}
        return {p for p in before.keys() | reports.keys() if _said(before.get(p)) != _said(reports.get(p))}

    def _parse(
        self, resources: Sequence[Raw]
    ) -> tuple[tuple[TradingStrategy | Invalid, ...], tuple[RiskPolicy | Invalid, ...]]:
        fresh: dict[tuple[str, str, int, str], RiskPolicy | TradingStrategy | Invalid] = {}
        strategies: list[TradingStrategy | Invalid] = []
        policies: list[RiskPolicy | Invalid] = []
        for raw in resources:
            meta = raw["metadata"]
            if being_released(raw):
                continue
            # Annotations and a deletion do not raise the generation, but they do the resourceVersion.
            key = (raw["kind"], meta["uid"], meta["generation"], meta.get("resourceVersion", ""))
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
        return tuple(strategies), tuple(policies)

    async def _following(self, world: World, resources: Sequence[Raw]) -> dict[str, tuple[Followed, ...]]:
        """What the strategies of a world follow now."""
        wanted: frozenset[tuple[str, str]] | None = world.memo.get("slates")
        if wanted is None:
            wanted = world.memo["slates"] = frozenset(
                (feed, wish.series)
                for strategy in world.good_strategies()
                if (feed := world.feed_of(strategy)) is not None
                for wish in strategy.spec.slates
            )
        if not wanted:
            return {}
        slates = await self._read_slates(wanted)
        taken = {raw["metadata"]["name"]: taken_before(raw) for raw in resources if raw["kind"] == "TradingStrategy"}
        followers = [
            Follower(strategy, feed, taken[strategy.metadata.name])
            for strategy in world.good_strategies()
            if (feed := world.feed_of(strategy)) is not None
        ]
        return follow(followers, slates, self.clock.wall_ms())

    async def _read_slates(self, wanted: frozenset[tuple[str, str]]) -> dict[tuple[str, str], Slate]:
        at_ms, asked, known = self._slates
        now = self.clock.mono_ms()
        if asked == wanted and now - at_ms < SLATES_GOOD_MS:
            return known
        try:
            known = await self.feed.slates(wanted)
        except RecordUnreachableError:
            known = {}  # nothing comes and nothing goes
        self._slates = (now, wanted, known)
        return known

    async def _all(self, policies: list[str], about: str | None) -> dict[str, PolicyFacts]:
        found: dict[str, PolicyFacts] = {}
        for policy in policies:
            if policy != about and policy in self._facts:
                at_ms, facts = self._facts[policy]
                if self.clock.mono_ms() - at_ms < self.others_ms:
                    found[policy] = facts
                    continue
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
