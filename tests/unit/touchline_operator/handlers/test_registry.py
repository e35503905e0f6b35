from __future__ import annotations

import itertools
from typing import Any

import kopf
import pytest

from touchline_operator import names
from touchline_operator.desired.meta import LoopKey
from touchline_operator.handlers.registry import BACKOFF_MOST_S, Backoffs, build_registry, build_settings, run


class Deps:
    def __init__(self) -> None:
        self.woken: list[tuple[str, LoopKey]] = []
        self.why = ""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def wake(self, namespace: str, key: LoopKey) -> None:
        self.woken.append((namespace, key))

    def stuck(self) -> str:
        return self.why


def watching(registry: kopf.OperatorRegistry) -> dict[str, Any]:
    return {str(handler.id): handler for handler in registry._watching.get_all_handlers()}


async def test_events_wake_their_loop_and_nothing_else_is_registered() -> None:
    deps = Deps()
    registry = build_registry(deps)
    handlers = watching(registry)
    assert set(handlers) == {"wake-strategy", "wake-policy", "wake-by-deployments", "wake-by-configmaps"}
    for kind in (registry._changing, registry._spawning, registry._indexing, registry._webhooks):
        assert list(kind.get_all_handlers()) == [], "a handler that makes kopf write into objects"
    await handlers["wake-policy"].fn(namespace="n", name="house", body={})
    labels = {names.LOOP: "event.simulator.X", names.FEED: "simulator"}
    child = {"metadata": {"name": "c", "labels": labels, "annotations": {names.EVENT: "X"}}}
    await handlers["wake-by-deployments"].fn(namespace="n", name="c", body=child)
    await handlers["wake-by-deployments"].fn(
        namespace="n", name="c", body={"metadata": {"name": "c", "labels": labels}}
    )
    assert deps.woken == [("n", LoopKey("policy", "house")), ("n", LoopKey("event", "simulator", "X"))]


async def test_the_probe_fails_at_once_and_only_for_a_stuck_loop() -> None:
    deps = Deps()
    (probe,) = [handler for handler in build_registry(deps)._activities.get_all_handlers() if handler.id == "loops"]
    assert await probe.fn() == "turning"
    deps.why = "policy/house: in one pass for 130 s"
    with pytest.raises(kopf.PermanentError, match="130 s"):
        await probe.fn()


async def test_kopf_is_told_who_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would ask the system for the user's name, and in a container the user is a number without one."""
    given: dict[str, Any] = {}

    async def operator(**settings: Any) -> None:
        given.update(settings)

    monkeypatch.setattr(kopf, "operator", operator)
    await run(Deps(), "pod-1", ["n"], "http://127.0.0.1:0/healthz")
    assert given["identity"] == "pod-1"


def test_backoffs_have_no_end_and_a_most() -> None:
    taken = list(itertools.islice(Backoffs(), 100))
    assert max(taken) <= BACKOFF_MOST_S
    assert min(taken[10:]) >= BACKOFF_MOST_S / 2
    made = build_settings("here")
    assert made.persistence.finalizer.startswith(names.GROUP)
    assert made.queueing.worker_limit is None
    assert len(list(itertools.islice(iter(made.networking.error_backoffs), 5))) == 5
