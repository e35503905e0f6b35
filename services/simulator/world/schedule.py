"""Things to do at wall times, in order; the same calls give the same order."""

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

Action = Callable[[int], None]


class Schedule:
    """A heap of (time, serial, action)."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Action]] = []
        self._serial = count()

    def at(self, when_ms: int, action: Action) -> None:
        heappush(self._heap, (when_ms, next(self._serial), action))

    def next_ms(self) -> int | None:
        return self._heap[0][0] if self._heap else None

    def run(self, now_ms: int) -> None:
        """Do all that is due, each at its own time."""
        while self._heap and self._heap[0][0] <= now_ms:
            when_ms, _, action = heappop(self._heap)
            action(when_ms)
