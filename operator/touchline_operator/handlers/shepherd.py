"""Keeps what the handlers wake: one mirror of Kubernetes, and one set of loops per namespace that has resources."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from aiohttp import web

from touchline_operator.adapters.kubernetes.announcer import Announcer
from touchline_operator.adapters.kubernetes.api import KubeApi
from touchline_operator.adapters.kubernetes.cluster import KubernetesCluster
from touchline_operator.adapters.kubernetes.mirror import CUSTOM, Mirror
from touchline_operator.adapters.redis import RedisRiskFeed
from touchline_operator.adapters.serving import Reading, serve
from touchline_operator.desired.meta import LoopKey
from touchline_operator.desired.platform import Platform
from touchline_operator.ports import Clock, ClusterError, RecordUnreachableError
from touchline_operator.reconcile.act import Reconciler
from touchline_operator.reconcile.manager import Manager

Object = dict[str, Any]
AGAIN_S: Final = 1.0
OTHERS_MS: Final = 2_000
BURST_MS: Final = 100
"""To derive a world of a thousand strategies takes ten milliseconds and more."""
SETTLE_MS: Final = 2_000
"""A start is one story in a status, not ten."""
EXPECTED: Final = (ClusterError, RecordUnreachableError, asyncio.QueueFull)
"""What the world does to us; anything else is a fault of ours and is logged with its stack."""

FAULTS: Final = Counter({"expected": 0, "unexpected": 0})
"""Complaints of this process, counted."""

log = logging.getLogger("touchline")


@dataclass
class Flock:
    """One namespace."""

    cluster: KubernetesCluster
    feed: RedisRiskFeed
    manager: Manager


class Shepherd:
    """Implements the handlers' Deps. `namespace` "" follows every namespace in which a resource shows up."""

    def __init__(
        self,
        clock: Clock,
        instance: str,
        listen: tuple[str, int],
        namespace: str,
        platform: Callable[[str], Platform],
    ) -> None:
        self._clock, self._instance, self._namespace = clock, instance, namespace
        self._listen, self._platform = listen, platform
        self._flocks: dict[str, Flock] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._api: KubeApi | None = None
        self._mirror: Mirror | None = None
        self._announcer: Announcer | None = None
        self._server: web.AppRunner | None = None

    async def start(self) -> None:
        self._server = await serve(*self._listen, self.reading)
        self._api = await KubeApi.connect(self._clock)
        self._announcer = Announcer(self._api, self._clock, self._instance, complain)
        self._mirror = Mirror(self._api, self._clock, self._namespace, self._changed, complain)
        self._supervise("events", self._announcer.run)
        self._supervise("mirror", self._mirror.run)
        if self._namespace:
            self._flock(self._namespace)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for flock in self._flocks.values():
            await flock.feed.close()
        if self._api is not None:
            await self._api.close()
        if self._server is not None:
            await self._server.cleanup()

    def wake(self, namespace: str, key: LoopKey) -> None:
        if self._mirror is not None and key.kind in {"policy", "strategy"}:
            self._flock(namespace)
        if namespace in self._flocks:
            self._flocks[namespace].manager.wake(key)

    def stuck(self) -> str:
        for namespace, flock in self._flocks.items():
            why = flock.manager.stuck()
            if why:
                return f"namespace {namespace}: {why}"
        return ""

    def reading(self) -> Reading:
        """For probes and metrics."""
        troubles = self._mirror.troubles() if self._mirror is not None else {"api-server": "not connected yet"}
        return Reading(
            stuck=self.stuck(),
            unready="; ".join(f"{plural}: {why}" for plural, why in troubles.items() if why),
            tallies={namespace: flock.manager.tally() for namespace, flock in self._flocks.items()},
            requests=self._api.requests if self._api else 0,
            writes=self._api.writes if self._api else 0,
            faults=dict(FAULTS),
            watches={plural: not why for plural, why in troubles.items()},
        )

    # -- inside
    def _changed(self, made: Object) -> None:
        namespace = made["metadata"]["namespace"]
        if made["kind"] in CUSTOM:
            self._flock(namespace)
        if namespace in self._flocks:
            self._flocks[namespace].cluster.changed(made)

    def _flock(self, namespace: str) -> None:
        if namespace in self._flocks:
            return
        assert self._api is not None
        assert self._mirror is not None
        assert self._announcer is not None
        cluster = KubernetesCluster(self._api, self._mirror, self._announcer, namespace)
        platform = self._platform(namespace)
        feed = RedisRiskFeed(namespace, platform.bus_address, platform.record_address)
        reconciler = Reconciler(
            cluster, feed, self._clock, platform, settle_ms=SETTLE_MS, others_ms=OTHERS_MS, burst_ms=BURST_MS
        )
        manager = Manager(reconciler, self._clock, complain)
        self._flocks[namespace] = Flock(cluster, feed, manager)
        self._supervise(f"loops of {namespace}", partial(_after, self._mirror, manager))

    def _supervise(self, what: str, run: Callable[[], Awaitable[None]]) -> None:
        self._tasks.append(asyncio.create_task(self._forever(what, run), name=what))

    async def _forever(self, what: str, run: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await run()
            except Exception as error:  # noqa: BLE001  - told with its stack, and begun again
                complain(what, error)
            await asyncio.sleep(AGAIN_S)


async def _after(mirror: Mirror, manager: Manager) -> None:
    """Reconcile once the truth is known: what was never listed must not look like nothing."""
    await mirror.ready()
    await manager.run()


def complain(what: str, error: BaseException) -> None:
    """One line for what the world does, a stack for what we did."""
    FAULTS["expected" if isinstance(error, EXPECTED) else "unexpected"] += 1
    if isinstance(error, EXPECTED):
        log.warning("retrying", extra={"what": what, "error": f"{error}"})
    else:
        log.error("unexpected", extra={"what": what, "error": repr(error)}, exc_info=error)
