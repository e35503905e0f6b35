"""What the API server told us last, of one kind: read without asking, newest version wins."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from touchline_operator import names

Object = dict[str, Any]


def version(made: Mapping[str, Any]) -> int:
    """The resourceVersion as the number that it is since Kubernetes 1.35 says so (and etcd always did)."""
    return int(made["metadata"]["resourceVersion"])


class Store:
    """Objects by namespace and name, those of ours without what loops do not read. Readers do not change them.

    Our own writes are put in as the server answered them, so a loop sees what it wrote; older news that the watch
    brings later is dropped.
    """

    def __init__(self) -> None:
        self._objects: dict[tuple[str, str], Object] = {}
        self._prints: dict[tuple[str, str], bytes] = {}
        self._by_loop: dict[tuple[str, str], dict[str, Object]] = {}
        self._executors: dict[tuple[str, str], dict[str, Object]] = {}
        self._gone: dict[tuple[str, str], int] = {}
        self.changes = 0
        """Raised with every change: equal numbers mean equal contents."""

    def get(self, namespace: str, name: str) -> Object | None:
        return self._objects.get((namespace, name))

    def fingerprint(self, namespace: str, name: str) -> bytes | None:
        """`fingerprint` of the object as it stands; None when there is none."""
        return self._prints.get((namespace, name))

    def executors(self, namespace: str, policy: str) -> list[Object]:
        """Objects of a policy's executors."""
        return list(self._executors.get((namespace, policy), {}).values())

    def of(self, namespace: str) -> Iterator[Object]:
        return (made for (where, _), made in self._objects.items() if where == namespace)

    def of_loop(self, namespace: str, loop: str) -> list[Object]:
        """Objects that carry the loop's label."""
        return list(self._by_loop.get((namespace, loop), {}).values())

    def one_of_each_loop(self, namespace: str) -> Iterator[Object]:
        """One object of every loop that has any."""
        return (next(iter(made.values())) for (where, _), made in self._by_loop.items() if where == namespace)

    def put(self, made: Object) -> bool:
        """Take a version in; whether it is newer than what is known and says something else to a loop."""
        key = _key(made)
        known = self._objects.get(key)
        newest = version(known) if known is not None else self._gone.get(key, 0)
        if version(made) <= newest:
            return False
        before = self._prints.get(key)
        self._forget(key)
        kept = self._objects[key] = _slim(made)
        if kept["kind"] == "Deployment" and _behind(kept):
            kept["ordered"] = _ordered(known, kept)
        labels = kept["metadata"].get("labels", {})
        if labels.get(names.MANAGED_BY) == names.FIELD_MANAGER:
            self._prints[key] = fingerprint(made)
        if names.LOOP in labels:
            self._by_loop.setdefault((key[0], labels[names.LOOP]), {})[key[1]] = kept
        if labels.get(names.COMPONENT) == names.Role.EXECUTOR and names.POLICY in labels:
            self._executors.setdefault((key[0], labels[names.POLICY]), {})[key[1]] = kept
        self._gone.pop(key, None)
        self.changes += 1
        return known is None or before is None or before != self._prints.get(key) or _seen(known) != _seen(kept)

    def remove(self, made: Object) -> bool:
        """Deleted, at the version that the watch says; a newer object of the same name stays."""
        key = _key(made)
        known = self._objects.get(key)
        if known is None or version(known) > version(made):
            return False
        self._forget(key)
        self._gone[key] = version(made)
        self.changes += 1
        return True

    def replace(self, listed: list[Object], at: int) -> list[Object]:
        """A complete list as of version `at`: what it does not hold and is not newer is gone. What changed."""
        keys = {_key(made) for made in listed}
        lost = [made for key, made in self._objects.items() if key not in keys and version(made) <= at]
        for made in lost:
            self._forget(_key(made))
        self._gone.clear()
        self.changes += bool(lost)
        return lost + [made for made in listed if self.put(made)]

    def _forget(self, key: tuple[str, str]) -> None:
        old = self._objects.pop(key, None)
        self._prints.pop(key, None)
        if old is None:
            return
        labels = old["metadata"].get("labels", {})
        for index, label in ((self._by_loop, names.LOOP), (self._executors, names.POLICY)):
            siblings = index.get((key[0], labels.get(label, "")))
            if siblings is None or siblings.pop(key[1], None) is None:
                continue
            if not siblings:
                del index[key[0], labels[label]]


