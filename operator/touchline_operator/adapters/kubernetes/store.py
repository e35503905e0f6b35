"""What the API server told us last, of one kind: read without asking, newest version wins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from touchline_operator import names

Object = dict[str, Any]


def version(made: Mapping[str, Any]) -> int:
    """The resourceVersion as the number that it is since Kubernetes 1.35 says so (and etcd always did)."""
    return int(made["metadata"]["resourceVersion"])


class Store:
    """Objects by namespace and name. They are shared with readers: nobody changes them.

    Our own writes are put in as the server answered them, so a loop sees what it wrote; older news that the watch
    brings later is dropped.
    """

    def __init__(self) -> None:
        self._objects: dict[tuple[str, str], Object] = {}
        self._by_loop: dict[tuple[str, str], dict[str, Object]] = {}
        self._gone: dict[tuple[str, str], int] = {}
        self.changes = 0
        """Raised with every change: equal numbers mean equal contents."""

    def get(self, namespace: str, name: str) -> Object | None:
        return self._objects.get((namespace, name))

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
        self._objects[key] = made
        loop = made["metadata"].get("labels", {}).get(names.LOOP)
        if loop is not None:
            self._by_loop.setdefault((key[0], loop), {})[key[1]] = made
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
        if old is None:
            return
        loop = old["metadata"].get("labels", {}).get(names.LOOP)
        if loop is not None:
            siblings = self._by_loop[key[0], loop]
            del siblings[key[1]]
            if not siblings:
                del self._by_loop[key[0], loop]


def _key(made: Object) -> tuple[str, str]:
    return made["metadata"]["namespace"], made["metadata"]["name"]
