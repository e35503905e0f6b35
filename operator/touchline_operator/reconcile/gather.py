"""Read what is true: resources from the cluster, facts from the record, into one world for the pure core."""

from __future__ import annotations

import asyncio
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
Parsed = RiskPolicy | TradingStrategy | Invalid

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


def _version(raw: Raw) -> object:
    """Equal for raw objects that parse to the same: a status is not parsed."""
    meta = raw["metadata"]
    annotations = tuple(sorted((meta.get("annotations") or {}).items()))
    return raw["kind"], meta["uid"], meta["generation"], meta.get("deletionTimestamp"), annotations


def _said(report: Report | None) -> object:
    """The part of a report that conditions show."""
    return report and (report.ready, report.reason, report.message, report.faults)


@dataclass
class Gatherer:
    """Builds worlds. Remembers parsed resources by generation and the record's last answers by policy.

    `others_ms` is how old the record's answer may be for policies that a pass is not about. `burst_ms` is how long
    edits are gathered before a pass that no halt waits for sees the next of them.
    """

    cluster: Cluster
    feed: RiskFeed
    clock: Clock
    others_ms: int = 0
    burst_ms: int = 0
    _world: World = field(default_factory=World)
    _base: World = field(default_factory=World)
    """Resources alone, as of `_listed`."""
    _listed: Sequence[Raw] = ()
    _parsed: dict[int, tuple[Raw, object, Parsed | None]] = field(default_factory=dict)
    """By identity of the raw object, with its version: what did not change is the same object."""
    _versions: dict[object, Parsed] = field(default_factory=dict)
    """By what is parsed of it: a status that was written changes the raw object and nothing here."""
    _facts: dict[str, tuple[int, PolicyFacts]] = field(default_factory=dict)
    _expired: set[str] = field(default_factory=set)
    _reports: tuple[int, Mapping[str, Report]] = (-1_000_000, MappingProxyType({}))
    _faults: dict[str, tuple[int, tuple[Fault, ...]]] = field(default_factory=dict)
    _slates: tuple[int, frozenset[tuple[str, str]], dict[tuple[str, str], Slate]] = (0, frozenset(), {})
    _changed_ms: int = -1_000_000
    """When the resources last said something else."""

    def expire(self, policy: str) -> None:
        """The record of this policy said that something changed: what was read before does not count."""
        if policy in self._facts:
            self._expired.add(policy)

    async def world(self, about: str | None = None, good_ms: int = 0) -> World:
        """The world now, with facts of policy `about` at most `good_ms` old. Raises what the cluster raises.

        A silent record shows as missing facts. The same world again means that nothing changed.
        """
        resources, base = await self._resources(urgent=about is not None and not good_ms)
        facts = await self._all([name_of(policy) for policy in base.policies], about, good_ms)
        await self.reports()
        faults = {process: found for process, (_, found) in self._faults.items()}
        followed = await self._following(base, resources)
        # Only now: another pass may have come to the same while this one waited.
        before = self._world
        same = base.strategies is before.strategies and base.policies is before.policies
        if same and (facts, faults, followed) == (before.facts, before.faults, before.followed):
            return before
        self._world = World(base.strategies, base.policies, facts, faults, followed)
        return self._world

    async def _resources(self, *, urgent: bool) -> tuple[Sequence[Raw], World]:
        """What stands in the cluster, and a world of it alone; what is not urgent waits until a burst can be shared."""
        while True:
            resources = await self.cluster.resources()
            if resources is self._listed:
                return resources, self._base
            strategies, policies = self._parse(resources)
            if (strategies, policies) == (self._base.strategies, self._base.policies):
                self._listed = resources
                return resources, self._base
            now = self.clock.mono_ms()
            wait_ms = 0 if urgent else self._changed_ms + self.burst_ms - now
            if wait_ms <= 0:
                self._changed_ms = now
                self._listed, self._base = resources, World(strategies, policies)
                return resources, self._base
            await asyncio.sleep(wait_ms / 1000)

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
        fresh: dict[int, tuple[Raw, object, Parsed | None]] = {}
        versions: dict[object, Parsed] = {}
        strategies: list[TradingStrategy | Invalid] = []
        policies: list[RiskPolicy | Invalid] = []
        for raw in resources:
            known = self._parsed.get(id(raw))
            if known is None or known[0] is not raw:
                known = (raw, *self._one(raw))
            fresh[id(raw)] = known
            _, version, parsed = known
            if parsed is None:
                continue
            versions[version] = parsed
            if raw["kind"] == "TradingStrategy":
                assert not isinstance(parsed, RiskPolicy)
                strategies.append(parsed)
            else:
                assert not isinstance(parsed, TradingStrategy)
                policies.append(parsed)
        self._parsed, self._versions = fresh, versions
        return tuple(strategies), tuple(policies)

    def _one(self, raw: Raw) -> tuple[object, Parsed | None]:
        """The resource's version and, parsed once per version, the resource; None for one that is being released."""
        version = _version(raw)
        if being_released(raw):
            return version, None
        known = self._versions.get(version)
        if known is not None:
            return version, known
        return version, strategy_of(raw) if raw["kind"] == "TradingStrategy" else policy_of(raw)

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

    async def _all(self, policies: list[str], about: str | None, good_ms: int) -> dict[str, PolicyFacts]:
        found: dict[str, PolicyFacts] = {}
        for policy in policies:
            if policy in self._facts and policy not in self._expired:
                at_ms, facts = self._facts[policy]
                if self.clock.mono_ms() - at_ms < (good_ms if policy == about else self.others_ms):
                    found[policy] = facts
                    continue
            self._expired.discard(policy)  # before the question: news during it expire the answer
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