def fingerprint(made: Mapping[str, Any]) -> bytes:
    """A digest of everything that we ever apply: equal digests mean that nothing of ours has drifted.

    Left out is what others write beside us: status, their annotations, the order of owners.
    """
    meta = made["metadata"]
    annotations = meta.get("annotations") or {}
    parts = {part: value for part, value in made.items() if part not in _NOT_APPLIED} | {
        "labels": meta.get("labels"),
        "annotations": {name: value for name, value in annotations.items() if name.startswith(names.GROUP)},
        "owners": sorted(meta.get("ownerReferences") or (), key=lambda owner: str(owner["uid"])),
    }
    return hashlib.blake2b(msgspec.json.encode(parts, order="deterministic"), digest_size=16).digest()


_NOT_APPLIED: Final = frozenset({"apiVersion", "kind", "metadata", "status"})
_META: Final = ("namespace", "name", "uid", "resourceVersion", "generation", "deletionTimestamp")
_STATUS: Final = ("replicas", "terminatingReplicas", "observedGeneration")
_OWNED_BY: Final = {kind: [{"apiVersion": names.API_VERSION, "kind": kind}] for kind in names.KINDS}


def _slim(made: Object) -> Object:
    """What loops read of an object: a thousand strategies have eight thousand objects."""
    meta = made["metadata"]
    if made.get("apiVersion") == names.API_VERSION:
        # Who wrote which field is the larger half of it, and nobody here reads it.
        meta.pop("managedFields", None)
        return made
    kept: Object = {part: meta[part] for part in _META if part in meta}
    # The same few texts stand in thousands of objects.
    kept["labels"] = {sys.intern(name): sys.intern(value) for name, value in meta.get("labels", {}).items()}
    event = meta.get("annotations", {}).get(names.EVENT)
    if event is not None:
        kept["annotations"] = {names.EVENT: sys.intern(event)}
    for owner in meta.get("ownerReferences", ()):
        if owner["apiVersion"] == names.API_VERSION and owner["kind"] in _OWNED_BY:
            kept["ownerReferences"] = _OWNED_BY[owner["kind"]]
    slim: Object = {"kind": made["kind"], "metadata": kept}
    if made["kind"] == "Deployment":
        status = made.get("status") or {}
        slim["spec"] = {"replicas": made["spec"]["replicas"]}
        slim["status"] = {part: status[part] for part in _STATUS if part in status}
    return slim


def _behind(deployment: Object) -> bool:
    """Its controller has not seen its spec yet."""
    return bool(deployment["status"].get("observedGeneration") != deployment["metadata"].get("generation"))


def _ordered(known: Object | None, now: Object) -> int:
    """The most replicas of all specs that the controller may still act on, in a Deployment that it is behind of."""
    wanted = int(now["spec"]["replicas"])
    if known is not None:
        return max(wanted, int(known.get("ordered", known["spec"]["replicas"])))
    # Only the first spec has none before it.
    return wanted if now["metadata"].get("generation", 1) == 1 else max(wanted, 1)


def _seen(slim: Object) -> object:
    """What a loop sees of an object of ours beside its contents."""
    return slim["metadata"].get("deletionTimestamp"), slim["metadata"].get("generation"), slim.get("status")


def _key(made: Object) -> tuple[str, str]:
    return made["metadata"]["namespace"], made["metadata"]["name"]
