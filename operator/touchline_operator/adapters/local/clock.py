"""The one place of the operator that reads a clock or draws chance."""

from __future__ import annotations

import random
import secrets
import time


class SystemClock:
    """Wall time for stamps, monotonic time for deadlines, chance for jitter."""

    def wall_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def mono_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000

    def chance(self) -> float:
        return random.random()  # noqa: S311  - jitter, not a secret

    def new_id(self) -> str:
        """Eight random hex digits."""
        return secrets.token_hex(4)
