"""Runs one loop per key, for as long as the key has anything to do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from touchline_operator import names
from touchline_operator.api import RiskPolicy
from touchline_operator.desired.meta import LoopKey
from touchline_operator.desired.render import loops
from touchline_operator.ports import Clock
from touchline_operator.reconcile.act import Reconciler
from touchline_operator.reconcile.wake import WakeBoard

RESYNC_S = 2.0
BACKOFF_FIRST_S = 0.2
BACKOFF_MOST_S = 10.0

Complain = Callable[[str, BaseException], None]


def backoff(failures: int, chance: float) -> float:
    """Seconds until the next try: doubles, capped, and spread by half so that loops do not march in step."""
    return float(min(BACKOFF_FIRST_S * 2.0 ** min(failures - 1, 16), BACKOFF_MOST_S) * (0.5 + chance / 2))


class Manager:
    """The loops. A loop's error is told to `complain` and tried again; it never ends another loop."""

    def __init__(self, reconciler: Reconciler, clock: Clock, complain: Complain, resync_s: float = RESYNC_S) -> None:
        self._reconciler = reconciler
        self._clock = clock
        self._complain = complain
        self._resync_s = resync_s
        self._board: WakeBoard[LoopKey] = WakeBoard()
        self._changed = asyncio.Event()
        self._tasks: dict[LoopKey, asyncio.Task[None]] = {}
        self._listeners: dict[str, asyncio.Task[None]] = {}

    def wake(self) -> None:
        """Something changed: every loop looks again, and new keys get a loop."""
        self._changed.set()
        self._board.wake_all()

    async def run(self) -> None:
        """Until cancelled."""
        self._reconciler.cluster.watch(self.wake)
        failures = 0
        try:
            while True:
                self._changed.clear()
                try:
                    await self._follow()
                    failures = 0
                    pause = self._resync_s
                except Exception as error:  # noqa: BLE001  - reported, and tried again after the back-off
                    failures += 1
                    pause = backoff(failures, self._clock.chance())
                    self._complain("resources", error)
                try:
                    await asyncio.wait_for(self._changed.wait(), pause)
                except TimeoutError:
                    continue
        finally:
            tasks = [*self._tasks.values(), *self._listeners.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self) -> None:
        """One loop per key of the world, one listener per policy; loops of what is gone end when all is pruned."""
        world = await self._reconciler.world()
        for key in loops(world):
            self._start(key)
        for label in await self._labels():
            if label is not None:
                self._start(label)
        wanted = {policy.metadata.name for policy in world.policies if isinstance(policy, RiskPolicy)}
        for name in wanted - self._listeners.keys():
            listening = self._reconciler.feed.listen(name, self._board.wake_all)
            self._listeners[name] = asyncio.create_task(listening, name=f"listen {name}")
        for name in self._listeners.keys() - wanted:
            self._listeners.pop(name).cancel()
        for key in [key for key, task in self._tasks.items() if task.done()]:
            del self._tasks[key]

    async def _labels(self) -> set[LoopKey | None]:
        """Loops whose objects still exist although nothing asks for them any more."""
        owned = await self._reconciler.cluster.owned({names.MANAGED_BY: names.FIELD_MANAGER})
        return {loop_of(found["metadata"]) for found in owned}

    def _start(self, key: LoopKey) -> None:
        task = self._tasks.get(key)
        if task is None or task.done():
            self._tasks[key] = asyncio.create_task(self._loop(key), name=str(key))

    async def _loop(self, key: LoopKey) -> None:
        failures = 0
        while True:
            self._board.clear(key)
            try:
                await self._reconciler.reconcile(key)
                failures = 0
                pause = self._resync_s
                if await self._finished(key):
                    self._board.forget(key)
                    return
            except Exception as error:  # noqa: BLE001  - reported, and tried again after the back-off
                failures += 1
                pause = backoff(failures, self._clock.chance())
                self._complain(str(key), error)
            await self._board.wait(key, pause)

    async def _finished(self, key: LoopKey) -> bool:
        if key in loops(await self._reconciler.world()):
            return False
        return not await self._reconciler.cluster.owned({names.LOOP: key.label})


def loop_of(metadata: dict[str, object]) -> LoopKey | None:
    """The loop that wrote an object, from its labels and annotations; None when it is not one of ours."""
    labels, annotations = metadata.get("labels"), metadata.get("annotations") or {}
    assert isinstance(labels, dict)
    assert isinstance(annotations, dict)
    kind = str(labels.get(names.LOOP, "")).partition(".")[0]
    match kind:
        case "strategy":
            return LoopKey(kind, str(labels[names.STRATEGY]))
        case "policy":
            return LoopKey(kind, str(labels[names.POLICY]))
        case "event":
            return LoopKey(kind, str(labels[names.FEED]), str(annotations[names.EVENT]))
        case "feed":
            return LoopKey(kind, str(labels[names.FEED]))
        case _:
            return None
