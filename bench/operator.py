"""The operator on a real API server: a thousand strategies made, at rest, and fifty halts.

The operator runs as a process under its own ServiceAccount with the chart's rules. No kubelet is needed: what is
measured ends with the objects. The bare rate is the operator's own client, in this process, making the same applies
with the same parallelism while the same people create the same strategies, in a namespace aside that stays as it is:
the cluster's own controllers are as busy in both. The ratio holds on any machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import httpx

from bench.figures import Figure, Part, number, percentile
from bench.rig import RigError
from bench.servers import record_only
from tests.contract.operating import Bench, Kube, namespace
from tests.fakes.resources import policy, strategy
from touchline_operator import names
from touchline_operator.adapters.kubernetes.api import KubeApi, Resource
from touchline_operator.adapters.kubernetes.mirror import CUSTOM, OWNED
from touchline_operator.adapters.local.clock import SystemClock
from touchline_operator.desired.platform import Endpoint, Platform
from touchline_operator.desired.render import render_all
from touchline_operator.desired.world import PolicyFacts, World
from touchline_operator.ports import ClusterError
from touchline_operator.reconcile.gather import policy_of, strategy_of
from touchline_operator.reconcile.manager import PASSES_AT_ONCE

Object = dict[str, Any]
MANY, SHORT_MANY = 1_000, 100
PER_STRATEGY: Final = {"deployments": 4, "configmaps": 4}
"""Decision and executor of its own, ingest and consumer of its event."""
PARALLEL = PASSES_AT_ONCE
PEOPLE = 8
STATUS: Final = {"observedGeneration": 1, "replicas": 0, "conditions": [
    {"type": kind, "status": "Unknown", "reason": "Reconciling", "message": "", "observedGeneration": 1,
     "lastTransitionTime": "2026-01-01T00:00:00Z"} for kind in names.STRATEGY_CONDITIONS
]}  # fmt: skip
REST_S, SHORT_REST_S = 60.0, 20.0
HALTS = 50
MOST_WAIT_S = 300
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
            calm = await _started(stack, path)
            await _halts(part, calm)
            calm.kill()
            bare = await _bare(stack.enter_context(namespace(Path(path))), api, count)
            part.figures.append(Figure("bare server-side applies", bare, "/s"))
            bench = await _started(stack, path)
            if await _many(part, bench, api, count, bare):
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


def _rendered(where: str, count: int) -> list[Object]:
    """The children as the operator renders them, for a namespace aside."""
    raws = wanted(count)
    for raw in raws:
        raw["metadata"] |= {"uid": "u", "namespace": where, "creationTimestamp": "2026-01-01T00:00:00Z"}
    world = World(tuple(map(strategy_of, raws)), (policy_of(policy()),), {"house": PolicyFacts()})
    platform = Platform(where, "redis://b", "redis://r", endpoints={"Simulator": Endpoint("http://s", "ws://s")})
    made = [found for found in render_all(world, platform) if found["kind"] in {"Deployment", "ConfigMap"}]
    for found in made:
        # Owners that do not exist would have them collected.
        del found["metadata"]["ownerReferences"]
    return made


async def _people(api: KubeApi, where: str, count: int, seen: Callable[[Object], None]) -> float:
    """Create the policy and the strategies; seconds."""
    await api.create(CUSTOM["RiskPolicy"], _placed(policy(), where))
    queue, began = [_placed(raw, where) for raw in wanted(count)], time.monotonic()

    async def person() -> None:
        while queue:
            seen(await api.create(CUSTOM["TradingStrategy"], queue.pop()))

    await asyncio.gather(*(person() for _ in range(PEOPLE)))
    return time.monotonic() - began


async def _bare(kube: Kube, api: KubeApi, count: int) -> float:
    """Server-side applies a second: of the children, and of each strategy's finalizer and first status."""
    todo = asyncio.Queue[tuple[Resource, Object, str, str] | None]()
    for made in _rendered(kube.namespace, count):
        todo.put_nowait((OWNED[made["kind"]], made, names.FIELD_MANAGER, ""))
    total = todo.qsize() + 2 * count

    def created(made: Object) -> None:
        head = {"apiVersion": made["apiVersion"], "kind": made["kind"]}
        meta = {part: made["metadata"][part] for part in ("name", "namespace", "uid")}
        held = head | {"metadata": meta | {"finalizers": [names.FINALIZER]}}
        todo.put_nowait((CUSTOM["TradingStrategy"], held, names.FIELD_MANAGER, ""))
        status = head | {"metadata": meta, "status": STATUS}
        todo.put_nowait((CUSTOM["TradingStrategy"], status, names.STATUS_FIELD_MANAGER, "status"))

    async def worker() -> None:
        while (found := await todo.get()) is not None:
            await api.apply(*found)

    began = time.monotonic()
    workers = [asyncio.create_task(worker()) for _ in range(PARALLEL)]
    await _people(api, kube.namespace, count, created)
    for _ in workers:
        todo.put_nowait(None)
    await asyncio.gather(*workers)
    return total / (time.monotonic() - began)


# -- a thousand strategies


async def _many(part: Part, bench: Bench, api: KubeApi, count: int, bare: float) -> bool:
    """Whether all children came; when they did not, the part says how far it got, and fails."""
    began = time.monotonic()
    people = asyncio.create_task(_people(api, bench.kube.namespace, count, lambda _: None))
    children = {plural: count * each for plural, each in PER_STRATEGY.items()}
    least = sum(children.values())
    while (there := sum(_count(bench.kube, plural) for plural in children)) < least:
        if time.monotonic() - began > MOST_WAIT_S:
            part.faults.append(f"operator: {there} of {least} children after {MOST_WAIT_S} s")
            break
        if people.done():
            people.result()
        await asyncio.sleep(0.25)
    took = time.monotonic() - began
    created = await people
    # Its finalizer and the first status of each strategy are applies like those of the children.
    rate = _writes(bench) / took
    part.figures += [
        Figure("all children exist", took, "s", aim=f"≤ {MOST_S} s"),
        Figure("the operator's applies", rate, "/s", rate / bare, "of bare", f"≥ {LEAST_RATIO} of bare"),
        Figure("of them children", there / took, "/s", there / took / bare, "of bare, children alone"),
        Figure("the operator's memory", _resident_mb(bench.process), "MB", aim=f"≤ {MOST_MB} MB"),
        Figure("the operator's processor time", _cpu_s(bench.process), "s"),
    ]
    part.notes.append(f"the strategies themselves were created in {number(created)} s, inside the time above")
    part.required[f"operator: {count} strategies, all children"] = (f"≤ {MOST_S} s", f"{number(took)} s")
    part.required["operator: applies / bare applies"] = (f"≥ {LEAST_RATIO}", number(rate / bare))
    return there >= least


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
    await _settled(part, bench)
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


async def _settled(part: Part, bench: Bench) -> None:
    """Wait until the burst is over: two looks, five seconds apart, find less than five writes a second."""
    deadline = time.monotonic() + MOST_WAIT_S
    before = _writes(bench)
    while time.monotonic() < deadline:
        await asyncio.sleep(5)
        now = _writes(bench)
        if now - before < 25:
            return
        before = now
    part.faults.append(f"operator: still writing {MOST_WAIT_S} s after the last child")


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


def _cpu_s(process: subprocess.Popen[bytes] | None) -> float:
    """What the process used until now, its own and the system's for it."""
    assert process is not None
    stat = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


def _resident_mb(process: subprocess.Popen[bytes] | None) -> float:
    """Resident memory now, in MB of 2**20."""
    assert process is not None
    for line in Path(f"/proc/{process.pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RigError("operator: ended")
