from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from services.runtime.app import ended

ROOT = Path(__file__).parents[4]


async def test_a_cancelled_wait_that_comes_true_in_the_same_moment_still_ends() -> None:
    """`asyncio.wait_for` of Python 3.11 forgets the cancellation: a ledger without its lease then went on for ever."""
    event = asyncio.Event()

    async def loop() -> None:
        while True:
            try:
                async with asyncio.timeout(5):
                    await event.wait()
            except TimeoutError:
                continue
            event.clear()

    task = asyncio.create_task(loop())
    await asyncio.sleep(0)
    event.set()
    task.cancel()
    done, _ = await asyncio.wait({task}, timeout=1)
    task.cancel()
    assert done
    assert task.cancelled()


async def test_a_task_whose_call_loses_a_cancellation_is_cancelled_again() -> None:
    async def loses_one() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    tasks = [asyncio.create_task(loses_one()), asyncio.create_task(asyncio.sleep(60))]
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await ended(tasks)
    assert all(task.cancelled() for task in tasks)


@pytest.mark.parametrize("folder", ["services", "operator/touchline_operator"])
def test_nobody_waits_in_the_way_that_forgets_a_cancellation(folder: str) -> None:
    users = [str(path) for path in (ROOT / folder).rglob("*.py") if "asyncio.wait_for(" in path.read_text()]
    assert users == [], "use `async with asyncio.timeout(...)`"
