"""Fakes of the operator's ports, in memory. The cluster plays its own kubelet: `settle` makes replicas true."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Collection, Mapping
from typing import Any

from touchline_operator import names
from touchline_operator.desired.meta import LoopKey
from touchline_operator.desired.world import PolicyFacts
from touchline_operator.ports import RecordUnreachableError, Wake
from touchline_operator.reconcile.manager import loop_of
from trading_logic.contracts.messages import Report, Slate
from trading_logic.contracts.record import Cause

Object = dict[str, Any]


class FakeCluster:
    """Objects by kind and name; every call may be made to fail once with `fail_next`."""

    def __init__(self, *, auto_settle: bool = True) -> None:
        self.written: dict[tuple[str, str], Object] = {}
        self.objects: dict[tuple[str, str], Object] = {}
        self.calls: list[tuple[str, str]] = []
        self.fail_at: int | None = None
        self.auto_settle = auto_settle
        self._wakes: list[Wake] = []
        self._uids = 0

    def put(self, raw: Object) -> None:
        """What a person does with kubectl apply."""
        key = (raw["kind"], raw["metadata"]["name"])
        known = self.written.get(key)
        made = copy.deepcopy(raw)
        meta = made["metadata"]
        made["status"] = {}
        if known is None:
            self._uids += 1
            meta |= {
                "uid": f"uid-{self._uids}",
                "generation": 1,
                "creationTimestamp": f"2026-01-01T00:00:{self._uids:02}Z",
            }
        else:
            old = known["metadata"]
            changed = known["spec"] != made["spec"]
            meta |= {**{k: old[k] for k in ("uid", "creationTimestamp")}, "generation": old["generation"] + changed}
            made["status"] = known["status"]
        self.written[key] = made
        self._wake()

    def remove(self, kind: str, name: str) -> None:
        del self.written[kind, name]
        self._wake()

    def settle(self) -> None:
        """What kubelet and controllers do."""
        for found in self.objects.values():
            if found["kind"] == "Deployment":
                n = found["spec"]["replicas"]
                found["status"] = {"replicas": n, "readyReplicas": n}
        self._wake()

    def _wake(self) -> None:
        for wake in self._wakes:
            wake()

    def _call(self, verb: str, name: str) -> None:
        self.calls.append((verb, name))
        if self.fail_at is not None and len(self.calls) == self.fail_at:
            raise ConnectionError(f"call {self.fail_at} failed: {verb} {name}")

    async def resources(self) -> list[Object]:
        self._call("resources", "")
        return copy.deepcopy(list(self.written.values()))

    async def apply(self, wanted: Object) -> None:
        key = (wanted["kind"], wanted["metadata"]["name"])
        self._call("apply", key[1])
        status = self.objects.get(key, {}).get("status")
        self.objects[key] = copy.deepcopy(wanted) | ({"status": status} if status else {})
        if self.auto_settle and wanted["kind"] == "Deployment":
            n = wanted["spec"]["replicas"]
            self.objects[key]["status"] = {"replicas": n, "readyReplicas": n}

    async def owned(self, labels: Mapping[str, str]) -> list[Object]:
        self._call("owned", "")
        return [
            copy.deepcopy(found)
            for found in self.objects.values()
            if labels.items() <= found["metadata"]["labels"].items()
        ]

    async def loops(self) -> set[LoopKey]:
        self._call("loops", "")
        keys = {loop_of(made["metadata"]) for made in self.objects.values()}
        return {key for key in keys if key is not None}

    async def delete(self, kind: str, name: str) -> None:
        self._call("delete", name)
        self.objects.pop((kind, name), None)

    async def patch_status(self, kind: str, name: str, status: Object) -> None:
        self._call("status", name)
        if (kind, name) in self.written:
            self.written[kind, name]["status"] = copy.deepcopy(status)

    async def hold(self, kind: str, name: str) -> None:
        self._call("hold", name)
        meta = self.written[kind, name]["metadata"]
        if not meta.get("deletionTimestamp"):
            meta["finalizers"] = [names.FINALIZER]

    async def release(self, kind: str, name: str) -> None:
        self._call("release", name)
        self.written.pop((kind, name), None)
        self._wake()

    def delete_resource(self, kind: str, name: str) -> None:
        """What kubectl delete does to a resource with a finalizer."""
        meta = self.written[kind, name]["metadata"]
        meta["deletionTimestamp"] = "2026-01-02T00:00:00Z"
        self._wake()

    def watch(self, wake: Wake) -> None:
        self._wakes.append(wake)

    # -- for assertions
    def replicas(self, role: str) -> dict[str, int]:
        found = {}
        for made in self.objects.values():
            if made["kind"] == "Deployment" and made["metadata"]["labels"]["app.kubernetes.io/component"] == role:
                found[made["metadata"]["name"]] = made["spec"]["replicas"]
        return found


class FakeRiskFeed:
    """The record in memory; `away` makes it silent."""

    def __init__(self) -> None:
        self.by_policy: dict[str, PolicyFacts] = {}
        self.live: dict[str, Report] = {}
        self.by_series: dict[tuple[str, str], Slate] = {}
        self.away = False
        self._wakes: list[Wake] = []

    def _check(self) -> None:
        if self.away:
            raise RecordUnreachableError("record Redis at fake: away")

    def set(self, policy: str, facts: PolicyFacts) -> None:
        self.by_policy[policy] = facts
        for wake in self._wakes:
            wake()

    async def facts(self, policy: str) -> PolicyFacts:
        self._check()
        return self.by_policy.get(policy, PolicyFacts())

    async def slates(self, wanted: Collection[tuple[str, str]]) -> dict[tuple[str, str], Slate]:
        self._check()
        return {key: self.by_series[key] for key in wanted if key in self.by_series}

    async def reports(self) -> dict[str, Report]:
        self._check()
        return dict(self.live)

    async def add_cause(self, policy: str, cause: Cause, now_ms: int) -> bool:  # noqa: ARG002  - the port's signature
        self._check()
        facts = self.by_policy.get(policy, PolicyFacts())
        if any(known.id == cause.id for known in facts.causes):
            return False
        epoch = facts.epoch + (not facts.causes)
        halt = facts.halt if facts.causes else None
        self.set(policy, PolicyFacts((*facts.causes, cause), epoch, halt, facts.risk, facts.positions))
        return True

    async def listen(self, policy: str, wake: Wake) -> None:  # noqa: ARG002  - the port's signature
        self._wakes.append(wake)
        await asyncio.Event().wait()


class FakeClock:
    """Stands still until told."""

    def __init__(self) -> None:
        self.now_ms = 1_800_000_000_000

    def wall_ms(self) -> int:
        return self.now_ms

    def mono_ms(self) -> int:
        return self.now_ms

    def chance(self) -> float:
        return 0.5
