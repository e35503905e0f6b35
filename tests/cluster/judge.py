"""What the simulator's accept log says. The exchange is the judge, not our own books. PURE."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

Line = dict[str, Any]


def accepted(lines: Sequence[Line], after_ms: int = 0) -> list[Line]:
    """Orders that the exchange took, those later than `after_ms` (epoch milliseconds)."""
    return [line for line in lines if line["kind"] == "order_accepted" and line["wall_ms"] > after_ms]


def twice(lines: Sequence[Line]) -> list[str]:
    """Client order ids that reached the exchange more than once, taken or turned down."""
    sent = [line for line in lines if line["kind"] in {"order_accepted", "order_rejected"} and line["client_order_id"]]
    return sorted(name for name, count in Counter(line["client_order_id"] for line in sent).items() if count > 1)


def resting(lines: Sequence[Line]) -> set[str]:
    """Orders that still rest: taken, and neither cancelled nor filled to the end (counts in 1/100 contract)."""
    left: dict[str, int] = {}
    for line in lines:
        if line["kind"] == "order_accepted":
            left[line["order_id"]] = _count(line)
        elif line["kind"] in {"fill", "order_canceled", "order_decreased"} and line["order_id"] in left:
            left[line["order_id"]] -= _count(line)
    return {order for order, count in left.items() if count > 0}


def groups(lines: Sequence[Line], after_ms: int = 0) -> set[str]:
    """Order groups that orders were sent in: each epoch and term has its own."""
    return {line["group"] for line in accepted(lines, after_ms)}


def _count(line: Line) -> int:
    whole, _, part = line["count"].partition(".")
    return int(whole) * 100 + int(part.ljust(2, "0"))
