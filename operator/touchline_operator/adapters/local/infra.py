"""What `up` starts beside the processes of the core: the two Redis and, for the Simulator environment, the exchange."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from redis.exceptions import RedisError

from touchline_operator.adapters.local import redis_server
from touchline_operator.adapters.local.redis_server import Role
from touchline_operator.adapters.local.supervisor import last_line, tell
from touchline_operator.adapters.redis import connect, done

START_S = 20.0
STOP_S = 5.0
ORPHAN_S = 20
"""When `up` is killed its processes drain by themselves first; what they need is ended this much later."""


class InfraError(Exception):
    """Something that everything needs does not run; the message says what, and what to change."""


class SimulatorAccount(msgspec.Struct, frozen=True):
    """A key of the simulator."""

    key_id: str
    private_key_path: str


class SimulatorReady(msgspec.Struct, frozen=True):
    """The one line that the simulator prints when it serves."""

    rest_url: str
    ws_url: str
    accounts: tuple[SimulatorAccount, ...]


@dataclass(frozen=True, slots=True)
class Played:
    """What the simulator must play: events by name, and series with how many of their games at a time."""

    events: Sequence[str]
    series: Mapping[str, int]
    every_s: float
    """A further game of a followed series is listed this often."""

    def options(self) -> list[str]:
        """Twice as many games of a series as are wanted at a time: some come when others end."""
        found = ["--games", ",".join(self.events)] if self.events else []
        if self.series:
            slate = ",".join(f"{series}:{most}:{2 * most}" for series, most in sorted(self.series.items()))
            found += ["--slate", slate, "--list-every", f"{self.every_s:g}"]
        return found


@dataclass
class Helper:
    """A process that is not the core's. Restarted when `restart`, else its end is told to `ended`."""

    name: str
    command: Sequence[str]
    log: Path
    parent_fd: int
    process: asyncio.subprocess.Process | None = None
    _guard: asyncio.subprocess.Process | None = None
    _watch: asyncio.Task[None] | None = None
    stopping: bool = False

    async def start(self, *, stdout: int | None = None) -> asyncio.subprocess.Process:
        with self.log.open("ab") as log:
            try:
                self.process = await asyncio.create_subprocess_exec(
                    *self.command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log if stdout is None else stdout,
                    stderr=log,
                    start_new_session=True,
                )
            except OSError as error:
                raise InfraError(f"{self.name}: {self.command[0]} cannot be started: {error.strerror}") from error
        await self._start_guard()
        return self.process

    async def _start_guard(self) -> None:
        # A shell that sleeps on our pipe: should we be killed, it ends the process after the others have drained.
        assert self.process is not None
        await self._stop_guard()
        script = f"read -r _; sleep {ORPHAN_S}; kill -TERM {self.process.pid}"
        self._guard = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", script),
            stdin=self.parent_fd,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )

    async def _stop_guard(self) -> None:
        if self._guard is not None:
            tell(self._guard, signal.SIGKILL)
            await self._guard.wait()
            self._guard = None

    def follow(self, ended: Callable[[str], None], *, restart: bool) -> None:
        """Restart the process when it ends by itself, or tell `ended` why everything must end."""
        self._watch = asyncio.create_task(self._follow(ended, restart=restart), name=f"follow {self.name}")

    async def _follow(self, ended: Callable[[str], None], *, restart: bool) -> None:
        while self.process is not None:
            code = await self.process.wait()
            if self.stopping:
                return
            if not restart:
                ended(f"{self.name} ended with exit code {code}: {last_line(self.log)}; see {self.log}")
                return
            await asyncio.sleep(0.2)
            await self.start()

    async def stop(self) -> None:
        """End it by SIGTERM, then SIGKILL; wait for the end."""
        self.stopping = True
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        if self.process is not None and self.process.returncode is None:
            tell(self.process, signal.SIGTERM)
            try:
                async with asyncio.timeout(STOP_S):
                    await self.process.wait()
            except TimeoutError:
                tell(self.process, signal.SIGKILL)
                await self.process.wait()
        await self._stop_guard()

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process and self.process.returncode is None else None


async def start_redis(role: Role, data: Path, sockets: Path, logs: Path, parent_fd: int) -> tuple[Helper, str]:
    """Start one Redis and wait until it answers; returns it with its URL. Raises InfraError."""
    short = _short_link(sockets / role, data)
    try:
        command = redis_server.command(role, short)
    except redis_server.RedisServerError as error:
        raise InfraError(str(error)) from error
    helper = Helper(f"{role} Redis", command, logs / f"redis-{role}.log", parent_fd)
    process = await helper.start()
    url = redis_server.url(short)
    client = connect(url)
    try:
        async with asyncio.timeout(START_S):
            while True:
                try:
                    await done(client.ping())
                except (RedisError, OSError):
                    if process.returncode is not None:
                        await helper.stop()  # its guard still runs
                        raise InfraError(f"{helper.name} ended: {last_line(short / 'redis.log')}") from None
                    await asyncio.sleep(0.02)
                else:
                    return helper, url
    except TimeoutError as error:
        await helper.stop()
        raise InfraError(f"{helper.name} does not answer after {START_S:.0f} s: see {short / 'redis.log'}") from error
    finally:
        await client.aclose()


async def start_simulator(
    state: Path, played: Played, arguments: Sequence[str], logs: Path, parent_fd: int
) -> tuple[Helper, SimulatorReady]:
    """Start the simulator and wait for its one line. Raises InfraError with what it complained about."""
    command = [
        *(sys.executable, "-m", "services.simulator", "--port", "0", "--state-dir", str(state)),
        *arguments,
        *played.options(),
    ]
    helper = Helper("simulator", command, logs / "simulator.log", parent_fd)
    process = await helper.start(stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_S):
            line = await process.stdout.readline()
    except TimeoutError as error:
        await helper.stop()
        raise InfraError(f"simulator: not ready after {START_S:.0f} s: see {helper.log}") from error
    if not line:
        await helper.stop()
        raise InfraError(f"simulator: {last_line(helper.log)}")
    try:
        return helper, msgspec.json.decode(line, type=SimulatorReady)
    except msgspec.MsgspecError as error:
        await helper.stop()
        raise InfraError(f"simulator: its first line is not what was agreed: {error}") from error


def _short_link(link: Path, data: Path) -> Path:
    """The server puts its socket into its data folder; a short link to it keeps the socket's path short."""
    data.mkdir(parents=True, exist_ok=True)
    link.symlink_to(data.absolute())
    return link


def short_folder() -> Path:
    """A new folder whose path is short enough for Unix sockets."""
    for _ in range(100):
        path = Path("/tmp") / f"tl-{os.getpid()}-{os.urandom(2).hex()}"  # noqa: S108  - mkdir below refuses an existing one
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
            return path
    raise InfraError("no free folder name under /tmp: remove old /tmp/tl-* folders")
