"""The rolling limit of an order group."""

from services.simulator.engine.model import OrderGroup

WINDOW_MS = 15_000
"""The exchange counts the contracts filled in the last 15 seconds."""
MAX_CONTRACTS = 1_000_000
"""Largest limit, in contracts."""


def recent(group: OrderGroup, now_ms: int) -> int:
    """Contracts (1/100) filled in the window that ends now."""
    while group.window and group.window[0][0] <= now_ms - WINDOW_MS:
        group.filled -= group.window.popleft()[1]
    return group.filled


def record(group: OrderGroup, count: int, now_ms: int) -> bool:
    """Count one fill; true when the limit is exceeded."""
    group.window.append((now_ms, count))
    group.filled += count
    return recent(group, now_ms) > group.limit


def clear(group: OrderGroup) -> None:
    group.window.clear()
    group.filled = 0
