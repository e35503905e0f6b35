"""The operator on a real API server: a thousand strategies made, at rest, and fifty halts.

The operator runs as a process under its own ServiceAccount with the chart's rules. No kubelet is needed: what is
measured ends with the objects. The bare rate is the operator's own client, in this process, applying the same kinds of
objects with the same parallelism: the ratio holds on any machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import httpx

from bench.figures import Figure, Part, number, percentile
from bench.rig import RigError
from bench.servers import record_only
from tests.contract.operating import Bench, Kube, namespace
from tests.fakes.resources import policy, strategy
from touchline_operator.adapters.kubernetes.api import KubeApi
from touchline_operator.adapters.kubernetes.mirror import CUSTOM, OWNED
from touchline_operator.adapters.local.clock import SystemClock
from touchline_operator.desired.platform import Endpoint, Platform
from touchline_operator.desired.render import render_all
from touchline_operator.desired.world import PolicyFacts, World
from touchline_operator.ports import ClusterError
from touchline_operator.reconcile.gather import policy_of, strategy_of

Object = dict[str, Any]
MANY, SHORT_MANY = 1_000, 100
PER_STRATEGY: Final = {"deployments": 4, "configmaps": 4}
"""Decision and executor of its own, ingest and consumer of its event."""
BARE = 800
PARALLEL = 48
REST_S, SHORT_REST_S = 60.0, 20.0
HALTS = 50
MOST_S, MOST_MB, MOST_WRITES, LEAST_RATIO = 60, 250, 0.1, 0.5
MOST_P50_MS, MOST_P99_MS = 100, 250


def event(at: int) -> str:
    return f"KXNFLGAME-26JAN{at:05d}"


def wanted(count: int) -> list[Object]:
    return [strategy(f"s{at:05d}", event(at)) for at in range(count)]


async def run(*, short: bool) -> Part:
    """Raises RigError without a test cluster."""
    path = os.environ.get("KUBECONFIG")
    if not path:
        raise RigError("operator: KUBECONFIG is not set; it must name a test cluster")
    count = SHORT_MANY if short else MANY
    part = Part(f"operator, {count} strategies with one event each")
    with contextlib.ExitStack() as stack:
        api = await KubeApi.connect(SystemClock())
        try:
            aside = stack.enter_context(namespace(Path(path)))
            bare = await _rate(api, _rendered(aside.namespace, BARE))
            calm = await _started(stack, path)
            await _halts(part, calm)
            calm.kill()
            bench = await _started(stack, path)
            await _many(part, bench, api, count, bare)
            await _rest(part, bench, count, SHORT_REST_S if short else REST_S)
            part.faults += [*calm.faults(), *bench.faults()][:5]
        except (ClusterError, httpx.HTTPError) as error:
            raise RigError(f"operator: the API server: {error}") from error
        finally:
            await api.close()
    return part


async def _started(stack: contextlib.ExitStack, path: str) -> Bench:
    """An operator in a namespace of its own."""
    url = stack.enter_context(record_only())
    kube = stack.enter_context(namespace(Path(path)))
    bench = Bench(kube, url, Path(stack.enter_context(tempfile.TemporaryDirectory())))
    stack.callback(bench.close)
    bench.account()
    bench.start()
    await _until_healthy(bench)
    return bench


# -- the bare rate


def _rendered(where: str, least: int) -> list[Object]:
    """Objects as the operator renders them, for a namespace aside."""
    raws = wanted(least // sum(PER_STRATEGY.values()) + 1)
    for raw in [*raws]:
        raw["metadata"] |= {"uid": "u", "namespace": where, "creationTimestamp": "2026-01-01T00:00:00Z"}
    world = World(tuple(map(strategy_of, raws)), (policy_of(policy()),), {"house": PolicyFacts()})
    platform = Platform(where, "redis://b", "redis://r", endpoints={"Simulator": Endpoint("http://s", "ws://s")})
    made = [found for found in render_all(world, platform) if found["kind"] in {"Deployment", "ConfigMap"}]
    for found in made:
        # Owners that do not exist would have them collected.
        del found["metadata"]["ownerReferences"]
    return made[:least]


async def _rate(api: KubeApi, objects: Sequence[Object]) -> float:
    """Server-side applies a second."""
    queue = list(objects)

    async def worker() -> None:
        while queue:
            made = queue.pop()
            await api.apply(OWNED[made["kind"]], made, "bench")

    began = time.monotonic()
    await asyncio.gather(*(worker() for _ in range(PARALLEL)))
    return len(objects) / (time.monotonic() - began)


# -- a thousand strategies


async def _many(part: Part, bench: Bench, api: KubeApi, count: int, bare: float) -> None:
    where = bench.kube.namespace
    await api.create(CUSTOM["RiskPolicy"], _placed(policy(), where))
    queue = [_placed(raw, where) for raw in wanted(count)]
    began = time.monotonic()

    async def person() -> None:
        while queue:
            await api.create(CUSTOM["TradingStrategy"], queue.pop())

    await asyncio.gather(*(person() for _ in range(8)))
    applied = time.monotonic() - began
    children = {plural: count * each for plural, each in PER_STRATEGY.items()}
    while not all(_count(bench.kube, plural) >= least for plural, least in children.items()):
        if time.monotonic() - began > 10 * MOST_S:
            raise RigError(f"operator: not all children after {10 * MOST_S} s")
        await asyncio.sleep(0.5)
    took = time.monotonic() - began
    # Its finalizer and the first status of each strategy are applies like those of the children.
    rate = _writes(bench) / took
    part.figures += [
        Figure("bare server-side applies", bare, "/s"),
        Figure("all children exist", took, "s", aim=f"≤ {MOST_S} s"),
        Figure("the operator's applies", rate, "/s", rate / bare, "of bare", f"≥ {LEAST_RATIO} of bare"),
        Figure("of them children", sum(children.values()) / took, "/s"),
        Figure("the operator's memory", _resident_mb(bench.process), "MB", aim=f"≤ {MOST_MB} MB"),
    ]
    part.notes.append(f"the strategies themselves were created in {number(applied)} s, inside the time above")
    part.required[f"operator: {count} strategies, all children"] = (f"≤ {MOST_S} s", f"{number(took)} s")
    part.required["operator: applies / bare applies"] = (f"≥ {LEAST_RATIO}", number(rate / bare))


def _placed(raw: Object, where: str) -> Object:
    made = copy.deepcopy(raw)
    made["metadata"]["namespace"] = where
    return made


def _count(kube: Kube, plural: str) -> int:
    """Objects in the namespace, by what the server says remains after the first."""
    root = "/apis/apps/v1" if plural == "deployments" else "/api/v1"
    found = kube._call("GET", f"{root}/namespaces/{kube.namespace}/{plural}", params={"limit": 1})
    ours = sum("touchline.dev/loop" in (item["metadata"].get("labels") or {}) for item in found["items"])
    # One ConfigMap is the cluster's own root certificate.
    return ours + int(found["metadata"].get("remainingItemCount", 0)) - (plural == "configmaps" and ours == 1)


# -- at rest


async def _rest(part: Part, bench: Bench, count: int, seconds: float) -> None:
    """Writes that change something and those that change nothing alike, as the operator counts its requests."""
    await _settled(bench)
    before, began = _writes(bench), time.monotonic()
    await asyncio.sleep(seconds)
    objects = count * (1 + sum(PER_STRATEGY.values()))
    rate = (_writes(bench) - before) / objects / ((time.monotonic() - began) / 60)
    memory = _resident_mb(bench.process)
    part.figures += [
        Figure("writes at rest, each object and minute", rate, "", aim=f"≤ {MOST_WRITES}"),
        Figure("the operator's memory at rest", memory, "MB", memory / MOST_MB, "of the aim", f"≤ {MOST_MB} MB"),
    ]
    part.required["operator: writes at rest / object and minute"] = (f"≤ {MOST_WRITES}", number(rate))
    part.required["operator: memory"] = (f"≤ {MOST_MB} MB", f"{number(memory)} MB")


async def _settled(bench: Bench) -> None:
    """Wait until the burst is over: two looks, five seconds apart, find less than five writes a second."""
    deadline = time.monotonic() + 5 * MOST_S
    before = _writes(bench)
    while time.monotonic() < deadline:
        await asyncio.sleep(5)
        now = _writes(bench)
        if now - before < 25:
            return
        before = now
    raise RigError(f"operator: still writing {5 * MOST_S} s after the last child")


def _writes(bench: Bench) -> float:
    return bench.metric("touchline_operator_api_writes_total")


# -- halts


async def _halts(part: Part, bench: Bench) -> None:
    """A policy with one strategy; the next patch is sent when the last one's status is written."""
    kube, took = bench.kube, []
    kube.apply(policy())
    kube.apply(strategy())

    async def shown(reason: str) -> None:
        """The status says so of the spec as it stands."""
        deadline = time.monotonic() + 30
        while True:
            made = kube.get("RiskPolicy", "house") or {}
            found = {c["type"]: c for c in made.get("status", {}).get("conditions", ())}.get("Halted", {})
            if (found.get("reason"), found.get("observedGeneration")) == (reason, made["metadata"]["generation"]):
                return
            if time.monotonic() > deadline:
                raise RigError(f"operator: no Halted condition with reason {reason} after 30 s")
            await asyncio.sleep(0.05)

    await shown("NotHalted")
    for _ in range(HALTS):
        began = time.monotonic()
        kube.merge("RiskPolicy", "house", {"spec": {"halt": True}})
        while not bench.latched():
            if time.monotonic() - began > 10:
                raise RigError("operator: a halt was missed")
            await asyncio.sleep(0.001)
        took.append((time.monotonic() - began) * 1000)
        kube.merge("RiskPolicy", "house", {"spec": {"halt": False}})
        await shown("Draining")
        bench.unlatch("manual")
        await shown("NotHalted")
    p50, p99 = percentile(took, 0.5), percentile(took, 0.99)
    part.figures += [
        Figure("patch → latch, p50", p50, "ms", aim=f"≤ {MOST_P50_MS} ms"),
        Figure("patch → latch, p99", p99, "ms", aim=f"≤ {MOST_P99_MS} ms"),
    ]
    part.required["operator: patch → latch p50, p99"] = (
        f"≤ {MOST_P50_MS}, {MOST_P99_MS} ms",
        f"{number(p50)}, {number(p99)} ms",
    )


# -- the process


async def _until_healthy(bench: Bench) -> None:
    deadline = time.monotonic() + 30
    while not bench.healthy():
        if time.monotonic() > deadline:
            raise RigError("operator: not alive after 30 s")
        await asyncio.sleep(0.1)


def _resident_mb(process: subprocess.Popen[bytes] | None) -> float:
    """Resident memory now, in MB of 2**20."""
    assert process is not None
    for line in Path(f"/proc/{process.pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RigError("operator: ended")
