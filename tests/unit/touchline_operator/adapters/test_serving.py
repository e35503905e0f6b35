"""The operator's own port."""

from __future__ import annotations

import socket

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from touchline_operator.adapters.serving import Reading, serve
from touchline_operator.reconcile.tally import BOUNDS_S, Tally


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


async def get(port: int, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, await answer.text()


async def test_probes_say_why_not(port: int) -> None:
    now = [Reading()]
    runner = await serve("127.0.0.1", port, lambda: now[0])
    try:
        assert [await get(port, path) for path in ("/healthz", "/readyz")] == [(200, "turning"), (200, "ready")]
        now[0] = Reading(stuck="policy/house: in one pass for 130 s", unready="deployments: 403")
        assert await get(port, "/healthz") == (500, "policy/house: in one pass for 130 s")
        assert await get(port, "/readyz") == (503, "deployments: 403")
    finally:
        await runner.cleanup()


async def test_metrics(port: int) -> None:
    tally = Tally(loops=3, running=1)
    tally.add("strategy", 0.004, failed=False)
    tally.add("strategy", 99.0, failed=True)
    watches = {"pods": False, "deployments": True}
    reading = Reading(tallies={"n": tally}, requests=7, writes=5, faults={"expected": 2}, watches=watches)
    runner = await serve("127.0.0.1", port, lambda: reading)
    try:
        _, text = await get(port, "/metrics")
    finally:
        await runner.cleanup()
    samples = {
        (sample.name.removeprefix("touchline_operator_"), *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["reconcile_seconds_count", "n", "strategy"] == 2
    assert samples["reconcile_seconds_bucket", str(BOUNDS_S[1]), "n", "strategy"] == 1
    assert samples["reconcile_seconds_sum", "n", "strategy"] == 99.004
    assert samples["reconcile_errors_total", "n", "strategy"] == 1
    assert (samples["loops", "n"], samples["queue", "n"]) == (3, 1)
    assert (samples["api_requests_total",], samples["api_writes_total",]) == (7, 5)
    assert samples["faults_total", "expected"] == 2
    assert (samples["watch_up", "pods"], samples["watch_up", "deployments"]) == (0, 1)
