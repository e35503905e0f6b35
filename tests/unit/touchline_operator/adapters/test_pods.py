from __future__ import annotations

import pytest

from touchline_operator import names
from touchline_operator.adapters.kubernetes.pods import PodStore, Waiting, waiting


def pod(name: str = "ledger-1", process: str = "ledger", **container) -> dict:
    status = {"containerStatuses": [{"image": "touchline/service:1", **container}]} if container else {}
    meta = {"namespace": "default", "name": name, "labels": {names.INSTANCE: process}}
    return {"kind": "Pod", "metadata": meta, "status": status}


def waits(reason: str, message: str = "", **more) -> dict:
    return {"state": {"waiting": {"reason": reason, "message": message}}, **more}


ENDED = {"lastState": {"terminated": {"exitCode": 2, "reason": "Error"}}}


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (pod(), None),
        (pod(state={"running": {}}), None),
        (pod(**waits("ContainerCreating")), None),
        (
            pod(**waits("CreateContainerConfigError", 'secret "kalshi" not found')),
            Waiting("CreateContainerConfigError", 'secret "kalshi" not found'),
        ),
        (
            pod(**waits("ErrImagePull", "try 1")),
            Waiting("ImagePullBackOff", "image touchline/service:1 cannot be pulled"),
        ),
        (
            pod(**waits("ImagePullBackOff", "try 2")),
            Waiting("ImagePullBackOff", "image touchline/service:1 cannot be pulled"),
        ),
        (
            pod(**waits("CrashLoopBackOff", "back-off 20s", **ENDED)),
            Waiting("CrashLoopBackOff", "it ended with exit code 2 (Error)"),
        ),
        (
            pod()
            | {
                "status": {
                    "conditions": [
                        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
                    ]
                }
            },
            Waiting("Unschedulable", "0/1 nodes"),
        ),
    ],
)
def test_what_a_pod_waits_for(made, said):
    assert waiting(made) == said


def test_the_store_tells_changes_only_and_forgets_what_is_gone():
    store = PodStore()
    bad = pod(**waits("CreateContainerConfigError", "no secret"))
    assert store.put(bad)
    assert not store.put(bad)
    assert store.of("default", "ledger") == Waiting("CreateContainerConfigError", "no secret")
    assert store.of("other", "ledger") is None
    assert store.put(pod(state={"running": {}}))
    assert store.of("default", "ledger") is None
    assert not store.put(pod(state={"running": {}}))
    store.put(bad)
    assert store.remove(bad)
    assert not store.remove(bad)


def test_a_new_list_replaces_all_and_tells_what_was_lost():
    store = PodStore()
    store.put(pod(**waits("CreateContainerConfigError", "no secret")))
    (lost,) = store.replace([pod("executor-1", "executor", state={"running": {}})], 5)
    assert lost["metadata"]["labels"][names.INSTANCE] == "ledger"
    assert store.of("default", "ledger") is None
    (new,) = store.replace([pod(**waits("CreateContainerConfigError", "again"))], 6)
    assert new["metadata"]["name"] == "ledger-1"
    assert store.replace([pod(**waits("CreateContainerConfigError", "again"))], 7) == []
