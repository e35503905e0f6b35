"""What the loops did, as plain numbers: for whoever wants to show them."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

BOUNDS_S: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0)


@dataclass
class Passes:
    """Passes of the loops of one kind."""

    errors: int = 0
    seconds: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))

    def add(self, seconds: float, *, failed: bool) -> None:
        self.errors += failed
        self.seconds += seconds
        self.buckets[next((at for at, bound in enumerate(BOUNDS_S) if seconds <= bound), len(BOUNDS_S))] += 1

    def cumulative(self) -> list[tuple[str, int]]:
        """(upper bound, passes at or below it), the last bound being +Inf, as Prometheus has histograms."""
        bounds = [*map(str, BOUNDS_S), "+Inf"]
        return list(zip(bounds, accumulate(self.buckets), strict=True))


@dataclass
class Tally:
    """All loops of one namespace."""

    passes: dict[str, Passes] = field(default_factory=dict)
    loops: int = 0
    running: int = 0

    def add(self, kind: str, seconds: float, *, failed: bool) -> None:
        self.passes.setdefault(kind, Passes()).add(seconds, failed=failed)
