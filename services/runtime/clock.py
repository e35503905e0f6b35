"""The one place of the services that reads a clock or makes a random id."""

from __future__ import annotations

import secrets
import time


class Clock:
    """Wall time for stamps that leave the process, monotonic time for deadlines within it."""

    def wall_ms(self) -> int:
        """Epoch milliseconds."""
        return time.time_ns() // 1_000_000

    def mono_ms(self) -> int:
        """Milliseconds that never jump; comparable only within this process."""
        return time.monotonic_ns() // 1_000_000

    def new_id(self) -> str:
        """A random id of 16 hex digits."""
        return secrets.token_hex(8)
