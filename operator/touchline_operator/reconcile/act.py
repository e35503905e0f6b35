"""One pass of one loop: world -> render -> apply the complete wanted state -> prune -> status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from touchline_operator import names
from touchline_operator.api import RiskPolicy, TradingStrategy
from touchline_operator.decide.drain import abandoned, deleted, left_of_policy, left_of_strategy, policy_named
from touchline_operator.decide.halt import manual_cause
from touchline_operator.decide.mirror import behind, to_assert
from touchline_operator.decide.status import Observed, policy_status, running, strategy_status
from touchline_operator.desired.meta import LoopKey, Object
from touchline_operator.desired.needs import strategy_events
from touchline_operator.desired.platform import Platform
from touchline_operator.desired.render import render
from touchline_operator.desired.world import Invalid, World
from touchline_operator.names import Condition
from touchline_operator.ports import Clock, Cluster, RecordUnreachableError, RiskFeed
from touchline_operator.reconcile.gather import Gatherer, being_released

STATUS_EVERY_MS = 15_000
"""Figures move all the time; a status is written at most this often, changes of conditions and halts at once."""
MOMENT_MS = 100
"""Strategies that look at one moment share one reading of the record; its own nudge ends the moment."""


@dataclass
class Reconciler:
    """What a pass needs. Holds no decision between passes: only when it last wrote a status."""

    cluster: Cluster
    feed: RiskFeed
    clock: Clock
    platform: Platform
    status_every_ms: int = STATUS_EVERY_MS
    settle_ms: int = 0
    """How long what only describes (messages, replicas, a rollout) waits after a write."""
    others_ms: int = 0
    """How old the record's answer may be for policies that a pass is not about."""
    burst_ms: int = 0
    """How long edits are gathered for all but the passes of policies."""
    _status_at: dict[tuple[str, str], int] = field(default_factory=dict)
    _due_ms: dict[LoopKey, int] = field(default_factory=dict)
    _names: tuple[Sequence[Object], dict[tuple[str, str], Object]] = field(default_factory=lambda: ([], {}))

    def __post_init__(self) -> None:
        self._gatherer = Gatherer(self.cluster, self.feed, self.clock, self.others_ms, self.burst_ms)

    async def world(self) -> World:
        return await self._gatherer.world()

    async def hear(self) -> set[str]:
        """Read what the processes report; those of which something else is to be said than before."""
        return await self._gatherer.hear()

    async def reconcile(self, key: LoopKey) -> World:
        """Make what `key` stands for true in the world that is returned.

        Raises what the cluster or the record raise; may be repeated at any time.
        """
        world = await self._about(key)
        if key.kind == "policy" and await self._latch(world, key.name):
            world = await self._about(key)
        if key.kind in {"policy", "strategy"}:
            await self._hold(world, key)
        wanted = render(world, key, self.platform)
        # Zeros first: nothing that stops the money waits for an object that may fail to apply.
        for made in sorted(wanted, key=_order):
            await self.cluster.apply(made)
        await self._prune(key, wanted)
        if key.kind in {"policy", "strategy"}:
            left = await self._release(world, key)
            await self._status(world, key, left)
        return world

    async def _about(self, key: LoopKey) -> World:
        """The world, with fresh facts where `key` needs them."""
        if key.kind == "policy":
            return await self._gatherer.world(key.name)
        world = await self._gatherer.world()
        if key.kind != "strategy" or not self.others_ms:
            return world
        strategy = world.strategy_by_name.get(key.name)
        if not isinstance(strategy, TradingStrategy):
            return world
        return await self._gatherer.world(strategy.spec.risk_policy_ref.name, MOMENT_MS)

    async def _hold(self, world: World, key: LoopKey) -> None:
        """A resource whose orders may rest somewhere must not vanish before they are gone."""
        resource = _resource(world, key)
        if resource is not None and not deleted(resource):
            await self.cluster.hold(_kind(key), key.name)

    async def _release(self, world: World, key: LoopKey) -> str:
        """Let a deleted resource go once nothing of it acts or rests; what it still waits for."""
        resource = _resource(world, key)
        if resource is None or not deleted(resource):
            return ""
        left = await self._left(world, key)
        if not left and not abandoned(resource):
            # The facts of this pass may be those of a moment before: an order may have been claimed since.
            left = await self._left(await self._afresh(world, key), key)
        if not left:
            await self.cluster.release(_kind(key), key.name)
        return left

    async def _left(self, world: World, key: LoopKey) -> str:
        """What a deleted resource waits for in this world; "" when it may go."""
        if key.kind == "policy":
            return left_of_policy(world, world.policy_by_name[key.name], await self._executors_of(key.name))
        mine = await self.cluster.owned({names.LOOP: key.label})
        return left_of_strategy(world, world.strategy_by_name[key.name], running(mine, names.Role.EXECUTOR))

    async def _afresh(self, world: World, key: LoopKey) -> World:
        """The same resources with what the record says now; a record that does not answer has no facts."""
        name = key.name if key.kind == "policy" else policy_named(world.strategy_by_name[key.name])
        if name not in world.policy_by_name:
            return world
        try:
            facts = {name: await self.feed.facts(name)}
        except RecordUnreachableError:
            facts = {}
        return World(world.strategies, world.policies, facts)

    async def _latch(self, world: World, name: str) -> bool:
        """Latch what the spec asks for and what the record lost; whether anything was latched."""
        changed = await self._assert_again(world, name)
        policy = world.policy_by_name.get(name)
        if not isinstance(policy, RiskPolicy):
            return changed
        now = self.clock.wall_ms()
        cause = manual_cause(policy, now)
        facts = world.facts.get(name)
        if cause is None or (facts is not None and any(known.id == cause.id for known in facts.causes)):
            return changed
        try:
            return await self.feed.add_cause(name, cause, now) or changed
        except RecordUnreachableError:
            # The world has no facts of this policy either, so the render below has every executor at zero.
            return changed

    async def _assert_again(self, world: World, name: str) -> bool:
        """A record behind its mirror in the status was wiped or is an old one: latch it with all that it lost."""
        found = await self._find("RiskPolicy", name)
        facts = world.facts.get(name)
        if found is None or facts is None or not behind(found.get("status") or {}, facts):
            return False
        try:
            # Read after the status was: facts of a moment before it would look behind and are not.
            facts = await self.feed.facts(name)
            causes = to_assert(found.get("status") or {}, facts, self.clock.wall_ms())
            for cause in causes:
                await self.feed.add_cause(name, cause, self.clock.wall_ms())
        except RecordUnreachableError:
            return False
        return bool(causes)

    async def _find(self, kind: names.Kind, name: str) -> Object | None:
        resources = await self.cluster.resources()
        if resources is not self._names[0]:
            self._names = resources, {(r["kind"], r["metadata"]["name"]): r for r in resources}
        return self._names[1].get((kind, name))

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

    async def _deployments(self, world: World, key: LoopKey) -> list[Object]:
        """What `key` depends on: its own Deployments and, for a strategy, those of its feed, its events and its policy.

        Without the ledger's trading lease no order leaves: a strategy is not ready before that.
        """
        keys = [key]
        strategy = world.strategy_by_name.get(key.name) if key.kind == "strategy" else None
        feed = world.feed_of(strategy) if isinstance(strategy, TradingStrategy) else None
        if isinstance(strategy, TradingStrategy) and feed is not None:
            keys.append(LoopKey("feed", feed))
            keys += [LoopKey("event", feed, event) for event in strategy_events(world, strategy)]
            keys.append(LoopKey("policy", strategy.spec.risk_policy_ref.name))
        found = [made for one in keys for made in await self.cluster.owned({names.LOOP: one.label})]
        return [made for made in found if made["kind"] == "Deployment"]

    async def _status(self, world: World, key: LoopKey, left: str) -> None:
        kind = _kind(key)
        found = await self._find(kind, key.name)
        if found is None or _resource(world, key) is None or being_released(found):
            self._status_at.pop((kind, key.name), None)
            return
        before: dict[str, Any] = found.get("status") or {}
        observed = Observed(
            deployments=await self._deployments(world, key),
            reports=await self._gatherer.reports(),
            before=before,
            wall_ms=self.clock.wall_ms(),
            left=left,
        )
        if kind == "RiskPolicy":
            status = policy_status(world, world.policy_by_name[key.name], observed, await self._executors_of(key.name))
        else:
            status = strategy_status(world, world.strategy_by_name[key.name], observed, self.platform)
        if status == before:
            return
        now = self.clock.mono_ms()
        last = self._status_at.get((kind, key.name))
        if last is not None:
            wait_ms = last + self._patience_ms(before, status) - now
            if wait_ms > 0:
                self._due_ms[key] = now + wait_ms
                return
        await self.cluster.patch_status(kind, key.name, status)
        self._status_at[kind, key.name] = now

    def _patience_ms(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> int:
        """How long after the last write this change may wait."""
        if _decisive(before) != _decisive(after):
            return 0
        return self.settle_ms if _told(before) != _told(after) else self.status_every_ms

    def due_s(self, key: LoopKey) -> float | None:
        """Seconds until a status that was put off is to be written; None when none was."""
        at = self._due_ms.pop(key, None)
        return None if at is None else max(0.0, (at - self.clock.mono_ms()) / 1000)

    def expire(self, policy: str) -> None:
        """The record of this policy said that something changed."""
        self._gatherer.expire(policy)


def _kind(key: LoopKey) -> names.Kind:
    return "RiskPolicy" if key.kind == "policy" else "TradingStrategy"


def _resource(world: World, key: LoopKey) -> TradingStrategy | RiskPolicy | Invalid | None:
    """The resource that a loop is about, as this world has it."""
    return world.policy_by_name.get(key.name) if key.kind == "policy" else world.strategy_by_name.get(key.name)


def _order(made: Object) -> tuple[bool, bool, str]:
    deployment = made["kind"] == "Deployment"
    stopping = deployment and made["spec"]["replicas"] == 0
    return not stopping, deployment, made["metadata"]["name"]


_FIGURES = frozenset({
    "equityDollars", "todayDollars", "drawdown", "restingOrders", "positionContracts", "pnlDollars"
})  # fmt: skip


def _decisive(status: Mapping[str, Any]) -> object:
    """What somebody may wait for or act on."""
    states = [
        (c["type"], c["status"], c["reason"], c["observedGeneration"])
        for c in status.get("conditions", ())
        if c["type"] != Condition.PROGRESSING
    ]
    return states, status.get("halt"), status.get("markets"), _identity(status)


def _told(status: Mapping[str, Any]) -> object:
    """All but the figures."""
    return {name: value for name, value in status.items() if name not in _FIGURES} | {"record": _identity(status)}


def _identity(status: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in status.get("record", {}).items() if name != "seq"}
