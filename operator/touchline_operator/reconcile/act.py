"""One pass of one loop: world -> render -> apply the complete wanted state -> prune -> status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from touchline_operator import names
from touchline_operator.api import RiskPolicy, TradingStrategy
from touchline_operator.decide.halt import manual_cause
from touchline_operator.decide.status import Observed, policy_status, running, strategy_status
from touchline_operator.desired.meta import LoopKey, Object
from touchline_operator.desired.needs import strategy_events
from touchline_operator.desired.platform import Platform
from touchline_operator.desired.render import render
from touchline_operator.desired.world import World
from touchline_operator.ports import Clock, Cluster, RecordUnreachableError, RiskFeed
from touchline_operator.reconcile.gather import Gatherer
from trading_logic.contracts.messages import Report

STATUS_EVERY_MS = 15_000
"""Figures move all the time; a status is written at most this often, changes of conditions and halts at once."""


@dataclass
class Reconciler:
    """What a pass needs. Holds no decision between passes: only when it last wrote a status."""

    cluster: Cluster
    feed: RiskFeed
    clock: Clock
    platform: Platform
    status_every_ms: int = STATUS_EVERY_MS
    _status_at: dict[tuple[str, str], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._gatherer = Gatherer(self.cluster, self.feed, self.clock)

    async def world(self) -> World:
        return await self._gatherer.world()

    async def reconcile(self, key: LoopKey) -> None:
        """Make what `key` stands for true. Raises what the cluster or the record raise; may be repeated at any time."""
        world = await self.world()
        if key.kind == "policy":
            await self._latch(world, key.name)
        wanted = render(world, key, self.platform)
        # Zeros first: nothing that stops the money waits for an object that may fail to apply.
        for made in sorted(wanted, key=_order):
            await self.cluster.apply(made)
        await self._prune(key, wanted)
        if key.kind in {"policy", "strategy"}:
            await self._status(world, key)

    async def _latch(self, world: World, name: str) -> None:
        policy = world.policy_by_name.get(name)
        if not isinstance(policy, RiskPolicy):
            return
        now = self.clock.wall_ms()
        cause = manual_cause(policy, now)
        facts = world.facts.get(name)
        if cause is None or (facts is not None and any(known.id == cause.id for known in facts.causes)):
            return
        try:
            await self.feed.add_cause(name, cause, now)
        except RecordUnreachableError:
            # The world has no facts of this policy either, so the render below has every executor at zero.
            return

    async def _prune(self, key: LoopKey, wanted: list[Object]) -> None:
        keep = {(made["kind"], made["metadata"]["name"]) for made in wanted}
        stale = [
            found
            for found in await self.cluster.owned({names.LOOP: key.label})
            if (found["kind"], found["metadata"]["name"]) not in keep
        ]
        if stale and key.kind == "policy" and await self._executors_of(key.name):
            # The ledger ends a halt and watches what still rests: it goes after the last executor.
            return
        for found in sorted(stale, key=lambda found: found["kind"] != "Deployment"):
            await self.cluster.delete(found["kind"], found["metadata"]["name"])

    async def _executors_of(self, policy: str) -> int:
        found = await self.cluster.owned({names.POLICY: policy, names.COMPONENT: names.Role.EXECUTOR})
        return running(found, names.Role.EXECUTOR)

    async def _reports(self) -> Mapping[str, Report]:
        try:
            return await self.feed.reports()
        except RecordUnreachableError:
            return {}  # every process then shows as silent, which is what is known

    async def _deployments(self, world: World, key: LoopKey) -> list[Object]:
        """What `key` depends on: its own Deployments and, for a strategy, the shared ones of its feed and events."""
        keys = [key]
        strategy = world.strategy_by_name.get(key.name) if key.kind == "strategy" else None
        feed = world.feed_of(strategy) if isinstance(strategy, TradingStrategy) else None
        if isinstance(strategy, TradingStrategy) and feed is not None:
            keys.append(LoopKey("feed", feed))
            keys += [LoopKey("event", feed, event) for event in strategy_events(world, strategy)]
        found = [made for one in keys for made in await self.cluster.owned({names.LOOP: one.label})]
        return [made for made in found if made["kind"] == "Deployment"]

    async def _status(self, world: World, key: LoopKey) -> None:
        kind: names.Kind = "RiskPolicy" if key.kind == "policy" else "TradingStrategy"
        resources = await self.cluster.resources()
        found = next((r for r in resources if r["kind"] == kind and r["metadata"]["name"] == key.name), None)
        if found is None:
            return
        before: dict[str, Any] = found.get("status") or {}
        observed = Observed(
            deployments=await self._deployments(world, key),
            reports=await self._reports(),
            before=before,
            wall_ms=self.clock.wall_ms(),
        )
        if kind == "RiskPolicy":
            status = policy_status(world, world.policy_by_name[key.name], observed, await self._executors_of(key.name))
        else:
            status = strategy_status(world, world.strategy_by_name[key.name], observed, self.platform)
        if status == before:
            return
        now = self.clock.mono_ms()
        last = self._status_at.get((kind, key.name))
        if last is not None and now - last < self.status_every_ms and not _urgent(before, status):
            return
        await self.cluster.patch_status(kind, key.name, status)
        self._status_at[kind, key.name] = now


def _order(made: Object) -> tuple[bool, bool, str]:
    deployment = made["kind"] == "Deployment"
    stopping = deployment and made["spec"]["replicas"] == 0
    return not stopping, deployment, made["metadata"]["name"]


_FIGURES = frozenset({
    "equityDollars", "todayDollars", "drawdown", "restingOrders", "positionContracts", "pnlDollars"
})  # fmt: skip


def _urgent(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether anything but a figure changed."""

    def rest(status: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in status.items() if name not in _FIGURES}

    return rest(before) != rest(after)
