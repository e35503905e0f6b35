"""The WebSocket edge: signature on the upgrade, one reader and one writer per connection, a ping every ten seconds."""

import asyncio
import contextlib

from aiohttp import WSMsgType, web

from services.simulator.auth import KEY_HEADER
from services.simulator.venue import Venue
from services.simulator.wire.errors import TOO_MANY, WireError
from services.simulator.ws.commands import Commands
from services.simulator.ws.connection import Connection
from services.simulator.ws.hub import Hub

PATH = "/trade-api/ws/v2"
PING_S = 10.0
MOST_CONNECTIONS = 200
"""Open connections of one member."""
_MAX_COMMAND = 1024 * 1024
_MOST_BUFFERED = 256 * 1024
_DRAIN_S = 0.002
_TEXT = 0x81
"""First byte of a whole, uncompressed text frame (RFC 6455, 5.2)."""


def framed(payloads: list[bytes]) -> bytes:
    """The payloads as unmasked text frames, one after the other."""
    parts: list[bytes] = []
    for payload in payloads:
        size = len(payload)
        if size < 126:
            parts.append(bytes((_TEXT, size)))
        elif size < 65_536:
            parts.append(b"\x81\x7e" + size.to_bytes(2, "big"))
        else:
            parts.append(b"\x81\x7f" + size.to_bytes(8, "big"))
        parts.append(payload)
    return b"".join(parts)


class Stream:
    """Serves the stream and remembers open sockets, to close them when the simulator stops."""

    def __init__(self, venue: Venue, hub: Hub, ping_s: float = PING_S) -> None:
        self._venue = venue
        self._hub = hub
        self._ping_s = ping_s
        self._sockets: set[web.WebSocketResponse] = set()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        venue = self._venue
        venue.authenticator.check(request.headers, "GET", PATH, venue.wall_ms())
        key_id = request.headers[KEY_HEADER]
        member = venue.accounts[key_id].member
        if sum(held.account.member is member for held in self._hub.connections) >= MOST_CONNECTIONS:
            raise WireError(429, TOO_MANY)
        socket = web.WebSocketResponse(compress=True, max_msg_size=_MAX_COMMAND)
        await socket.prepare(request)
        connection = Connection(venue.accounts[key_id], key_id, venue.faults)
        commands = Commands(venue, self._hub, connection)
        self._hub.connections.append(connection)
        self._sockets.add(socket)
        helpers = [
            asyncio.ensure_future(self._write(request, socket, connection)),
            asyncio.ensure_future(self._ping(socket, connection)),
        ]
        try:
            async for message in socket:
                if message.type in {WSMsgType.TEXT, WSMsgType.BINARY}:
                    commands.handle(message.data)
        finally:
            self._hub.connections.remove(connection)
            self._sockets.discard(socket)
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
        return socket

    async def close(self) -> None:
        """Say goodbye to every client."""
        for socket in list(self._sockets):
            await socket.close(code=1001, message=b"going away")

    async def _write(self, request: web.Request, socket: web.WebSocketResponse, connection: Connection) -> None:
        """Send what waits: whole batches in one write, or frame by frame through the client's compression."""
        transport = request.transport
        with contextlib.suppress(ConnectionError):  # the reader sees the same end and cleans up
            while transport is not None and not socket.closed:
                await connection.ready.wait()
                if connection.hung_up:
                    transport.abort()
                    return
                frames = connection.take()
                if socket.compress:
                    for frame in frames:
                        await socket.send_frame(frame, WSMsgType.TEXT)
                    continue
                transport.write(framed(frames))
                while transport.get_write_buffer_size() > _MOST_BUFFERED:  # noqa: ASYNC110  - aiohttp keeps the transport's own signal to itself
                    await asyncio.sleep(_DRAIN_S)

    async def _ping(self, socket: web.WebSocketResponse, connection: Connection) -> None:
        with contextlib.suppress(ConnectionError):  # the reader sees the same end and cleans up
            while True:
                await asyncio.sleep(self._ping_s)
                if not connection.muted:
                    await socket.ping(b"heartbeat")
