"""What the operator meets on a real API server beside good weather: lost rights, refusals, errors, lost watches."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.faulty import Fault, FaultyProxy
from tests.contract.operating import Bench, Kube, bench, namespace, until
from tests.fakes.resources import EVENT, OTHER_EVENT, policy, strategy
from touchline_operator import names
from touchline_operator.adapters.kubernetes import api
from touchline_operator.adapters.kubernetes.mirror import CUSTOM
from touchline_operator.adapters.kubernetes.reflector import Reflector
from touchline_operator.adapters.kubernetes.store import Store
from touchline_operator.adapters.local.clock import SystemClock
from trading_logic.contracts.topics import RecordTopics

pytestmark = [pytest.mark.cluster]
ROLES = ("catalog", "ingest", "source", "consumer", "decision", "executor", "ledger")


def complete(kube: Kube) -> bool:
    return all(kube.replicas(role) == [1] for role in ROLES)


def events(kube: Kube) -> list[str]:
    return [made["metadata"]["annotations"][names.EVENT] for made in kube.children("ingest")]


def test_a_permission_that_is_taken_shows_and_comes_back(redis_url: str) -> None:
    with bench(redis_url) as at:
        at.kube.apply(policy())
        at.kube.apply(strategy())
        until(lambda: complete(at.kube), 30, "not all processes exist")
        until(lambda: at.asked("/readyz").status_code == 200, 10, "never ready")
        at.permit(("configmaps", "patch"))
        before = at.metric("touchline_operator_faults_total", kind="expected")
        at.kube.apply(strategy(event=OTHER_EVENT))
        until(lambda: at.metric("touchline_operator_reconcile_errors_total") > 0, 15, "no metric of it")
        until(
            lambda: "configmaps is forbidden" in at.log.read_text() or "cannot patch" in at.log.read_text(), 5, "no log"
        )
        assert at.metric("touchline_operator_faults_total", kind="expected") > before
        assert at.metric("touchline_operator_faults_total", kind="unexpected") == 0
        assert at.process is not None
        assert (at.process.poll(), at.healthy()) == (None, True), "a lost right is no reason to restart"
        at.permit()
        until(lambda: events(at.kube) == [OTHER_EVENT], 30, "not caught up")

        # Without pods the conditions say less, and everything else works.
        at.permit(("pods", "list"), ("pods", "watch"))
        at.kill()
        at.start()
        until(at.healthy, 15, "not alive")
        until(lambda: at.metric("touchline_operator_watch_up", resource="deployments") == 1, 15, "not followed")
        until(lambda: "pods: " in at.asked("/readyz").text, 15, "readiness does not say which right is missing")
        assert at.metric("touchline_operator_watch_up", resource="pods") == 0
        at.kube.apply(strategy(event=EVENT))
        until(lambda: events(at.kube) == [EVENT], 30, "it waits for pods")
        at.permit()
        until(lambda: at.asked("/readyz").status_code == 200, 15, "not ready again")


@pytest.fixture
def faulty() -> Iterator[FaultyProxy]:
    with namespace(Path(os.environ["KUBECONFIG"])) as kube:
        made = FaultyProxy(kube.server, kube.ca)
        yield made
        made.close()


def halts_once_and_rests(at: Bench) -> None:
    """A halt latches and is told once, nothing exists twice, and then nobody writes."""
    at.kube.merge("RiskPolicy", "house", {"spec": {"halt": True}})
    until(at.latched, 20, "a halt after the trouble is missed")
    until(lambda: at.kube.condition("RiskPolicy", "house", "Halted").get("reason") == "Draining", 20, "not said")

    def told() -> list[str]:
        return [e["reason"] for e in at.kube.list("Event") if e["regarding"]["kind"] == "RiskPolicy"]

    until(lambda: "HaltRequested" in told(), 10, "not told")
    for role in ROLES:
        assert len(at.kube.children(role)) == 1, f"{role} exists twice"
    before, deadline = -1.0, time.monotonic() + 40
    while before != (now := at.metric("touchline_operator_api_writes_total")):
        assert time.monotonic() < deadline, "never at rest"
        before = now
        time.sleep(5)
    assert told().count("HaltRequested") == 1, told()
    assert at.metric("touchline_operator_faults_total", kind="unexpected") == 0
    until(lambda: at.asked("/readyz").status_code == 200, 15, "never ready again")


@pytest.mark.parametrize(("status", "after_s"), [(409, 0), (429, 1), (500, 0)])
def test_refused_writes_are_made_again(redis_url: str, faulty: FaultyProxy, status: int, after_s: int) -> None:
    with bench(redis_url, server=faulty.url) as at:
        at.kube.apply(policy())
        until(lambda: at.kube.replicas("ledger") == [1], 30, "no ledger")
        faulty.faults.append(Fault("PATCH", "deployments", status, 6, after_s=after_s))
        faulty.faults.append(Fault("PATCH", "status", status, 2, after_s=after_s))
        at.kube.apply(strategy())
        until(lambda: complete(at.kube), 30, "not all processes exist")
        until(lambda: at.kube.condition("TradingStrategy", "sunday", "Ready"), 15, "no status")
        assert faulty.answered.count(status) == 8
        halts_once_and_rests(at)


def test_lost_watches_lose_nothing(redis_url: str, faulty: FaultyProxy) -> None:
    with bench(redis_url, server=faulty.url) as at:
        at.kube.apply(policy())
        at.kube.apply(strategy())
        until(lambda: complete(at.kube), 30, "not all processes exist")
        faulty.faults.append(Fault("GET", "deployments", 410, 2, watch=True))
        faulty.faults.append(Fault("GET", "tradingstrategies", 410, 2, watch=True))
        faulty.faults.append(Fault("GET", "configmaps", 500, 2, watch=True))
        assert faulty.drop_watches() > 0
        at.kube.apply(strategy(event=OTHER_EVENT))
        until(lambda: events(at.kube) == [OTHER_EVENT], 20, "an edit between two watches is lost")
        assert {410, 500} <= set(faulty.answered)
        halts_once_and_rests(at)


async def test_a_silent_watch_is_given_up(faulty: FaultyProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "SILENT_S", 1.0)
    with namespace(Path(os.environ["KUBECONFIG"])) as kube:
        at = Bench(kube, "redis://127.0.0.1:1", tmp_path, server=faulty.url)
        at.account()
        monkeypatch.setenv("KUBECONFIG", str(at.kubeconfig))
        monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
        client, clock, store, said = await api.KubeApi.connect(SystemClock()), SystemClock(), Store(), []
        following = asyncio.create_task(
            Reflector(
                client, clock, CUSTOM["RiskPolicy"], kube.namespace, "", lambda _: None,
                lambda what, error: said.append((what, str(error))), store,
            ).run()
        )  # fmt: skip
        try:
            await asyncio.to_thread(kube.apply, policy())
            async with asyncio.timeout(15):
                while store.get(kube.namespace, "house") is None:
                    await asyncio.sleep(0.05)
                faulty.silent = True
                # The watch that is open hears nothing of this, and the next one only of what comes after its beginning.
                await asyncio.to_thread(kube.merge, "RiskPolicy", "house", {"spec": {"halt": True}})
                while not said:
                    await asyncio.sleep(0.05)
                faulty.silent = False
                while not (store.get(kube.namespace, "house") or {})["spec"].get("halt"):
                    await asyncio.sleep(0.05)
            assert said[0][0] == "watch riskpolicies"
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            await client.close()
            at.close()


def test_one_operator_for_all_namespaces(redis_url: str) -> None:
    with bench(redis_url, wide=True) as at, namespace(Path(os.environ["KUBECONFIG"])) as other:
        for kube in (at.kube, other):
            kube.apply(policy())
            kube.apply(strategy())
        for kube in (at.kube, other):
            until(lambda kube=kube: complete(kube), 40, f"not all processes exist in {kube.namespace}")
        # Each namespace's policies let its pods reach the Redis of the release.
        egress = other.children("consumer", "NetworkPolicy")[0]["spec"]["egress"]
        homes = [peer["namespaceSelector"]["matchLabels"] for rule in egress for peer in rule.get("to", ())]
        assert homes == [{"kubernetes.io/metadata.name": at.kube.namespace}]
        other.merge("RiskPolicy", "house", {"spec": {"halt": True}})
        latch = RecordTopics(other.namespace, "house").latch()
        until(lambda: at.redis.hgetall(latch), 10, "not latched")
        assert at.latched() == {}, "a halt reached a namespace that it was not for"
        other.delete("TradingStrategy", "sunday")
        until(lambda: other.get("TradingStrategy", "sunday") is None, 20, "the finalizer stays")
        assert complete(at.kube)
