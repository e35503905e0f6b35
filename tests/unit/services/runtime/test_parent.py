from __future__ import annotations

import asyncio
import os

from services.runtime.parent import PARENT_FD, follow


async def test_the_end_of_the_pipe_stops_and_the_pipe_stays_blocking_for_its_other_readers(monkeypatch):
    reading, writing = os.pipe()
    monkeypatch.setenv(PARENT_FD, str(reading))
    stop = asyncio.Event()
    follow(stop)
    await asyncio.sleep(0.02)
    assert not stop.is_set()
    assert os.get_blocking(reading)
    os.close(writing)
    async with asyncio.timeout(5):
        await stop.wait()
    os.close(reading)


async def test_without_a_parent_nothing_is_followed(monkeypatch):
    monkeypatch.delenv(PARENT_FD, raising=False)
    stop = asyncio.Event()
    follow(stop)
    assert not stop.is_set()
