"""What our pods wait for, and nothing else of them: a thousand strategies have four thousand pods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from touchline_operator import names

Object = dict[str, Any]
_STARTING: Final = frozenset({"ContainerCreating", "PodInitializing"})
_PULLING: Final = frozenset({"ErrImagePull", "ImagePullBackOff"})


class Waiting(NamedTuple):
    """Why a pod does not run: the kubelet's or scheduler's own reason, and a sentence."""

    reason: str
    message: str


def waiting(pod: Mapping[str, Any]) -> Waiting | None:
    """What the pod waits for that does not pass by itself; None when it runs or is only starting."""
    status = pod.get("status") or {}
    for container in status.get("containerStatuses") or ():
        found = (container.get("state") or {}).get("waiting")
        if not found or found.get("reason", "") in _STARTING:
            continue
        reason = found.get("reason", "Waiting")
        if reason in _PULLING:
            # The kubelet changes between the two with every try: one reason, one event.
            return Waiting("ImagePullBackOff", f"image {container['image']} cannot be pulled")
        ended = (container.get("lastState") or {}).get("terminated")
        if ended:
            # The kubelet's own message counts the back-off; how the process ended does not change with every try.
            return Waiting(reason, f"it ended with exit code {ended['exitCode']} ({ended.get('reason', 'no reason')})")
        return Waiting(reason, found.get("message", "no message"))
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition.get("reason") == "Unschedulable":
            return Waiting("Unschedulable", condition.get("message", "no node takes it"))
    return None


class PodStore:
    """Filled by a Reflector; read by process name."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str], dict[str, Waiting]] = {}
        """(namespace, process) -> pod -> what it waits for."""

    def of(self, namespace: str, process: str) -> Waiting | None:
        """What the process' pod waits for; of several pods the first by name."""
        found = self._waiting.get((namespace, process))
        return found[min(found)] if found else None

    def put(self, pod: Object) -> bool:
        """Take a version in; whether what it waits for is something else now."""
        return self._set(_process(pod), pod["metadata"]["name"], waiting(pod))

    def remove(self, pod: Object) -> bool:
        """Gone; whether it waited for anything."""
        return self._set(_process(pod), pod["metadata"]["name"], None)

    def replace(self, listed: list[Object], at: int) -> list[Object]:  # noqa: ARG002  - the shape of Store.replace
        """A complete list. What changed."""
        before, self._waiting = self._waiting, {}
        changed = {}
        for pod in listed:
            key, name = _process(pod), pod["metadata"]["name"]
            self.put(pod)
            if before.get(key, {}).get(name) != self._waiting.get(key, {}).get(name):
                changed[key] = pod
        lost = [key for key in before if key not in self._waiting and key not in changed]
        return [*changed.values(), *(_stub(*key) for key in lost)]

    def _set(self, key: tuple[str, str], name: str, now: Waiting | None) -> bool:
        pods = self._waiting.setdefault(key, {})
        before = pods.pop(name, None)
        if now is not None:
            pods[name] = now
        if not pods:
            del self._waiting[key]
        return before != now


def _process(pod: Object) -> tuple[str, str]:
    return pod["metadata"]["namespace"], pod["metadata"]["labels"].get(names.INSTANCE, "")


def _stub(namespace: str, process: str) -> Object:
    """Enough of a pod that is gone to tell whose it was."""
    return {"kind": "Pod", "metadata": {"namespace": namespace, "name": "", "labels": {names.INSTANCE: process}}}
