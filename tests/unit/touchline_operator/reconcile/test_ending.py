from __future__ import annotations

import asyncio

from touchline_operator.reconcile.ending import end


async def deaf(times: int, heard: list[int]) -> None:
    """Loses its first cancellations, as a command that was just answered does."""
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            heard.append(1)
            if len(heard) > times:
                raise


async def test_a_task_that_loses_cancellations_is_asked_until_it_has_ended():
    heard: list[int] = []
    tasks = [asyncio.create_task(deaf(2, heard)), asyncio.create_task(asyncio.sleep(60))]
    await asyncio.sleep(0)
    await end(tasks, again_s=0.01)
    assert all(task.cancelled() for task in tasks)
    assert len(heard) == 3


async def test_what_has_ended_is_left_alone():
    async def fails() -> None:
        raise ValueError("x")

    task = asyncio.create_task(fails())
    await asyncio.wait([task])
    await end([task], again_s=0.01)
    assert isinstance(task.exception(), ValueError)
    await end([], again_s=0.01)
