"""The shell that every process shares: configuration, logs, stores, health, report, clean stop.

A process is `run("ingest", config.Ingest, main)`; `main(app)` returns when `app.stop` is set and its work is wound up.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import resource
import signal
import sys
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

import msgspec
import structlog
from prometheus_client import CollectorRegistry, Histogram
from structlog.typing import FilteringBoundLogger

from services.runtime.clock import Clock
from services.runtime.health import CounterCollector, Heartbeats, Status, serve
from services.runtime.logs import configure_logs
from services.runtime.memory import settle_memory
from services.runtime.parent import follow
from services.runtime.store import STORE_ERRORS, Store, StoreConfigError, result
from trading_logic.contracts import codec, config, topics
from trading_logic.contracts.messages import Report

REPORT_EVERY_S = 0.5
REPORT_TTL_MS = 10_000
SETTLED_TURN = 10
"""After five seconds connections are made and lazy imports done: what they left is given back too."""
EXIT_CONFIG = 2
EXIT_FAULT = 1

C = TypeVar("C", bound=config.Process)


class Fatal(Exception):  # noqa: N818  - it is the end of a process, not only an error
    """The process cannot go on; the message is the one line that people see."""


@dataclass
class App(Generic[C]):
    """What a process has: its configuration, its stores, its clock, and ways to say how it is."""

    role: str
    config: C
    bus: Store
    record: Store
    clock: Clock
    log: FilteringBoundLogger
    stop: asyncio.Event
    beats: Heartbeats
    status: Status
    registry: CollectorRegistry
    subject: str = ""
    counters: dict[str, int] = field(default_factory=dict)
    started_ms: int = 0

    def count(self, name: str, n: int = 1) -> None:
        """Raise a counter; `name` may carry one label value behind a colon (`dropped:<rule>`)."""
        self.counters[name] = self.counters.get(name, 0) + n

    def count_from_zero(self, *names: str) -> None:
        """Show these counters before they first rise: a rate cannot see one that begins at one."""
        for name in names:
            self.count(name, 0)

    def histogram(self, name: str, text: str) -> Histogram:
        """A latency histogram in seconds, exposed at /metrics."""
        buckets = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
        return Histogram(f"touchline_{self.role}_{name}_seconds", text, registry=self.registry, buckets=buckets)

    async def sleep(self, seconds: float) -> bool:
        """Sleep, or return True at once when the process is told to stop."""
        try:
            async with asyncio.timeout(seconds):
                await self.stop.wait()
        except TimeoutError:
            return False
        return True

    async def report(self) -> None:
        """Write this process' report now. Errors of the bus pass to the caller."""
        reason, message = self.status.told()
        body = Report(
            process=self.config.process,
            role=self.role,
            subject=self.subject,
            ready=self.status.ready,
            reason=reason,
            message=message,
            counters=dict(self.counters),
            resident_bytes=resident_bytes(),
            started_ms=self.started_ms,
            at_ms=self.clock.wall_ms(),
            faults=self.status.faults(),
        )
        key = topics.report(self.config.namespace, self.config.process)
        await result(self.bus.client.set(key, codec.encode(body), px=REPORT_TTL_MS))


def resident_bytes() -> int:
    """Resident memory of this process now (peak where the system does not tell)."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * resource.getpagesize()


async def _report_loop(app: App[C]) -> None:
    for turn in itertools.count():
        if turn == SETTLED_TURN:
            settle_memory()
        app.beats.beat("report")
        try:
            await app.report()
        except STORE_ERRORS as error:
            app.log.warning("report-not-written", error=str(error))
        if await app.sleep(REPORT_EVERY_S):
            return


async def ended(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel tasks until they have ended: a client's call may lose one cancellation (Python 3.11), not one a second."""
    while alive := [task for task in tasks if not task.done()]:
        for task in alive:
            task.cancel()
        await asyncio.wait(alive, timeout=1.0)


async def _serve(role: str, cfg: C, main: Callable[[App[C]], Awaitable[None]]) -> None:
    clock = Clock()
    log: FilteringBoundLogger = structlog.get_logger().bind(process=cfg.process)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sig in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sig, stop.set)
    follow(stop)
    registry = CollectorRegistry()
    status = Status()
    try:
        bus = Store(cfg.redis.bus, "bus")
        record = Store(cfg.redis.record, "record")
    except StoreConfigError as error:
        raise Fatal(str(error)) from error
    app = App(
        role=role,
        config=cfg,
        bus=bus,
        record=record,
        clock=clock,
        log=log,
        stop=stop,
        beats=Heartbeats(clock),
        status=status,
        registry=registry,
        started_ms=clock.wall_ms(),
    )
    registry.register(CounterCollector(role, app.counters, status))
    try:
        runner = await serve(cfg.health.listen, app.beats, status, registry)
    except OSError as error:
        raise Fatal(
            f"health endpoint {cfg.health.listen}: {error.strerror or error}; choose another address"
        ) from error
    try:
        if not (await app.bus.wait(log, stop) and await app.record.wait(log, stop)):
            return
        status.clear("start")
        reporting = asyncio.create_task(_report_loop(app), name="report")
        settle_memory()
        try:
            await main(app)
        finally:
            stop.set()
            await reporting
            with contextlib.suppress(*STORE_ERRORS):
                await app.report()
    except StoreConfigError as error:
        raise Fatal(str(error)) from error
    finally:
        await runner.cleanup()
        await app.bus.close()
        await app.record.close()


def _first_fatal(error: BaseException) -> Fatal | None:
    if isinstance(error, Fatal):
        return error
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            found = _first_fatal(inner)
            if found:
                return found
    return None


def run(role: str, kind: type[C], main: Callable[[App[C]], Awaitable[None]], argv: list[str] | None = None) -> None:
    """Entry of a process: `python -m services.<role> --config FILE`. Never returns; exits 0 after a clean stop."""
    parser = argparse.ArgumentParser(prog=f"services.{role}")
    parser.add_argument("--config", type=Path, required=True, help="resolved JSON configuration file")
    path: Path = parser.parse_args(argv).config
    try:
        cfg = config.decode(path.read_bytes(), kind)
    except OSError as error:
        sys.exit(_say(f"{role}: cannot read {path}: {error.strerror}", EXIT_CONFIG))
    except msgspec.DecodeError as error:
        sys.exit(_say(f"{role}: {path}: {error}", EXIT_CONFIG))
    configure_logs(cfg.log_format)
    try:
        asyncio.run(_serve(role, cfg, main))
    except (Fatal, BaseExceptionGroup) as error:
        fatal = _first_fatal(error)
        if fatal is None:
            raise
        sys.exit(_say(f"{role} {cfg.process}: {fatal}", EXIT_FAULT))
    sys.exit(0)


def _say(line: str, code: int) -> int:
    sys.stderr.write(line + "\n")
    return code
