"""Seconds that the node took, beside what was asked for. Shown at the end of a run, never silently lost."""

from __future__ import annotations

from dataclasses import dataclass, field

SLOWER = 3.0
"""A machine may be this much slower than the one that the figures are asked of."""


@dataclass
class Figure:
    """Takes figures: `figure(name, seconds, asked)`."""

    rows: list[tuple[str, float, float]] = field(default_factory=list)

    def __call__(self, name: str, seconds: float, asked: float) -> None:
        self.rows.append((name, seconds, asked))
        assert seconds <= asked * SLOWER, f"{name}: {seconds:.1f} s; asked for: {asked:g} s"

    def lines(self) -> list[str]:
        return [f"{name}: {seconds:.1f} s (asked: {asked:g} s)" for name, seconds, asked in self.rows]
