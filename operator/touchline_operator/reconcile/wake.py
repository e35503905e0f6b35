"""The wake board: loops sleep here; any change wakes, and no wake-up is lost between reading and sleeping."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class WakeBoard(Generic[K]):
    """One event per key. Clear before reading the truth, wait after acting on it."""

    def __init__(self) -> None:
        self._events: dict[K, asyncio.Event] = {}

    def _event(self, key: K) -> asyncio.Event:
        return self._events.setdefault(key, asyncio.Event())

    def clear(self, key: K) -> None:
        self._event(key).clear()

    def wake(self, key: K) -> None:
        self._event(key).set()

    def wake_all(self) -> None:
        for event in self._events.values():
            event.set()

    def forget(self, key: K) -> None:
        self._events.pop(key, None)

    async def wait(self, key: K, timeout: float) -> None:  # noqa: ASYNC109  - the wait is the time-out: resync
        """Until woken, or for `timeout` seconds."""
        try:
            # Not wait_for: on Python 3.11 it loses a cancellation that comes together with the wake-up.
            async with asyncio.timeout(timeout):
                await self._event(key).wait()
        except TimeoutError:
            return
