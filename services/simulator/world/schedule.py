"""What happens when: actions in order of time; at the same moment in the order in which they were added.

The script has its own time in milliseconds, which can be stopped, stepped and run at any pace; actions are
told the wall time at which they happen.
"""

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

Action = Callable[[int], None]


class Schedule:
    """A heap of (script time, serial, action). Script time equals wall time until the pace is first changed."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Action]] = []
        self._serial = count()
        self._script = 0
        self._wall = 0
        self.pace = 1.0
        self.paused = False

    def at(self, when_ms: int, action: Action) -> None:
        """Do ``action`` at the wall time ``when_ms``, should the pace stay as it is."""
        heappush(self._heap, (self._script_of(when_ms), next(self._serial), action))

    def at_script(self, script_ms: int, action: Action) -> None:
        """Do ``action`` at a script time, whatever pace may come."""
        heappush(self._heap, (script_ms, next(self._serial), action))

    @property
    def script_ms(self) -> int:
        """Where the script is: in an action, the action's own time."""
        return self._script

    def script_at(self, wall_ms: int) -> int:
        """Where the script ought to be at that wall time."""
        return self._script if self.paused else self._script_of(wall_ms)

    def next_ms(self) -> int | None:
        """Wall time of the next action; None while there is none or the script stands still."""
        return self._wall_of(self._heap[0][0]) if self._heap and not self.paused else None

    def run(self, now_ms: int) -> None:
        """Do all that is due, each at its own time."""
        if self.paused:
            self._wall = max(self._wall, now_ms)
            return
        until = self._script_of(now_ms)
        while self._heap and self._heap[0][0] <= until:
            script, _, action = heappop(self._heap)
            self._wall, self._script = self._wall_of(script), script
            action(self._wall)
        if now_ms > self._wall:
            self._wall, self._script = now_ms, max(until, self._script)

    def set_pace(self, now_ms: int, *, pace: float | None = None, paused: bool | None = None) -> None:
        """Change pace (script milliseconds per wall millisecond, above 0) or stop and go, from ``now_ms`` on."""
        self.run(now_ms)
        if pace is not None:
            if not 0 < pace < 1_000_000:
                raise ValueError(f"pace: {pace}, allowed: above 0 and below 1,000,000")
            self.pace = pace
        if paused is not None:
            self.paused = paused

    def step(self, now_ms: int, script_ms: int) -> None:
        """While paused, do what the next ``script_ms`` of the script hold, all at the wall time ``now_ms``."""
        if not self.paused:
            raise ValueError("a script that is not paused cannot be stepped")
        until = self._script + script_ms
        self._wall = max(self._wall, now_ms)
        while self._heap and self._heap[0][0] <= until:
            self._script, _, action = heappop(self._heap)
            action(self._wall)
        self._script = until

    def _script_of(self, wall_ms: int) -> int:
        passed = wall_ms - self._wall
        return self._script + (passed if self.pace == 1.0 else round(passed * self.pace))

    def _wall_of(self, script_ms: int) -> int:
        left = script_ms - self._script
        return self._wall + (left if self.pace == 1.0 else round(left / self.pace))
