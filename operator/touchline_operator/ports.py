"""What the reconcile core needs from the outside. Each port has a fake and real adapters that pass one shared suite."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from touchline_operator import names
from touchline_operator.desired.meta import LoopKey
from touchline_operator.desired.world import PolicyFacts
from trading_logic.contracts.messages import Report, Slate
from trading_logic.contracts.record import Cause

Object = dict[str, Any]


class Wake(Protocol):
    """Wakes the loop of a key, and whatever depends on it; without a key every loop looks again."""

    def __call__(self, key: LoopKey | None = None) -> None: ...


class RecordUnreachableError(Exception):
    """The record (or the bus) does not answer; the message names it."""


class ClusterError(Exception):
    """The cluster refused or did not answer; the message says what and why."""

    after_s: float = 0.0
    """How long it asks to be left alone."""


class Cluster(Protocol):
    """One namespace: resources that people write, objects that we write."""

    async def resources(self) -> list[Object]:
        """All TradingStrategies and RiskPolicies with metadata (uid, generation, creationTimestamp), spec, status.

        The list is not to be changed by its reader; the same list again means that nothing changed.
        """

    async def apply(self, wanted: Object) -> None:
        """Make the object exactly `wanted` (what others wrote outside of it stays). Idempotent."""

    async def owned(self, labels: Mapping[str, str]) -> list[Object]:
        """Our objects that carry all `labels`; Deployments with `status.replicas` as observed.

        `ordered` stands beside the spec of a Deployment whose controller is behind: the most replicas that it may still
        start, of this spec and of those before it.
        """

    async def loops(self) -> set[LoopKey]:
        """The loops whose objects exist."""

    async def delete(self, kind: str, name: str) -> None:
        """Delete one of our objects, its processes by the clean way; absent is fine."""

    async def patch_status(self, kind: names.Kind, name: str, status: Object) -> None:
        """Replace the status of a resource; a resource that is gone is fine."""

    async def hold(self, kind: names.Kind, name: str) -> None:
        """Keep a deleted resource in being until `release`; idempotent, a resource that is gone is fine."""

    async def release(self, kind: names.Kind, name: str) -> None:
        """Let a deleted resource go; idempotent, a resource that is gone is fine."""

    def watch(self, wake: Wake) -> None:
        """Call `wake` whenever a resource or an owned object may have changed."""


class RiskFeed(Protocol):
    """What stands in the two Redis about money and processes."""

    async def facts(self, policy: str) -> PolicyFacts:
        """Latch, halt, risk and positions of one policy. Raises RecordUnreachableError."""

    async def slates(self, wanted: Collection[tuple[str, str]]) -> dict[tuple[str, str], Slate]:
        """The slates by (feed, series) that the catalog keeps up to date; the others are not in the answer.

        Raises RecordUnreachableError.
        """

    async def reports(self) -> dict[str, Report]:
        """The live report of every process, by process name. Raises RecordUnreachableError."""

    async def add_cause(self, policy: str, cause: Cause, now_ms: int) -> bool:
        """Latch: True when the cause was not there before. Raises RecordUnreachableError."""

    async def listen(self, policy: str, wake: Wake) -> None:
        """Call `wake` at every nudge of the policy, until cancelled; survives the record being away."""


class Clock(Protocol):
    """The only way the core learns of time and chance."""

    def wall_ms(self) -> int:
        """Epoch milliseconds."""

    def mono_ms(self) -> int:
        """Milliseconds that never jump."""

    def chance(self) -> float:
        """A random number from 0 to 1, for jitter."""
