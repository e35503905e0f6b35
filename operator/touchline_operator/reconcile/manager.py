"""Runs one loop per key, for as long as the key has anything to do."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from touchline_operator import names
from touchline_operator.api import RiskPolicy
from touchline_operator.desired import network
from touchline_operator.desired.meta import LoopKey
from touchline_operator.desired.render import loops
from touchline_operator.desired.world import World
from touchline_operator.ports import Clock
from touchline_operator.reconcile.act import Reconciler
from touchline_operator.reconcile.affected import affected, of_policy, of_processes
from touchline_operator.reconcile.ending import end
from touchline_operator.reconcile.lane import Lane
from touchline_operator.reconcile.tally import Tally
from touchline_operator.reconcile.wake import WakeBoard

RESYNC_S = 2.0
LOOP_SHARE_S = 0.05
"""Every loop adds this to the resync, so that at rest there are at most twenty passes a second, however many loops."""
SHARED_PACE_S = 1.0
"""What the strategies of a feed or a policy share changes with each of them: gathered, it is written once a second."""
EXECUTORS_PACE_S = 0.1
"""Their policy looks once for all that end or begin within this."""
FOLLOW_PACE_S = 0.1
REPORTS_S = 1.0
"""How often the processes' reports are read; a report that says something new wakes the loops that it concerns."""
EXECUTORS = "executors"
"""A key of this kind stands for the executors of a policy."""
PROCESS = "process"
"""A key of this kind stands for a process: it wakes the loops whose conditions speak of it."""
PASSES_AT_ONCE = 48
STUCK_MS = 120_000
"""Every wait of a pass has a time-out and all of them together end well before this."""
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
        self._world = World()
        self._strays: set[LoopKey] = set()
        self._strays_due_ms = 0
        self._later: dict[LoopKey, asyncio.TimerHandle] = {}
        self._began: dict[LoopKey, int] = {}
        self._turned_ms = clock.mono_ms()
        self._tally = Tally()
        self._lane: Lane[LoopKey] = Lane(PASSES_AT_ONCE, self._pressing)

    def tally(self) -> Tally:
        """What the loops did so far."""
        self._tally.loops, self._tally.running = len(self._tasks), len(self._began)
        return self._tally

    def wake(self, key: LoopKey | None = None) -> None:
        """Something changed: the key's loop looks at once, others that it concerns soon; without a key, all do."""
        if key is not None and key.kind == PROCESS:
            for one in of_processes(self._world, {key.name}) & self._tasks.keys():
                self._board.wake(one)
            return
        if key is not None and key.kind == EXECUTORS:
            self._soon(LoopKey("policy", key.name), EXECUTORS_PACE_S)
            return
        self._changed.set()
        if key is None:
            self._strays_due_ms = 0
            self._board.wake_all()
        elif key in self._tasks:
            self._board.wake(key)
        else:
            self._strays.add(key)

    def stuck(self) -> str:
        """Which loop does not turn any more; "" when all do. Nothing outside of this process makes a loop stuck."""
        now = self._clock.mono_ms()
        if now - self._turned_ms > STUCK_MS:
            return f"the loop of loops: {(now - self._turned_ms) // 1000} s"
        slow = min(self._began.items(), key=lambda item: item[1], default=None)
        if slow is not None and now - slow[1] > STUCK_MS:
            return f"{slow[0]}: in one pass for {(now - slow[1]) // 1000} s"
        return ""

    async def run(self) -> None:
        """Until cancelled."""
        self._reconciler.cluster.watch(self.wake)
        failures = 0
        hearing = asyncio.create_task(self._hear(), name="reports")
        try:
            while True:
                self._changed.clear()
                self._turned_ms = self._clock.mono_ms()
                try:
                    await self._follow()
                    failures = 0
                    pause = self._resync_s
                    # A burst of changes is followed together.
                    await asyncio.sleep(FOLLOW_PACE_S)
                except Exception as error:  # noqa: BLE001  - reported, and tried again after the back-off
                    failures += 1
                    pause = backoff(failures, self._clock.chance())
                    self._complain("resources", error)
                try:
                    async with asyncio.timeout(pause):
                        await self._changed.wait()
                except TimeoutError:
                    continue
        finally:
            for handle in self._later.values():
                handle.cancel()
            tasks = [hearing, *self._tasks.values(), *self._listeners.values()]
            await end(tasks, again_s=0.2)

    async def _follow(self) -> None:
        """One loop per key of the world, one listener per policy; loops of what is gone end when all is pruned."""
        world = await self._reconciler.world()
        strays, self._strays = self._strays, set()
        if self._clock.mono_ms() >= self._strays_due_ms:
            # Loops whose objects still exist although nothing asks for them any more.
            strays |= await self._reconciler.cluster.loops()
            self._strays_due_ms = self._clock.mono_ms() + round(self._resync_s * 1000)
        for key in loops(world) | strays:
            self._start(key)
        wanted = {policy.metadata.name for policy in world.policies if isinstance(policy, RiskPolicy)}
        for name in wanted - self._listeners.keys():
            listening = self._reconciler.feed.listen(name, partial(self._wake_policy, name))
            self._listeners[name] = asyncio.create_task(listening, name=f"listen {name}")
        for name in self._listeners.keys() - wanted:
            self._listeners.pop(name).cancel()
        for key in [key for key, task in self._tasks.items() if task.done()]:
            del self._tasks[key]
        before, self._world = self._world, world
        for key in affected(before, world) & self._tasks.keys():
            if key.kind == "policy":
                # What it shows of its strategies changes with each of them; its own halt wakes it by itself.
                self._soon(key, SHARED_PACE_S)
            else:
                self._board.wake(key)

    def _wake_policy(self, name: str, key: LoopKey | None = None) -> None:  # noqa: ARG002  - a policy's nudge names it
        self._reconciler.expire(name)
        for one in of_policy(self._world, name) & self._tasks.keys():
            self._board.wake(one)

    def _soon(self, key: LoopKey, pace_s: float) -> None:
        """Wake once for all that happens within `pace_s`."""
        if key not in self._later:
            self._later[key] = asyncio.get_running_loop().call_later(pace_s, self._ring, key)

    def _ring(self, key: LoopKey) -> None:
        del self._later[key]
        if key in self._tasks:
            self._board.wake(key)

    async def _hear(self) -> None:
        while True:
            try:
                keys = of_processes(self._world, await self._reconciler.hear())
                for key in keys & self._tasks.keys():
                    self._board.wake(key)
            except Exception as error:  # noqa: BLE001  - reported, and tried again
                self._complain("reports", error)
            await asyncio.sleep(REPORTS_S)

    def _start(self, key: LoopKey) -> None:
        task = self._tasks.get(key)
        if task is None or task.done():
            self._tasks[key] = asyncio.create_task(self._loop(key), name=str(key))

    async def _loop(self, key: LoopKey) -> None:
        failures = 0
        while True:
            try:
                # A policy never waits for a place: its halt is what everybody else waits for.
                async with contextlib.nullcontext() if key.kind == "policy" else self._lane.place(key):
                    if await self._pass(key):
                        self._board.forget(key)
                        return
                failures = 0
                pause = max(self._resync_s, len(self._tasks) * LOOP_SHARE_S) * (1 + self._clock.chance() / 4)
                due = self._reconciler.due_s(key)
                pause = pause if due is None else min(pause, due)
            except Exception as error:  # noqa: BLE001  - reported, and tried again after the back-off
                failures += 1
                pause = max(backoff(failures, self._clock.chance()), getattr(error, "after_s", 0.0))
                self._complain(str(key), error)
            if key.kind == "feed":
                await asyncio.sleep(SHARED_PACE_S)
            await self._board.wait(key, pause)

    async def _pass(self, key: LoopKey) -> bool:
        """One pass; whether it was the last because nothing of the key is wanted or left."""
        self._board.clear(key)
        self._began[key] = began = self._clock.mono_ms()
        failed = True
        try:
            finished = await self._finished(await self._reconciler.reconcile(key), key)
            failed = False
        finally:
            del self._began[key]
            self._tally.add(key.kind, (self._clock.mono_ms() - began) / 1000, failed=failed)
        return finished

    def _pressing(self) -> frozenset[LoopKey]:
        """Strategies of a policy that halts: their executors go to zero before anything else is done."""
        known: frozenset[LoopKey] | None = self._world.memo.get("pressing")
        if known is None:
            latched = [name for name, facts in self._world.facts.items() if facts.latched]
            known = frozenset(key for name in latched for key in of_policy(self._world, name))
            self._world.memo["pressing"] = known
        return known

    async def _finished(self, world: World, key: LoopKey) -> bool:
        if key in loops(world):
            return False
        return not await self._reconciler.cluster.owned({names.LOOP: key.label})


def loop_of(metadata: Mapping[str, Any]) -> LoopKey | None:
    """The loop that wrote an object, from its labels and annotations; None when it is not one of ours."""
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    kind = str(labels.get(names.LOOP, "")).partition(".")[0]
    event = ""
    match kind:
        case "strategy":
            name = labels.get(names.STRATEGY)
        case "policy":
            name = labels.get(names.POLICY)
        case "event":
            name, event = labels.get(names.FEED), annotations.get(names.EVENT, "")
        case "feed":
            name = labels.get(names.FEED)
        case network.LOOP.kind:
            name = network.LOOP.name
        case _:
            return None
    # Labels are free for all: somebody's copy may carry some of ours.
    if not name or (kind == "event" and not event):
        return None
    return LoopKey(kind, name, event)
