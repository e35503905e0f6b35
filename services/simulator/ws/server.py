"""The WebSocket edge: signature on the upgrade, one reader and one writer per connection, a ping every ten seconds."""

import asyncio
import contextlib

from aiohttp import WSMsgType, web

from services.simulator.venue import Venue
from services.simulator.ws.commands import Commands
from services.simulator.ws.connection import Connection
from services.simulator.ws.hub import Hub

PATH = "/trade-api/ws/v2"
PING_S = 10.0
_MAX_COMMAND = 1024 * 1024


class Stream:
    """Serves the stream and remembers open sockets, to close them when the simulator stops."""

    def __init__(self, venue: Venue, hub: Hub, ping_s: float = PING_S) -> None:
        self._venue = venue
        self._hub = hub
        self._ping_s = ping_s
        self._sockets: set[web.WebSocketResponse] = set()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        venue = self._venue
        key_id = venue.authenticator.check(request.headers, "GET", PATH, venue.wall_ms())
        socket = web.WebSocketResponse(compress=False, max_msg_size=_MAX_COMMAND)
        await socket.prepare(request)
        connection = Connection(venue.accounts[key_id], venue.faults)
        commands = Commands(venue, self._hub, connection)
        self._hub.connections.append(connection)
        self._sockets.add(socket)
        helpers = [asyncio.ensure_future(self._write(socket, connection)), asyncio.ensure_future(self._ping(socket))]
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

    async def _write(self, socket: web.WebSocketResponse, connection: Connection) -> None:
        with contextlib.suppress(ConnectionError):  # the reader sees the same end and cleans up
            while True:
                await connection.ready.wait()
                for frame in connection.take():
                    await socket.send_frame(frame, WSMsgType.TEXT)

    async def _ping(self, socket: web.WebSocketResponse) -> None:
        with contextlib.suppress(ConnectionError):  # the reader sees the same end and cleans up
            while True:
                await asyncio.sleep(self._ping_s)
                await socket.ping(b"heartbeat")
