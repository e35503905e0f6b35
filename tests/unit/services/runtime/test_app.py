from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("folder", ["services", "operator/touchline_operator"])
def test_nobody_waits_in_the_way_that_forgets_a_cancellation(folder: str) -> None:
    users = [str(path) for path in (ROOT / folder).rglob("*.py") if "asyncio.wait_for(" in path.read_text()]
    assert users == [], "use `async with asyncio.timeout(...)`"
