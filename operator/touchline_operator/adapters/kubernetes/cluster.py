"""The Cluster port: one namespace of a Kubernetes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from touchline_operator import names
from touchline_operator.adapters.kubernetes.announcer import Announcer
from touchline_operator.adapters.kubernetes.api import ConflictError, KubeApi, NotFoundError
from touchline_operator.adapters.kubernetes.mirror import CUSTOM, OWNED, Mirror
from touchline_operator.adapters.kubernetes.store import fingerprint
from touchline_operator.decide.events import HALT_CONFIRMED, announcements
from touchline_operator.desired.meta import LoopKey
from touchline_operator.ports import ClusterError, Wake
from touchline_operator.reconcile.manager import EXECUTORS, PROCESS, loop_of

Object = dict[str, Any]


class KubernetesCluster:
    """Reads the mirror, writes by server-side apply. What was applied and still stands is not sent again."""

    def __init__(self, api: KubeApi, mirror: Mirror, announcer: Announcer, namespace: str) -> None:
        self._api, self._mirror, self._announcer = api, mirror, announcer
        self._namespace = namespace
        self._applied: dict[tuple[str, str], tuple[bytes, bytes]] = {}
        """(kind, name) -> digest of what was applied, fingerprint of what the server made of it."""
        self._listed: tuple[tuple[int, ...], list[Object]] = ((), [])
        self._wakes: list[Wake] = []
        self._confirmed: dict[str, object] = {}
        """Policy -> epoch of the halt whose end was told."""

    # -- the port
    async def resources(self) -> list[Object]:
        self._mirror.check()
        stores = [self._mirror.store(kind) for kind in names.KINDS]
        changes = tuple(store.changes for store in stores)
        if changes != self._listed[0]:
            self._listed = (changes, [made for store in stores for made in store.of(self._namespace)])
        return self._listed[1]

    async def apply(self, wanted: Object) -> None:
        kind, name = wanted["kind"], wanted["metadata"]["name"]
        resource = OWNED.get(kind)
        if resource is None:
            raise ClusterError(f"{kind}/{name}: this cluster holds {', '.join(OWNED)} only")
        store = self._mirror.store(kind)
        body = msgspec.json.encode(wanted)
        digest = hashlib.blake2b(body, digest_size=16).digest()
        if self._applied.get((kind, name)) == (digest, store.fingerprint(self._namespace, name)):
            return
        made = await self._api.apply(resource, wanted, names.FIELD_MANAGER)
        self._applied[kind, name] = digest, fingerprint(made)
        store.put(made)

    async def owned(self, labels: Mapping[str, str]) -> list[Object]:
        self._mirror.check()
        wanted = dict(labels)
        loop, policy = wanted.pop(names.LOOP, None), labels.get(names.POLICY)
        found = []
        for kind in OWNED:
            store = self._mirror.store(kind)
            among: Iterable[Object]
            if loop is not None:
                among = store.of_loop(self._namespace, loop)
            elif policy is not None and labels.get(names.COMPONENT) == names.Role.EXECUTOR:
                among = store.executors(self._namespace, policy)
            else:
                among = store.of(self._namespace)
            found += [self._seen(m) for m in among if wanted.items() <= m["metadata"]["labels"].items() and _ours(m)]
        return found

    async def loops(self) -> set[LoopKey]:
        self._mirror.check()
        ones = [made for kind in OWNED for made in self._mirror.store(kind).one_of_each_loop(self._namespace)]
        return {key for made in ones if _ours(made) and (key := loop_of(made["metadata"])) is not None}

    async def delete(self, kind: str, name: str) -> None:
        live = self._mirror.store(kind).get(self._namespace, name)
        self._applied.pop((kind, name), None)
        if live is not None and not live["metadata"].get("deletionTimestamp"):
            await self._api.delete(OWNED[kind], self._namespace, name, live["metadata"]["uid"])

    async def patch_status(self, kind: names.Kind, name: str, status: Object) -> None:
        live = self._mirror.store(kind).get(self._namespace, name)
        if live is None:
            return
        # What was not written is written, and told, by the next pass.
        if await self._patch(live, {"status": status}, names.STATUS_FIELD_MANAGER, "status"):
            epoch = status.get("halt", {}).get("epoch")
            for said in announcements(live.get("status") or {}, status):
                if said.reason == HALT_CONFIRMED and epoch is not None:
                    # A pod that was already ordered may show up once more, and be gone again.
                    if self._confirmed.get(name) == epoch:
                        continue
                    self._confirmed[name] = epoch
                self._announcer.announce(live, said)

    async def hold(self, kind: names.Kind, name: str) -> None:
        live = self._mirror.store(kind).get(self._namespace, name)
        if live is None or live["metadata"].get("deletionTimestamp"):
            return
        if names.FINALIZER not in live["metadata"].get("finalizers", ()):
            await self._patch(live, {"metadata": {"finalizers": [names.FINALIZER]}}, names.FIELD_MANAGER)

    async def release(self, kind: names.Kind, name: str) -> None:
        live = self._mirror.store(kind).get(self._namespace, name)
        if live is not None and names.FINALIZER in live["metadata"].get("finalizers", ()):
            await self._patch(live, {"metadata": {"finalizers": []}}, names.FIELD_MANAGER)

    def watch(self, wake: Wake) -> None:
        self._wakes.append(wake)

    # -- news of the mirror
    def changed(self, made: Object) -> None:
        """Something of this namespace is new, different or gone."""
        for key in _keys(made):
            for wake in self._wakes:
                wake(key)

    # -- inside
    def _seen(self, made: Object) -> Object:
        """A Deployment with what its pods wait for."""
        if made["kind"] != "Deployment":
            return made
        waits = self._mirror.pods.of(self._namespace, made["metadata"]["name"])
        if waits is None:
            return made
        told = {"waiting": waits.reason, "message": f"{waits.reason}: {waits.message}"}
        return made | {"status": made.get("status", {}) | told}

    async def _patch(self, live: Object, part: Object, manager: str, sub: str = "") -> bool:
        """Apply a part of a resource that people own; whether it was. One that is gone, or another by now, is fine."""
        kind, meta = live["kind"], live["metadata"]
        # The uid makes it an update: without it an apply to a deleted resource would create one.
        head = {"name": meta["name"], "namespace": self._namespace, "uid": meta["uid"]}
        body = {"apiVersion": names.API_VERSION, "kind": kind} | part | {"metadata": head | part.get("metadata", {})}
        try:
            made = await self._api.apply(CUSTOM[kind], body, manager, sub)
        except (NotFoundError, ConflictError):
            return False
        self._mirror.store(kind).put(made)
        return True


_ROLES = frozenset(str(role) for role in names.Role)


def _ours(made: Object) -> bool:
    """Made for one of our resources. A copy that somebody labelled like ours has no such owner and is left alone."""
    owners = made["metadata"].get("ownerReferences", ())
    return made["metadata"]["labels"].get(names.COMPONENT) in _ROLES and any(
        owner["apiVersion"] == names.API_VERSION and owner["kind"] in names.KINDS for owner in owners
    )


def _keys(made: Object) -> list[LoopKey | None]:
    """The loops that an object concerns first."""
    name, kind = made["metadata"]["name"], made["kind"]
    if kind == "Pod":
        return [LoopKey(PROCESS, made["metadata"]["labels"].get(names.INSTANCE, ""))]
    if kind in CUSTOM:
        return [LoopKey("policy" if kind == "RiskPolicy" else "strategy", name)]
    keys: list[LoopKey | None] = []
    loop = loop_of(made["metadata"])
    if loop is not None:
        keys.append(loop)
    labels = made["metadata"]["labels"]
    if labels.get(names.COMPONENT) == names.Role.EXECUTOR and names.POLICY in labels:
        # Whether a halt has ended depends on the executors.
        keys.append(LoopKey(EXECUTORS, labels[names.POLICY]))
    return keys
