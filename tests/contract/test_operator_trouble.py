"""What the operator meets on a real API server beside good weather: a lost right, all namespaces."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.contract.operating import Kube, bench, namespace, until
from tests.fakes.resources import EVENT, OTHER_EVENT, policy, strategy
from touchline_operator import names
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
