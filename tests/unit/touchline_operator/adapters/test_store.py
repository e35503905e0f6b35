from __future__ import annotations

from typing import Any

import pytest

from touchline_operator import names
from touchline_operator.adapters.kubernetes.store import Store, fingerprint
from touchline_operator.decide.status import running


def made(name: str, at: int, loop: str = "policy.house") -> dict[str, Any]:
    meta = {"namespace": "n", "name": name, "resourceVersion": str(at), "labels": {names.LOOP: loop}}
    return {"kind": "ConfigMap", "metadata": meta}


def loop(store: Store, label: str = "policy.house") -> list[str]:
    return sorted(one["metadata"]["name"] for one in store.of_loop("n", label))


def test_the_newest_version_wins_whoever_brings_it() -> None:
    store = Store()
    assert store.put(made("a", 5))
    assert not store.put(made("a", 4))
    assert not store.put(made("a", 5))
    assert store.put(made("a", 12))
    assert store.get("n", "a") == made("a", 12)
    assert store.changes == 2


def test_old_news_neither_deletes_nor_brings_back() -> None:
    store = Store()
    store.put(made("a", 9))
    assert not store.remove(made("a", 8))
    assert store.remove(made("a", 10))
    assert not store.put(made("a", 9)), "what was deleted came back"
    assert store.put(made("a", 11)), "created anew"


def test_a_list_removes_what_it_lacks_and_keeps_what_is_newer() -> None:
    store = Store()
    for name, at in (("old", 3), ("mine", 20), ("kept", 4)):
        store.put(made(name, at))
    changed = store.replace([made("kept", 4), made("new", 6)], 10)
    assert sorted(one["metadata"]["name"] for one in changed) == ["new", "old"]
    assert loop(store) == ["kept", "mine", "new"]


def test_the_index_follows_the_label() -> None:
    store = Store()
    store.put(made("a", 1))
    store.put(made("a", 2, "strategy.s"))
    assert (loop(store), loop(store, "strategy.s")) == ([], ["a"])
    store.remove(made("a", 3))
    assert loop(store, "strategy.s") == []


def deployment(at: int = 1, **meta: Any) -> dict[str, Any]:
    body = made("a", at) | {"kind": "Deployment", "apiVersion": "apps/v1"}
    body["metadata"] |= {"managedFields": [{}], **meta}
    body["metadata"]["labels"] |= {
        names.MANAGED_BY: names.FIELD_MANAGER,
        names.COMPONENT: "executor",
        names.POLICY: "p",
    }
    body["spec"] = {"replicas": 2, "template": {"x": 1}}
    return body | {"status": {"replicas": 1, "conditions": [{}]}}


def test_only_what_loops_read_is_kept() -> None:
    store = Store()
    owner = {"apiVersion": names.API_VERSION, "kind": "RiskPolicy", "uid": "u", "name": "p"}
    store.put(deployment(ownerReferences=[owner], annotations={names.EVENT: "E", "other": "x"}))
    kept = store.get("n", "a")
    assert kept is not None
    assert (kept["spec"], kept["status"]) == ({"replicas": 2}, {"replicas": 1})
    assert kept["metadata"]["annotations"] == {names.EVENT: "E"}
    assert kept["metadata"]["ownerReferences"] == [{"apiVersion": names.API_VERSION, "kind": "RiskPolicy"}]
    assert "managedFields" not in kept["metadata"]
    assert store.executors("n", "p") == [kept]
    store.remove(made("a", 2))
    assert store.executors("n", "p") == []
    assert store.fingerprint("n", "a") is None


def test_resources_are_kept_whole() -> None:
    store = Store()
    resource = made("a", 1) | {"apiVersion": names.API_VERSION, "kind": "RiskPolicy", "spec": {"halt": True}}
    store.put(resource)
    assert store.get("n", "a") == resource


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"status": {"replicas": 9}}, True),
        ({"spec": {"replicas": 3, "template": {"x": 1}}}, False),
        ({"spec": {"replicas": 2, "template": {"x": 1, "added": 1}}}, False),
    ],
)
def test_a_fingerprint_covers_what_is_applied(change: dict[str, Any], same: bool) -> None:
    assert (fingerprint(deployment()) == fingerprint(deployment() | change)) is same


def test_a_fingerprint_leaves_out_what_others_write() -> None:
    one, two = {"uid": "1", "name": "x"}, {"uid": "2", "name": "y"}
    assert fingerprint(deployment(ownerReferences=[one, two])) == fingerprint(deployment(7, ownerReferences=[two, one]))
    assert fingerprint(deployment(ownerReferences=[one])) != fingerprint(deployment(ownerReferences=[one, two]))
    assert fingerprint(deployment()) == fingerprint(deployment(annotations={"deployment.kubernetes.io/revision": "1"}))
    assert fingerprint(deployment()) != fingerprint(deployment(annotations={names.CONFIG_HASH: "1"}))
    labelled = deployment()
    labelled["metadata"]["labels"]["x"] = "y"
    assert fingerprint(deployment()) != fingerprint(labelled)


def scaled(at: int, generation: int, replicas: int, observed: int | None = None, running: int = 0) -> dict[str, Any]:
    """A version of an executor's Deployment."""
    body = deployment(at, generation=generation) | {"spec": {"replicas": replicas}, "status": {}}
    if observed is not None:
        body["status"] = {"observedGeneration": observed, "replicas": running}
    return body


@pytest.mark.parametrize(
    ("history", "executors"),
    [
        # Scaled to zero before its controller ever saw the one that it was made with: that one may still start.
        ([scaled(1, 1, 1), scaled(2, 2, 0)], 1),
        ([scaled(1, 1, 1), scaled(2, 2, 0), scaled(3, 2, 0, observed=1)], 1),
        ([scaled(1, 1, 1), scaled(2, 2, 0), scaled(3, 3, 0, observed=1)], 1),
        ([scaled(1, 1, 1, observed=1), scaled(2, 2, 0, observed=1)], 1),
        ([scaled(1, 1, 1), scaled(2, 2, 0), scaled(3, 2, 0, observed=2)], 0),
        ([scaled(1, 1, 1, observed=1, running=1), scaled(2, 2, 0, observed=2, running=1)], 1),
        # What was at zero and is only edited was never ordered.
        ([scaled(1, 1, 0)], 0),
        ([scaled(1, 1, 0, observed=1), scaled(2, 2, 0, observed=1)], 0),
        # An operator that has just started does not know what was ordered before.
        ([scaled(1, 2, 0, observed=1)], 1),
    ],
)
def test_an_executor_that_may_still_start_runs(history: list[dict[str, Any]], executors: int) -> None:
    store = Store()
    for version in history:
        store.put(version)
    assert running(store.executors("n", "p"), names.Role.EXECUTOR) == executors
