"""`/healthz` (a loop of this process is stuck: nothing else), `/readyz` (its dependencies), `/metrics`, on one port."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from services.runtime.clock import Clock
from trading_logic.contracts.messages import MAX_FAULTS, Fault


class Heartbeats:
    """Every loop of the process says that it turns; the oldest silence decides liveness."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last: dict[str, tuple[int, int]] = {}

    def beat(self, loop: str, *, within_ms: int = 15_000) -> None:
        """Loop `loop` turned now and promises to turn again within `within_ms`."""
        self._last[loop] = (self._clock.mono_ms(), within_ms)

    def done(self, loop: str) -> None:
        """Loop `loop` has ended as it should."""
        self._last.pop(loop, None)

    def stuck(self) -> list[str]:
        """Loops that broke their promise, with how long they have been silent."""
        now = self._clock.mono_ms()
        return [f"{name} silent for {now - at} ms" for name, (at, within) in self._last.items() if now - at > within]


STARTING = "Starting"
"""Reason of a part that was not looked at yet: not ready, and nothing that is wrong."""


class Status:
    """Whether the process can do its work, in a CamelCase reason and a sentence. Ready means no reason."""

    def __init__(self) -> None:
        self._faults: dict[str, Fault] = {}
        self._expected: dict[str, str] = {"start": "not yet connected"}
        self._notices: dict[str, tuple[str, str]] = {}

    def fault(self, part: str, reason: str, message: str, *, spec: bool = False, event: str = "") -> None:
        """`part` cannot work. `spec`: only another spec or Secret mends it; `event`: the one event it is about."""
        self._expected.pop(part, None)
        self._faults[part] = Fault(reason, message, spec, event)

    def expect(self, part: str, message: str) -> None:
        """`part` has not been looked at yet: not ready until it is cleared. Called before a role's first await."""
        self._expected[part] = message

    def fault_is_new(self, part: str, reason: str) -> bool:
        """Whether `part` does not have this reason yet: the moment to say it once in the log."""
        return part not in self._faults or self._faults[part].reason != reason

    def faulty(self, part: str) -> bool:
        """Whether this part has a fault now."""
        return part in self._faults

    def clear(self, part: str) -> None:
        self._faults.pop(part, None)
        self._expected.pop(part, None)

    def notice(self, part: str, reason: str, message: str) -> None:
        """Something that people must mend while the work goes on; no reason takes it away."""
        if reason:
            self._notices[part] = (reason, message)
        else:
            self._notices.pop(part, None)

    def noticed(self, part: str) -> str:
        """The reason of this part's notice, "" when there is none."""
        return self._notices.get(part, ("", ""))[0]

    def told(self) -> tuple[str, str]:
        """(reason, message) for the report: the first fault, else the first notice, else ("", "")."""
        return next(iter(self._notices.values()), ("", "")) if self.ready else self.first()

    def first(self) -> tuple[str, str]:
        """(reason, message) of the first fault, else of what was not looked at yet, else ("", "")."""
        found = [(fault.reason, fault.message) for fault in self._faults.values()]
        return next(iter(found + [(STARTING, message) for message in self._expected.values()]), ("", ""))

    def faults(self) -> tuple[Fault, ...]:
        """What a report holds: those that a spec must mend first, because the list is bounded."""
        return tuple(sorted(self._faults.values(), key=lambda fault: not fault.spec)[:MAX_FAULTS])

    @property
    def ready(self) -> bool:
        return not self._faults and not self._expected


class CounterCollector(Collector):
    """Exposes the process' plain counters as `touchline_<role>_<name>_total`."""

    def __init__(self, role: str, counters: dict[str, int], status: Status) -> None:
        self._role, self._counters, self._status = role, counters, status

    def collect(self) -> Iterator[Metric]:
        for name, value in sorted(self._counters.items()):
            base, _, label = name.partition(":")
            family = CounterMetricFamily(
                f"touchline_{self._role}_{base}".replace("-", "_"),
                f"{base} of {self._role}",
                labels=["rule"] if label else None,
            )
            if label:
                family.add_metric([label], value)
            else:
                family.add_metric([], value)
            yield family
        yield GaugeMetricFamily("touchline_ready", "1 when the process can do its work", float(self._status.ready))


async def serve(listen: str, beats: Heartbeats, status: Status, registry: CollectorRegistry) -> web.AppRunner:
    """Start the server on `unix:<path>` or `<host>:<port>`. Raises OSError when the address is taken."""

    async def healthz(_: web.Request) -> web.Response:
        stuck = beats.stuck()
        return web.Response(status=500 if stuck else 200, text="; ".join(stuck) or "ok")

    async def readyz(_: web.Request) -> web.Response:
        reason, message = status.first()
        return web.Response(status=200 if status.ready else 503, text=f"{reason}: {message}" if reason else "ok")

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    if listen.startswith("unix:"):
        path = listen.removeprefix("unix:")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)  # noqa: PTH108  - before the loop serves anything; left by a process that was killed
        await web.UnixSite(runner, path).start()
    else:
        host, _, port = listen.rpartition(":")
        await web.TCPSite(runner, host, int(port)).start()
    return runner
