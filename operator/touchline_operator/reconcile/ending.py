"""Ending tasks for certain."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any


async def end(tasks: Iterable[asyncio.Task[Any]], again_s: float) -> None:
    """Cancel tasks until all have ended, asking again every `again_s` seconds.

    Once is not always enough: on Python 3.11 `asyncio.wait_for`, which the Redis client uses for each command that it
    sends, loses a cancellation that comes together with the answer. `again_s` is longer than what a task takes to clean
    up after itself: the second cancellation would interrupt that.
    """
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=again_s)
