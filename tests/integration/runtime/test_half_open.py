"""Sockets that are open on our side only: a proxy that stops forwarding says nothing and closes nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from services.runtime.channels import SILENT_S, listen
from services.runtime.store import READ_TIMEOUT_S, STORE_ERRORS, Store, result


class Proxy:
    """TCP in front of a Redis on a Unix socket. `deaf` connections stay open and carry nothing any more."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._open: set[asyncio.Task[None]] = set()
        self._held: set[asyncio.StreamWriter] = set()
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_unix_connection(self._path)
        self._held |= {writer, inner_writer}
        mine = {
            asyncio.create_task(self._carry(reader, inner_writer)),
            asyncio.create_task(self._carry(inner_reader, writer)),
        }
        self._open |= mine

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
            writer.close()

    def go_deaf(self) -> None:
        """The connections of now; later ones work."""
        for task in self._open:
            task.cancel()
        self._open = set()

    def close(self) -> None:
        self.go_deaf()
        for writer in self._held:
            writer.transport.abort()


@pytest.fixture
async def proxy(redis_url: str) -> AsyncIterator[Proxy]:
    made = Proxy(redis_url.removeprefix("unix://"))
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    made.url = f"redis://127.0.0.1:{port}"
    yield made
    server.close()
    made.close()


async def test_a_call_on_a_half_open_socket_ends_and_the_next_one_works(proxy: Proxy) -> None:
    store = Store(proxy.url, "record")
    await result(store.client.set("key", "value"))
    proxy.go_deaf()
    with pytest.raises(STORE_ERRORS):
        async with asyncio.timeout(READ_TIMEOUT_S * 4):
            await result(store.client.get("key"))
    assert await result(store.client.get("key")) == b"value"
    await store.close()


async def test_a_half_open_channel_is_told_from_a_quiet_one(proxy: Proxy) -> None:
    store = Store(proxy.url, "bus")
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
    proxy.go_deaf()
    with pytest.raises(STORE_ERRORS, match="have not answered"):
        async with asyncio.timeout(SILENT_S * 4):
            await listening
    await store.close()
