"""`/healthz` (a loop is stuck: nothing else), `/readyz` (Kubernetes is known and followed), `/metrics`, on one port."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from touchline_operator.reconcile.tally import Tally


@dataclass(frozen=True, slots=True)
class Reading:
    """The operator now. Empty texts mean that nothing is wrong."""

    stuck: str = ""
    unready: str = ""
    tallies: Mapping[str, Tally] = field(default_factory=dict)
    """By namespace."""
    requests: int = 0
    writes: int = 0
    faults: Mapping[str, int] = field(default_factory=dict)
    """What was complained about, by `expected` (the world's doing) and `unexpected` (ours)."""
    watches: Mapping[str, bool] = field(default_factory=dict)
    """Plural of a kind -> whether it is followed."""


class OperatorCollector(Collector):
    """A reading as Prometheus metrics `touchline_operator_…`."""

    def __init__(self, read: Callable[[], Reading]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        now = self._read()
        prefix = "touchline_operator"
        passes = HistogramMetricFamily(
            f"{prefix}_reconcile_seconds", "one pass of a loop", labels=["namespace", "loop"]
        )
        errors = CounterMetricFamily(f"{prefix}_reconcile_errors", "passes that failed", labels=["namespace", "loop"])
        loops = GaugeMetricFamily(f"{prefix}_loops", "loops", labels=["namespace"])
        queue = GaugeMetricFamily(f"{prefix}_queue", "passes that have begun and not ended", labels=["namespace"])
        for namespace, tally in now.tallies.items():
            loops.add_metric([namespace], tally.loops)
            queue.add_metric([namespace], tally.running)
            for kind, found in tally.passes.items():
                passes.add_metric([namespace, kind], found.cumulative(), found.seconds)
                errors.add_metric([namespace, kind], found.errors)
        yield from (passes, errors, loops, queue)
        yield CounterMetricFamily(f"{prefix}_api_requests", "requests to the API server", value=now.requests)
        yield CounterMetricFamily(f"{prefix}_api_writes", "of them those that write", value=now.writes)
        faults = CounterMetricFamily(f"{prefix}_faults", "complaints in the log", labels=["kind"])
        for kind, count in now.faults.items():
            faults.add_metric([kind], count)
        watches = GaugeMetricFamily(f"{prefix}_watch_up", "1 when the kind is listed and followed", labels=["resource"])
        for plural, up in now.watches.items():
            watches.add_metric([plural], up)
        yield from (faults, watches)


async def serve(host: str, port: int, read: Callable[[], Reading]) -> web.AppRunner:
    """Start the server. Raises OSError when the address is taken."""
    registry = CollectorRegistry()
    registry.register(OperatorCollector(read))
    ProcessCollector(registry=registry)

    async def healthz(_: web.Request) -> web.Response:
        stuck = read().stuck
        return web.Response(status=500 if stuck else 200, text=stuck or "turning")

    async def readyz(_: web.Request) -> web.Response:
        unready = read().unready
        return web.Response(status=503 if unready else 200, text=unready or "ready")

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner
