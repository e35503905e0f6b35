"""Sockets that are open on our side only: a proxy that stops forwarding says nothing and closes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.runtime.channels import SILENT_S, listen
from services.runtime.store import READ_TIMEOUT_S, STORE_ERRORS, Store, result
from tests.fakes.link import Link, link


@pytest.fixture
async def proxy(redis_url: str) -> AsyncIterator[Link]:
    async with link(redis_url) as made:
        yield made


async def test_a_call_on_a_half_open_socket_ends_and_the_next_one_works(proxy: Link) -> None:
    store = Store(f"redis://127.0.0.1:{proxy.port}", "record")
    await result(store.client.set("key", "value"))
    proxy.silence()
    with pytest.raises(STORE_ERRORS):
        async with asyncio.timeout(READ_TIMEOUT_S * 4):
            await result(store.client.get("key"))
    assert await result(store.client.get("key")) == b"value"
    await store.close()


async def test_a_half_open_channel_is_told_from_a_quiet_one(proxy: Link) -> None:
    store = Store(f"redis://127.0.0.1:{proxy.port}", "bus")
    quiet_for = SILENT_S + 1.5
    loop = asyncio.get_running_loop()

    async def hear(seconds: float) -> None:
        began = loop.time()
        async for message in listen(store, ["channel"], wait_s=0.2):
            assert message is None
            if loop.time() - began > seconds:
                return

    await hear(quiet_for)  # quiet, and answering: nothing is raised
    listening = asyncio.create_task(hear(60))
    await asyncio.sleep(0.5)
    proxy.silence()
    with pytest.raises(STORE_ERRORS, match="have not answered"):
        async with asyncio.timeout(SILENT_S * 4):
            await listening
    await store.close()
