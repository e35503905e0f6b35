"""One supervised child: started, started again with back-off when it ends by itself, ended cleanly when unwanted."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from touchline_operator.ports import Clock

FIRST_PAUSE_S = 0.3
MOST_PAUSE_S = 10.0
PROVED_S = 30.0
"""A process that lived this long has proved itself: its next end starts the back-off anew."""
LOG_TAIL_BYTES = 4_000
PARENT_FD = "TOUCHLINE_PARENT_FD"


@dataclass(frozen=True, slots=True)
class Launch:
    """What to run. Two launches that differ in anything are two processes; `revision` names the configuration."""

    command: tuple[str, ...]
    revision: str
    grace_s: float
    log: Path
    env: tuple[tuple[str, str], ...] = ()


@dataclass
class Supervised:
    """Keeps the process of one name as wanted. `parent_fd` is the end of a pipe that closes when we die."""

    name: str
    clock: Clock
    parent_fd: int
    changed: Callable[[], None]
    message: str = ""
    restarts: int = 0
    process: asyncio.subprocess.Process | None = None
    _want: Launch | None = None
    _kick: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None

    @property
    def alive(self) -> bool:
        """Whether a process exists, even one that is on its way out."""
        return self.process is not None

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process else None

    def want(self, launch: Launch | None) -> None:
        """Run this, or nothing. Returns at once; the process follows."""
        if launch == self._want:
            return
        self._want = launch
        self._kick.set()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"supervise {self.name}")

    async def gone(self) -> None:
        """Wait until nothing runs and nothing is wanted; supervision ends."""
        self.want(None)
        if self._task is not None:
            await self._task
            self._task = None

    def kick(self) -> None:
        """End the process now; it is started again as if it had ended by itself."""
        if self.process is not None:
            tell(self.process, signal.SIGKILL)

    async def _run(self) -> None:
        failures = 0
        while self._want is not None:
            launch = self._want
            began = self.clock.mono_ms()
            ended = await self._once(launch)
            if self._want != launch:
                failures, self.message = 0, ""
                continue
            failures = 1 if self.clock.mono_ms() - began > PROVED_S * 1000 else failures + 1
            pause = min(FIRST_PAUSE_S * 2.0 ** (failures - 1), MOST_PAUSE_S) * (0.75 + self.clock.chance() / 2)
            self.restarts += 1
            self.message = f"{ended}; starts again in {pause:.1f} s"
            self.changed()
            self._kick.clear()
            if self._want == launch:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._kick.wait()
        self.message = ""
        self._task = None
        self.changed()

    async def _once(self, launch: Launch) -> str:
        """Start, and wait for its end or for another wish. Returns how it ended."""
        self._kick.clear()
        try:
            with launch.log.open("ab") as log:
                process = await asyncio.create_subprocess_exec(
                    *launch.command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env={**os.environ, **dict(launch.env), PARENT_FD: str(self.parent_fd)},
                    pass_fds=(self.parent_fd,),
                    # Ctrl-C in the terminal is for us: the children are ended in order.
                    start_new_session=True,
                )
        except OSError as error:
            return f"cannot be started: {error.strerror or error}"
        self.process = process
        self.message = ""
        self.changed()
        waiting = asyncio.create_task(process.wait())
        try:
            while not waiting.done() and self._want == launch:
                kicked = asyncio.create_task(self._kick.wait())
                await asyncio.wait({waiting, kicked}, return_when=asyncio.FIRST_COMPLETED)
                kicked.cancel()
                self._kick.clear()
            if not waiting.done():
                tell(process, signal.SIGTERM)
                await asyncio.wait({waiting}, timeout=launch.grace_s)
        finally:
            if not waiting.done():
                tell(process, signal.SIGKILL)
                await waiting
            self.process = None
            self.changed()
        return f"ended with {_how(waiting.result())}: {last_line(launch.log)}"


def tell(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """Signal a child that may have ended by itself.

    Not by `send_signal`: it looks whether the child has ended, and so takes the exit code away from asyncio, which
    then complains and reports 255.
    """
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


def _how(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def last_line(log: Path) -> str:
    """The last line of a log that says something."""
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - LOG_TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return "no log"
    return next((line.strip() for line in reversed(lines) if line.strip()), "its log is empty")


def environment(values: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Variables in a form that can be compared."""
    return tuple(sorted(values.items()))
