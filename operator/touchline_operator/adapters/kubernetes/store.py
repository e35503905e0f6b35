"""What the API server told us last, of one kind: read without asking, newest version wins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from touchline_operator import names

Object = dict[str, Any]


def version(made: Mapping[str, Any]) -> int:
    """The resourceVersion as the number that it is since Kubernetes 1.35 says so (and etcd always did)."""
    return int(made["metadata"]["resourceVersion"])


class Store:
    """Objects by namespace and name, without the contents that only `whole` gives. Readers do not change them.

    Our own writes are put in as the server answered them, so a loop sees what it wrote; older news that the watch
    brings later is dropped.
    """

    def __init__(self) -> None:
        self._objects: dict[tuple[str, str], Object] = {}
        self._whole: dict[tuple[str, str], bytes] = {}
        self._by_loop: dict[tuple[str, str], dict[str, Object]] = {}
        self._gone: dict[tuple[str, str], int] = {}
        self.changes = 0
        """Raised with every change: equal numbers mean equal contents."""

    def get(self, namespace: str, name: str) -> Object | None:
        return self._objects.get((namespace, name))

    def whole(self, namespace: str, name: str) -> Object | None:
        """An object with all of its contents, decoded anew."""
        body = self._whole.get((namespace, name))
        decoded: Object | None = msgspec.json.decode(body) if body is not None else None
        return decoded

    def of(self, namespace: str) -> Iterator[Object]:
        return (made for (where, _), made in self._objects.items() if where == namespace)

    def of_loop(self, namespace: str, loop: str) -> list[Object]:
        """Objects that carry the loop's label."""
        return list(self._by_loop.get((namespace, loop), {}).values())

    def put(self, made: Object) -> bool:
        """Take a version in; False when it is not newer than what is known."""
        key = _key(made)
        known = self._objects.get(key)
        newest = version(known) if known is not None else self._gone.get(key, 0)
        if version(made) <= newest:
            return False
        self._forget(key)
        # Who wrote which field is the larger half of an object, and nobody here reads it.
        made["metadata"].pop("managedFields", None)
        self._objects[key], self._whole[key] = _slim(made), msgspec.json.encode(made)
        loop = made["metadata"].get("labels", {}).get(names.LOOP)
        if loop is not None:
            self._by_loop.setdefault((key[0], loop), {})[key[1]] = self._objects[key]
        self._gone.pop(key, None)
        self.changes += 1
        return True

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
        self._whole.pop(key, None)
        if old is None:
            return
        loop = old["metadata"].get("labels", {}).get(names.LOOP)
        if loop is not None:
            siblings = self._by_loop[key[0], loop]
            del siblings[key[1]]
            if not siblings:
                del self._by_loop[key[0], loop]


def _slim(made: Object) -> Object:
    """An object without the contents that loops only compare: a thousand strategies have eight thousand objects."""
    match made.get("kind"):
        case "Deployment":
            return made | {"spec": {"replicas": made["spec"]["replicas"]}}
        case "ConfigMap":
            return {part: value for part, value in made.items() if part != "data"}
        case _:
            return made


def _key(made: Object) -> tuple[str, str]:
    return made["metadata"]["namespace"], made["metadata"]["name"]
