"""The kopf registry and settings of this operator, built from what they depend on. `kopf` is imported here only.

Only `on.event` is used for objects: kopf's own change detection misses a halt that is flipped back and forth while
another handler waits (reproduced), so nothing here depends on seeing any particular event. What we own wakes its loops
through our own watch: kopf would keep a second copy of every object.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator
from typing import Any, Final, Protocol

import kopf

from touchline_operator import names
from touchline_operator.desired.meta import LoopKey

PLURALS: Final = {"tradingstrategies": "strategy", "riskpolicies": "policy"}
BACKOFF_MOST_S: Final = 10.0


class Deps(Protocol):
    """What the handlers call."""

    async def start(self) -> None:
        """Begin to reconcile; returns at once."""

    async def stop(self) -> None:
        """End it; what runs in the cluster goes on running."""

    def wake(self, namespace: str, key: LoopKey) -> None:
        """Something that the key stands for may have changed."""


class Backoffs:
    """Jittered, capped, without end: however long the API server is away, the watches come back after it."""

    def __iter__(self) -> Iterator[float]:
        pause = 0.2
        while True:
            yield pause * random.uniform(0.5, 1.0)  # noqa: S311  - jitter, not a secret
            pause = min(pause * 2, BACKOFF_MOST_S)


def build_settings(instance: str) -> kopf.OperatorSettings:
    """Settings for production; the reasons stand beside those that differ from kopf's own."""
    made = kopf.OperatorSettings()
    # Of our own group, although no handler here makes kopf add one: kopf's default is shared by every kopf operator.
    made.persistence.finalizer = f"{names.GROUP}/kopf"
    made.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=f"kopf.{names.GROUP}", v1=False)
    made.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=f"kopf.{names.GROUP}", v1=False)
    made.watching.server_timeout = 300
    made.watching.client_timeout = 330
    made.watching.connect_timeout = 10
    made.networking.request_timeout = 15
    made.networking.connect_timeout = 5
    made.networking.error_backoffs = Backoffs()
    made.execution.default_backoff = 10
    # Log lines are no events; transitions are announced by the status writer.
    made.posting.enabled = False
    made.posting.loggers = False
    made.posting.reporting_component = names.FIELD_MANAGER
    made.posting.reporting_instance = instance
    # The kinds are installed before the operator; a Role of one namespace cannot list CRDs or namespaces.
    made.scanning.disabled = True
    made.peering.standalone = True
    made.process.ultimate_exiting_timeout = 20
    return made


def build_registry(deps: Deps) -> kopf.OperatorRegistry:
    """Handlers bound to `deps`; nothing global, so that a process may have many."""
    registry = kopf.OperatorRegistry()

    async def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)

    async def startup(**_: Any) -> None:
        await deps.start()

    async def cleanup(**_: Any) -> None:
        await deps.stop()

    def resource(kind: str) -> Any:
        async def seen(namespace: str | None, name: str, **_: Any) -> None:
            deps.wake(namespace or "", LoopKey(kind, name))

        return seen

    kopf.on.login(id="login", registry=registry)(login)
    kopf.on.startup(id="start", registry=registry)(startup)
    kopf.on.cleanup(id="stop", registry=registry)(cleanup)
    for plural, kind in PLURALS.items():
        kopf.on.event(names.GROUP, names.VERSION, plural, id=f"wake-{kind}", registry=registry)(resource(kind))
    return registry


async def run(deps: Deps, instance: str, namespaces: Collection[str]) -> None:
    """Run until SIGTERM. No namespaces means all of them."""
    await kopf.operator(
        registry=build_registry(deps),
        settings=build_settings(instance),
        namespaces=namespaces,
        clusterwide=not namespaces,
        # Given, because kopf would ask the system for the name of a user that has only a number in a container.
        identity=instance,  # type: ignore[arg-type]  # a NewType of str that kopf does not export
        standalone=True,
    )
