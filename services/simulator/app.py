"""The running simulator: one aiohttp server, one task that moves the world."""

import asyncio
import contextlib
import resource
import time
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from services.simulator.admin import Admin
from services.simulator.replay.player import Replay
from services.simulator.rest.server import MAX_BODY, add_routes, errors
from services.simulator.script import add_script_routes
from services.simulator.venue import Venue
from services.simulator.ws.hub import Hub
from services.simulator.ws.server import PATH, Stream

_LONGEST_SLEEP_S = 0.25
_SHORTEST_SLEEP_S = 0.005
_BACKLOG = 128
_MOST_CONNECTIONS = 4096
_LAST_WORDS_S = 0.02
"""The reply to who asked for an outage still goes out."""
_OTHER_FILES = 128
"""Open files kept for everything but connections."""


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


def _open_files() -> int:
    """Files this process may hold open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST_CONNECTIONS + _OTHER_FILES if soft == resource.RLIM_INFINITY else soft


class _Refusal(asyncio.Protocol):
    """A connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            transport.abort()


class Simulator:
    """Serves one venue: ``async with Simulator(...) as simulator`` listens on ``simulator.port``."""

    def __init__(self, venue: Venue, *, host: str, port: int, admin: bool, replay: Replay | None = None) -> None:
        self.venue = venue
        self.hub = Hub(venue.world.events, venue.world.listings, replay)
        if replay is not None:
            replay.heard_by.append(self.hub.on_recorded)
        venue.listeners.heard_by.append(self.hub.on_event)
        self.host = host
        self.port = port
        self._stream = Stream(venue, self.hub)
        self._app = web.Application(middlewares=[errors], client_max_size=MAX_BODY)
        add_routes(self._app, venue)
        self._app.router.add_get(PATH, self._stream.serve)
        if admin:
            Admin(venue, self._begin_outage).mount(self._app)
            add_script_routes(self._app, venue, replay)
        self._runner = web.AppRunner(self._app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        self._most_connections = min(_MOST_CONNECTIONS, _open_files() - _OTHER_FILES)
        self._clock: asyncio.Task[None] | None = None
        self._listener: asyncio.Server | None = None
        self._acts: set[asyncio.Task[None]] = set()
        venue.on_maintenance.append(lambda: self._act(self._stream.close()))

    @property
    def rest_url(self) -> str:
        return f"http://{self.host}:{self.port}/trade-api/v2"

    @property
    def ws_url(self) -> str:
        return f"ws://{self.host}:{self.port}{PATH}"

    @property
    def clock(self) -> "asyncio.Task[None]":
        """The task that moves the world; it ends only by an error or a stop."""
        if self._clock is None:
            raise RuntimeError("the simulator is not running")
        return self._clock

    async def __aenter__(self) -> Self:
        """Bind the port; raises ``OSError``."""
        await self._runner.setup()
        try:
            await self._listen()
        except OSError:
            await self._runner.cleanup()
            raise
        if self._listener is not None:
            self.port = int(self._listener.sockets[0].getsockname()[1])
        self._clock = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for act in list(self._acts):
            act.cancel()
        if self._clock is not None:
            self._clock.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._clock
        if self._listener is not None:
            self._listener.close()
        await self._stream.close()
        await self._runner.cleanup()

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._accept, self.host, self.port, backlog=_BACKLOG)

    def _accept(self) -> asyncio.Protocol:
        """The protocol of one more connection; beyond the bound, give or take one backlog, it is ended at once."""
        server = self._runner.server
        if server is None or len(server.connections) >= self._most_connections:
            return _Refusal()
        return server()

    def _act(self, action: Coroutine[Any, Any, None]) -> None:
        """Do something beside the request that asked for it; it ends with the simulator at the latest."""
        task = asyncio.get_running_loop().create_task(action)
        self._acts.add(task)
        task.add_done_callback(self._acts.discard)

    def _begin_outage(self, seconds: float) -> None:
        self._act(self._outage(seconds))

    async def _outage(self, seconds: float) -> None:
        """Refuse connections and end those that are open, as a host that is gone."""
        await asyncio.sleep(_LAST_WORDS_S)
        if self._listener is not None:
            self._listener.close()
        if self._runner.server is not None:
            for connection in self._runner.server.connections:
                if connection.transport is not None:
                    connection.transport.abort()
        await asyncio.sleep(seconds)
        await self._listen()

    async def _run(self) -> None:
        while True:
            now = self.venue.advance()
            following = self.venue.world.schedule.next_ms()
            pause = _LONGEST_SLEEP_S if following is None else (following - now) / 1000
            await asyncio.sleep(min(_LONGEST_SLEEP_S, max(_SHORTEST_SLEEP_S, pause)))
