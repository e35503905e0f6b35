"""Bad input that only a process can refuse, on a real API server: condition, event, zero, and back by revert alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.operating import Bench, Object, bench, until
from tests.fakes.resources import OTHER_EVENT, policy, strategy
from touchline_operator import names
from touchline_operator.desired import processes
from trading_logic.contracts.messages import Fault

pytestmark = [pytest.mark.cluster]
CONTAINER = {"name": "ledger", "image": "touchline/service:test", "imageID": ""}


@pytest.fixture
def at(redis_url: str) -> Iterator[Bench]:
    with bench(redis_url) as made:
        made.kube.apply(policy())
        made.kube.apply(strategy())
        until(lambda: made.kube.replicas("executor") == [1], 30, "no executor")
        yield made


def ready(at: Bench, kind: str, name: str) -> Object:
    return at.kube.condition(kind, name, "Ready")


def events(at: Bench, reason: str) -> list[str]:
    return [e["note"] for e in at.kube.list("Event") if e["reason"] == reason and e["type"] == "Warning"]


def source(at: Bench) -> str:
    (made,) = until(lambda: at.kube.children("source"), 20, "no source")
    return made["metadata"]["name"]


def test_an_unknown_plugin_stops_this_strategy_and_a_revert_alone_recovers(at: Bench) -> None:
    good = source(at)
    at.kube.apply(strategy("other", OTHER_EVENT))
    until(lambda: at.kube.replicas("executor") == [1, 1], 30, "no second executor")
    at.kube.apply(strategy(sources=[{"name": "game", "plugin": "oracle"}]))
    bad = until(lambda: {m["metadata"]["name"] for m in at.kube.children("source")} - {good}, 20, "no new source").pop()
    message = "source oracle: no plug-in 'oracle'; known: kalshi-live-data"
    at.report(bad, Fault("UnknownPlugin", message, spec=True))
    until(lambda: ready(at, "TradingStrategy", "sunday").get("reason") == "UnknownPlugin", 5, "no condition")
    assert ready(at, "TradingStrategy", "sunday")["message"] == f"spec.sources[game]: {message}"
    executor = processes.executor_name("sunday")
    until(lambda: at.kube.get("Deployment", executor)["spec"]["replicas"] == 0, 5, "the executor stays")
    until(lambda: events(at, "UnknownPlugin") == [f"spec.sources[game]: {message}"], 10, "no event")
    assert at.kube.get("Deployment", processes.executor_name("other"))["spec"]["replicas"] == 1
    assert at.kube.get("Deployment", bad)["spec"]["replicas"] == 1

    at.kube.apply(strategy())
    until(lambda: at.kube.get("Deployment", executor)["spec"]["replicas"] == 1, 10, "the revert does not recover")
    until(lambda: ready(at, "TradingStrategy", "sunday")["reason"] == "ProcessNotReady", 10, "the condition stays")


def test_a_missing_secret_stops_the_policys_executors_and_its_coming_recovers(at: Bench) -> None:
    keys = {
        "environment": "Demo",
        "credentialsSecretRef": {"name": "absent"},
        "readOnlySecretRef": {"name": "read"},
    }
    at.kube.apply(policy("demo", exchange=keys))
    at.kube.apply(strategy("trial", OTHER_EVENT, riskPolicyRef={"name": "demo"}))
    executor, ledger = processes.executor_name("trial"), processes.ledger_name("demo")
    until(lambda: (d := at.kube.get("Deployment", executor)) and d["spec"]["replicas"] == 1, 30, "no executor")
    until(lambda: at.kube.get("Deployment", ledger), 10, "no ledger")
    (volume,) = [
        volume["secret"]
        for volume in at.kube.get("Deployment", ledger)["spec"]["template"]["spec"]["volumes"]
        if "secret" in volume
    ]
    assert (volume["secretName"], volume["optional"]) == ("absent", True)

    message = "key file /var/run/secrets/touchline/absent/keyID cannot be read: No such file or directory"
    at.report(ledger, Fault("BadKey", message, spec=True))
    said = f"RiskPolicy demo: spec.exchange.credentialsSecretRef (Secret absent): {message}"
    until(lambda: ready(at, "TradingStrategy", "trial").get("message") == said, 5, "no condition")
    until(lambda: at.kube.get("Deployment", executor)["spec"]["replicas"] == 0, 5, "the executor stays")
    until(lambda: ready(at, "RiskPolicy", "demo").get("reason") == "BadKey", 5, "no condition of the policy")
    until(lambda: said in events(at, "BadKey"), 10, "no event")
    assert at.kube.get("Deployment", processes.executor_name("sunday"))["spec"]["replicas"] == 1

    at.report(ledger)
    until(lambda: at.kube.get("Deployment", executor)["spec"]["replicas"] == 1, 10, "the key does not recover")


def test_what_a_pod_waits_for_stands_in_the_condition(at: Bench) -> None:
    ledger = processes.ledger_name("house")
    selector = f"{names.INSTANCE}={ledger}"
    (pod,) = until(lambda: at.kube.list("Pod", selector), 20, "no pod")
    message = 'secret "kalshi" not found'
    state = {"waiting": {"reason": "CreateContainerConfigError", "message": message}}
    told = {**CONTAINER, "ready": False, "restartCount": 0, "state": state}
    at.kube.merge("Pod", pod["metadata"]["name"], {"status": {"containerStatuses": [told]}}, "status")
    until(lambda: ready(at, "RiskPolicy", "house").get("reason") == "CreateContainerConfigError", 5, "no condition")
    assert ready(at, "RiskPolicy", "house")["message"] == f"{ledger}: CreateContainerConfigError: {message}"
    until(lambda: len(events(at, "CreateContainerConfigError")) == 1, 10, "no event")
    at.kube.delete("Pod", pod["metadata"]["name"], gracePeriodSeconds=0)
    until(lambda: ready(at, "RiskPolicy", "house")["reason"] == "ProcessNotReady", 10, "the condition stays")
