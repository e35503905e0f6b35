"""Keeps one store equal to the API server: list, watch from there, list again when told to or when in doubt."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from touchline_operator.adapters.kubernetes.api import GoneError, KubeApi, Resource
from touchline_operator.ports import Clock, ClusterError

Object = dict[str, Any]
RETRY_FIRST_S = 0.2
RETRY_MOST_S = 5.0
QUICK_MS = 1_000
"""A watch that the server ends sooner than this is asked for again after a pause, never in a hot loop."""


class Kept(Protocol):
    """Where the news go."""

    def put(self, made: Object, /) -> bool:
        """A new version; whether anybody is to be told."""

    def remove(self, made: Object, /) -> bool:
        """Deleted; whether anybody is to be told."""

    def replace(self, listed: list[Object], at: int, /) -> list[Object]:
        """A complete list as of version `at`; what changed."""


@dataclass
class Reflector:
    """One kind, in one namespace or in all (`namespace` "")."""

    api: KubeApi
    clock: Clock
    resource: Resource
    namespace: str
    selector: str
    changed: Callable[[Object], None]
    complain: Callable[[str, BaseException], None]
    store: Kept
    listed: asyncio.Event = field(default_factory=asyncio.Event)
    since: str = ""
    trouble: str = "not listed yet"
    """Why the kind is not followed now; "" when it is."""

    async def run(self) -> None:
        """Until cancelled; survives any time without an API server."""
        failures = 0
        while True:
            after_s = 0.0
            began = self.clock.mono_ms()
            try:
                if not self.since:
                    await self._list()
                await self._watch()
                failures = failures + 1 if self.clock.mono_ms() - began < QUICK_MS else 0
            except GoneError as error:
                self.since, self.trouble = "", str(error)
                failures += 1
            except ClusterError as error:
                failures = 1 if self.clock.mono_ms() - began > RETRY_MOST_S * 1000 else failures + 1
                self.trouble, after_s = str(error), error.after_s
                self.complain(f"watch {self.resource.plural}", error)
            if failures:
                pause = min(RETRY_FIRST_S * 2.0 ** min(failures - 1, 10), RETRY_MOST_S)
                await asyncio.sleep(max(pause * (0.5 + self.clock.chance() / 2), after_s))

    async def _list(self) -> None:
        found = await self.api.list(self.resource, self.namespace, self.selector)
        # Items of a list carry neither kind nor apiVersion.
        head = {"apiVersion": self.resource.api_version, "kind": self.resource.kind}
        self.since = found["metadata"]["resourceVersion"]
        changed = self.store.replace([head | item for item in found["items"]], int(self.since))
        self.listed.set()
        self.trouble = ""
        for made in changed:
            self.changed(made)

    async def _watch(self) -> None:
        async for event in self.api.watch(self.resource, self.namespace, self.selector, self.since, self._opened):
            made = event["object"]
            self.since = made["metadata"]["resourceVersion"]
            match event["type"]:
                case "ADDED" | "MODIFIED":
                    if self.store.put(made):
                        self.changed(made)
                case "DELETED":
                    if self.store.remove(made):
                        self.changed(made)
                case _:  # BOOKMARK: only the version
                    continue

    def _opened(self) -> None:
        # Not with the first news: where nothing changes it comes a minute later.
        self.trouble = ""
