"""What people are told of a halt: each thing once."""

from __future__ import annotations

from typing import Any

from touchline_operator import names
from touchline_operator.adapters.kubernetes.announcer import Announcer
from touchline_operator.adapters.kubernetes.api import KubeApi
from touchline_operator.adapters.kubernetes.cluster import KubernetesCluster
from touchline_operator.adapters.kubernetes.mirror import Mirror
from touchline_operator.adapters.kubernetes.store import Store
from touchline_operator.decide.events import Announcement

POLICY = {"namespace": "n", "name": "house", "uid": "u"}


class Api(KubeApi):
    def __init__(self) -> None:
        self.version = 1

    async def apply(self, resource: Any, wanted: Any, manager: str, sub: str = "") -> Any:  # noqa: ARG002  - its shape
        self.version += 1
        return wanted | {"metadata": wanted["metadata"] | {"resourceVersion": str(self.version)}}


class OneStore(Mirror):
    def __init__(self) -> None:
        self.kept = Store()

    def store(self, kind: str) -> Store:  # noqa: ARG002  - its shape
        return self.kept


class Heard(Announcer):
    def __init__(self) -> None:
        self.reasons: list[str] = []

    def announce(self, resource: Any, said: Announcement) -> None:  # noqa: ARG002  - its shape
        self.reasons.append(said.reason)


async def test_an_executor_that_shows_up_once_more_does_not_confirm_the_halt_again() -> None:
    mirror, heard = OneStore(), Heard()
    head = {"apiVersion": names.API_VERSION, "kind": "RiskPolicy"}
    mirror.kept.put(head | {"metadata": POLICY | {"resourceVersion": "1"}})
    cluster = KubernetesCluster(Api(), mirror, heard, "n")
    for status, reason, epoch in (
        ("False", "Draining", 1),
        ("True", "Halted", 1),
        ("False", "Draining", 1),
        ("True", "Halted", 1),
        ("False", "NotHalted", None),
        ("False", "Draining", 2),
        ("True", "Halted", 2),
    ):
        condition = {"type": "Halted", "status": status, "reason": reason, "message": ""}
        halt = {"halt": {"epoch": epoch}} if epoch is not None else {}
        await cluster.patch_status("RiskPolicy", "house", {"conditions": [condition]} | halt)
    once = ["HaltRequested", "HaltConfirmed"]
    assert heard.reasons == [*once, "HaltReleased", *once]
