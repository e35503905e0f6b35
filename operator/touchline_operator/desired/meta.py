"""Names, labels, owners and hashes of rendered objects."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from touchline_operator import names
from touchline_operator.api import RiskPolicy, TradingStrategy
from touchline_operator.desired.world import Invalid, name_of
from touchline_operator.names import Role

Object = dict[str, Any]
MAX_NAME = 63


def hash8(*parts: str) -> str:
    """Eight hex digits of the parts; no two lists of parts share a text."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:8]


def child_name(role: Role, *parts: str) -> str:
    """`<first part>-<role>-<other parts>-<hash8>`, lower case, at most 63 characters; the hash covers all of it."""
    tail = f"-{hash8(role, *parts)}"
    base = "-".join((parts[0], role, *parts[1:])).lower().replace(".", "-")
    return base[: MAX_NAME - len(tail)].rstrip("-") + tail


class LoopKey(NamedTuple):
    """Which reconcile loop writes an object.

    Written as `strategy/<name>`, `policy/<name>`, `event/<feed>/<event>` or `feed/<feed>`.
    """

    kind: str
    name: str
    event: str = ""

    @property
    def label(self) -> str:
        """The value of the loop label, short enough and unique."""
        text = ".".join(filter(None, (self.kind, self.name, self.event)))
        return text if len(text) <= MAX_NAME else f"{self.kind}.{hash8(self.kind, self.name, self.event)}"

    def __str__(self) -> str:
        return "/".join(filter(None, (self.kind, self.name, self.event)))


def owner(resource: TradingStrategy | RiskPolicy | Invalid, kind: names.Kind, *, controller: bool) -> Object:
    """An owner reference; shared objects have many owners and none of them is the controller."""
    uid = resource.uid if isinstance(resource, Invalid) else resource.metadata.uid
    return {
        "apiVersion": names.API_VERSION,
        "kind": kind,
        "name": name_of(resource),
        "uid": uid,
        "controller": controller,
        "blockOwnerDeletion": controller,
    }


@dataclass(frozen=True, slots=True)
class Child:
    """Everything that the objects of one process share."""

    name: str
    role: Role
    loop: LoopKey
    namespace: str
    owners: tuple[Object, ...]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    def metadata(self) -> Object:
        """ObjectMeta of the process' Deployment and ConfigMap."""
        meta: Object = {
            "name": self.name,
            "namespace": self.namespace,
            "labels": self.all_labels(),
            "ownerReferences": [dict(owner) for owner in self.owners],
        }
        if self.annotations:
            meta["annotations"] = dict(self.annotations)
        return meta

    def selector(self) -> dict[str, str]:
        """Labels that never change in the life of the Deployment."""
        return {names.APP: "touchline", names.INSTANCE: self.name}

    def all_labels(self) -> dict[str, str]:
        own = {names.COMPONENT: str(self.role), names.MANAGED_BY: names.FIELD_MANAGER, names.LOOP: self.loop.label}
        return self.selector() | own | dict(self.labels)
