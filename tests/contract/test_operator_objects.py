"""The operator on a real API server: objects made, kept, changed and removed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.operating import Bench, bench, until
from tests.fakes.resources import EVENT, OTHER_EVENT, policy, strategy
from touchline_operator import names

pytestmark = [pytest.mark.cluster]
ROLES = ("catalog", "ingest", "source", "consumer", "decision", "executor", "ledger")


@pytest.fixture
def at(redis_url: str) -> Iterator[Bench]:
    with bench(redis_url) as made:
        yield made


def apply(at: Bench, *resources: dict) -> None:
    for made in resources:
        at.kube.apply(made)


def complete(at: Bench) -> bool:
    return all(at.kube.replicas(role) == [1] for role in ROLES)


def test_a_strategy_gets_its_processes_is_edited_and_deleted(at: Bench) -> None:
    apply(at, policy(), strategy())
    until(lambda: complete(at), 30, "not all processes exist")
    (ledger,) = at.kube.children("ledger")
    name = ledger["metadata"]["name"]
    pod = ledger["spec"]["template"]["spec"]
    assert (pod["serviceAccountName"], pod["automountServiceAccountToken"]) == (name, True)
    others = [made for role in ROLES[:-1] for made in at.kube.children(role)]
    assert not any(made["spec"]["template"]["spec"]["automountServiceAccountToken"] for made in others)
    (role,) = at.kube.children("ledger", "Role")
    assert [rule["resourceNames"] for rule in role["rules"]] == [["house"]]

    policies = until(
        lambda: len(made := at.kube.children("", "NetworkPolicy")) == len(ROLES) and made, 10, "no policies"
    )
    assert {made["metadata"]["labels"][names.COMPONENT] for made in policies} == set(ROLES)

    status = until(lambda: at.kube.get("TradingStrategy", "sunday").get("status"), 10, "no status")
    assert status["observedGeneration"] == 1
    assert {c["type"] for c in status["conditions"]} == {str(c) for c in names.STRATEGY_CONDITIONS}

    edited = strategy(event=OTHER_EVENT)
    apply(at, edited)
    until(
        lambda: [m["metadata"]["annotations"][names.EVENT] for m in at.kube.children("ingest")] == [OTHER_EVENT],
        15,
        "the removed event's ingest stays",
    )
    until(lambda: len(at.kube.children("decision")) == 1, 10, "the removed event's decision stays")

    at.kube.delete("TradingStrategy", "sunday")
    until(lambda: at.kube.get("TradingStrategy", "sunday") is None, 20, "the finalizer stays")
    until(lambda: not at.kube.children("executor") and not at.kube.children("ingest"), 20, "children stay")
    at.kube.delete("RiskPolicy", "house")
    until(lambda: at.kube.get("RiskPolicy", "house") is None, 20, "the policy's finalizer stays")
    until(lambda: not at.kube.children(), 30, "children stay")
    until(lambda: not at.kube.children("", "NetworkPolicy"), 10, "NetworkPolicies stay")
    assert at.stop() == 0


def test_drift_is_undone(at: Bench) -> None:
    apply(at, policy(), strategy())
    until(lambda: complete(at), 30, "not all processes exist")
    (ingest,) = at.kube.children("ingest")
    name = ingest["metadata"]["name"]
    at.kube.merge("Deployment", name, {"spec": {"replicas": 3}})
    until(lambda: at.kube.replicas("ingest") == [1], 5, "scaled by hand and left so")
    at.kube.merge("ConfigMap", name, {"data": {"config.json": "{}"}})
    until(lambda: at.kube.get("ConfigMap", name)["data"]["config.json"] != "{}", 5, "a changed file is left so")
    at.kube.delete("Deployment", name)
    until(
        lambda: (found := at.kube.get("Deployment", name)) and found["metadata"]["uid"] != ingest["metadata"]["uid"],
        5,
        "a deleted child stays away",
    )
    stray = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "copy", "labels": ingest["metadata"]["labels"]},
        "data": {},
    }
    at.kube.create(stray)
    at.kube.merge("Deployment", name, {"spec": {"replicas": 2}})
    until(lambda: at.kube.replicas("ingest") == [1], 5, "scaled by hand and left so")
    assert at.kube.get("ConfigMap", "copy") is not None, "an object that is not ours was pruned"


def test_shared_objects_have_all_owners_and_outlive_the_first(at: Bench) -> None:
    apply(at, policy(), policy("second"), strategy(), strategy("other", riskPolicyRef={"name": "second"}))

    def owners() -> list[str]:
        found = at.kube.children("ingest")
        return sorted(owner["name"] for made in found for owner in made["metadata"]["ownerReferences"])

    until(lambda: owners() == ["other", "sunday"], 30, "not both own the ingest")
    (ingest,) = at.kube.children("ingest")
    assert not any(owner["controller"] for owner in ingest["metadata"]["ownerReferences"])
    at.kube.delete("TradingStrategy", "sunday")
    until(lambda: owners() == ["other"], 20, "the deleted owner stays")
    assert at.kube.children("ingest")[0]["metadata"]["uid"] == ingest["metadata"]["uid"]
    assert at.kube.children("consumer")[0]["metadata"]["annotations"][names.EVENT] == EVENT


def test_a_killed_operator_is_back_and_catches_up(at: Bench) -> None:
    apply(at, policy(), strategy())
    until(lambda: complete(at), 30, "not all processes exist")
    at.kill()
    apply(at, strategy(event=OTHER_EVENT))
    at.kube.merge("RiskPolicy", "house", {"spec": {"halt": True}})
    (executor,) = at.kube.children("executor")
    at.kube.delete("Deployment", executor["metadata"]["name"])
    at.start()
    until(at.latched, 15, "the halt of the time without an operator is not latched")
    until(lambda: at.kube.replicas("executor") == [1], 15, "the deleted executor stays away")
    until(
        lambda: [m["metadata"]["annotations"][names.EVENT] for m in at.kube.children("ingest")] == [OTHER_EVENT],
        15,
        "the edit is not followed",
    )
    until(at.healthy, 15, "no liveness")
