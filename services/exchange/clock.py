"""Time as an argument: the wall clock for stamps, the monotonic one for ages, and sleeping."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """What this package needs to know about time. Tests pass their own."""

    def now_ms(self) -> int:
        """Wall time in epoch milliseconds."""

    def monotonic(self) -> float:
        """Seconds that never run backwards."""

    async def sleep(self, seconds: float) -> None:
        """Suspend the caller."""


class SystemClock:
    """The machine's own clocks."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
