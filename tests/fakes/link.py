"""A network that loses packets: TCP in front of a server, whose connections can go silent and are never closed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Literal

Way = Literal["requests", "answers"]
Lost = Literal["", "both", "answers"]


@dataclass(eq=False)
class _Pair:
    """One connection: what once lost a byte carries nothing any more, as it could only go on in the middle."""

    writers: tuple[asyncio.StreamWriter, asyncio.StreamWriter]
    silent: set[Way] = field(default_factory=set)


class Link:
    """Carries bytes to `target` ("unix:///path" or "host:port") until told to lose them.

    `lost` is about old and new connections alike: "both" ways, or the "answers" alone. What is lost is read and
    dropped: no reset, no end, also when one side closes. Connections are made in any case, as by a middlebox.
    `mark`: the first request that holds these bytes gets through, and from then on the answers are lost.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self._pairs: list[_Pair] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.lost: Lost = ""
        self.mark = b""
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """For asyncio.start_server."""
        if self._target.startswith("unix://"):
            inside, inner = await asyncio.open_unix_connection(self._target.removeprefix("unix://"))
        else:
            host, _, port = self._target.rpartition(":")
            inside, inner = await asyncio.open_connection(host, int(port))
        pair = _Pair((writer, inner))
        self._pairs.append(pair)
        for way, source, sink in (("requests", reader, inner), ("answers", inside, writer)):
            task = asyncio.create_task(self._carry(pair, way, source, sink))  # type: ignore[arg-type]  # a literal
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(self, pair: _Pair, way: Way, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65_536):
                if self.mark and way == "requests" and self.mark in data:
                    self.mark, self.lost = b"", "answers"
                if self.lost in {"both", way}:
                    pair.silent.add(way)
                if way not in pair.silent:
                    sink.write(data)
                    await sink.drain()
            if not self.lost and not pair.silent:
                sink.close()

    def silence(self) -> None:
        """The connections of now carry nothing any more; later ones work."""
        for pair in self._pairs:
            pair.silent |= {"requests", "answers"}

    async def close(self) -> None:
        """End all connections."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for pair in self._pairs:
            for writer in pair.writers:
                writer.transport.abort()


@contextlib.asynccontextmanager
async def link(target: str) -> AsyncIterator[Link]:
    """A link on a port of this machine."""
    made = Link(target)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        await made.close()
