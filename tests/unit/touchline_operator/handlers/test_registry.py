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

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def wake(self, namespace: str, key: LoopKey) -> None:
        self.woken.append((namespace, key))


def watching(registry: kopf.OperatorRegistry) -> dict[str, Any]:
    return {str(handler.id): handler for handler in registry._watching.get_all_handlers()}


async def test_events_wake_their_loop_and_nothing_else_is_registered() -> None:
    deps = Deps()
    registry = build_registry(deps)
    handlers = watching(registry)
    assert set(handlers) == {"wake-strategy", "wake-policy"}
    for kind in (registry._changing, registry._spawning, registry._indexing, registry._webhooks):
        assert list(kind.get_all_handlers()) == [], "a handler that makes kopf write into objects"
    await handlers["wake-policy"].fn(namespace="n", name="house", body={})
    assert deps.woken == [("n", LoopKey("policy", "house"))]


async def test_kopf_is_told_who_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would ask the system for the user's name, and in a container the user is a number without one."""
    given: dict[str, Any] = {}

    async def operator(**settings: Any) -> None:
        given.update(settings)

    monkeypatch.setattr(kopf, "operator", operator)
    await run(Deps(), "pod-1", ["n"])
    assert given["identity"] == "pod-1"


def test_backoffs_have_no_end_and_a_most() -> None:
    taken = list(itertools.islice(Backoffs(), 100))
    assert max(taken) <= BACKOFF_MOST_S
    assert min(taken[10:]) >= BACKOFF_MOST_S / 2
    made = build_settings("here")
    assert made.persistence.finalizer.startswith(names.GROUP)
    assert made.queueing.worker_limit is None
    assert len(list(itertools.islice(iter(made.networking.error_backoffs), 5))) == 5
