"""How many passes run side by side: a thousand that wait for the API server at once only hold memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Lane(Generic[K]):
    """`places` at once, first come first served; a key that is `pressing` when a place is free goes before others."""

    def __init__(self, places: int, pressing: Callable[[], AbstractSet[K]]) -> None:
        self._free, self._pressing = places, pressing
        self._waiting: dict[K, asyncio.Future[None]] = {}

    @asynccontextmanager
    async def place(self, key: K) -> AsyncIterator[None]:
        """A place for as long as the block lasts; every key waits once at most."""
        await self._enter(key)
        try:
            yield
        finally:
            self._leave()

    async def _enter(self, key: K) -> None:
        if self._free > 0:
            self._free -= 1
            return
        turn = self._waiting[key] = asyncio.get_running_loop().create_future()
        try:
            await turn
        except asyncio.CancelledError:
            if self._waiting.pop(key, None) is None:
                self._leave()  # the place was ours already
            raise

    def _leave(self) -> None:
        if not self._waiting:
            self._free += 1
            return
        pressing = self._pressing()
        key = next((k for k in self._waiting if k in pressing), None) if pressing else None
        turn = self._waiting.pop(next(iter(self._waiting)) if key is None else key)
        turn.set_result(None)
