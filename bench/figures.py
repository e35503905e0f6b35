"""What a part of the bench answers, and how it is shown. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


def percentile(values: Sequence[float], part: float) -> float:
    """The smallest value that at least `part` of all do not exceed (nearest rank). Raises ValueError for no values."""
    if not values:
        raise ValueError("no values")
    if not 0 < part <= 1:
        raise ValueError(f"part: {part}, allowed: above 0 to 1")
    rank = -(-len(values) * round(part * 10_000) // 10_000)
    return sorted(values)[max(rank, 1) - 1]


def median(values: Sequence[float]) -> float:
    """The middle value, or the mean of the two in the middle."""
    ordered, half = sorted(values), len(values) // 2
    if not ordered:
        raise ValueError("no values")
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a numbered run arrived: what never came, and what came again."""

    lost: int
    doubled: int
    disordered: int


def check_sequence(first: int, last: int, seen: Iterable[int]) -> Arrival:
    """Compare the numbers that came with `first` to `last`; numbers outside count as doubled: nobody sent them."""
    counts: Counter[int] = Counter()
    before, disordered = first - 1, 0
    for number in seen:
        counts[number] += 1
        disordered += number < before
        before = number
    inside = {number for number in counts if first <= number <= last}
    doubled = sum(n - (number in inside) for number, n in counts.items())
    return Arrival(last - first + 1 - len(inside), doubled, disordered)


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value beside its ratio to `of`, taken in the same run."""

    name: str
    value: float
    unit: str
    ratio: float | None = None
    of: str = ""
    aim: str = ""


@dataclass(slots=True)
class Part:
    """One part's answer. `required` holds rows of the table of requirements: name -> (required, measured)."""

    name: str
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    required: dict[str, tuple[str, str]] = field(default_factory=dict)
    lost: int = 0
    doubled: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        return bool(self.lost or self.doubled or self.faults)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def number(value: float) -> str:
    """Three significant digits, whole above 100, thousands apart."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3g}"


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as aligned columns; the last column is not padded."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def render(part: Part) -> str:
    """A part as text."""
    lines = [f"== {part.name}"]
    if part.figures:
        rows = [["", "measured", "ratio, same run", "aim"]]
        for found in part.figures:
            ratio = "" if found.ratio is None else f"{number(found.ratio)} {found.of}"
            rows.append([found.name, f"{number(found.value)} {found.unit}".rstrip(), ratio, found.aim])
        lines += table(rows)
    lines += [f"   {note}" for note in part.notes]
    if part.lost or part.doubled:
        lines.append(f"   LOST {part.lost}  DOUBLED {part.doubled}")
    lines += [f"   FAULT {fault}" for fault in part.faults]
    return "\n".join(lines)


def render_required(required: Mapping[str, tuple[str, str]]) -> str:
    """The table of requirements, as far as it was measured."""
    rows = [["", "required", "measured"], *([name, *pair] for name, pair in required.items())]
    return "\n".join(["== required | measured", *table(rows)])
