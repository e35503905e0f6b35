"""The game as several sources see it: the first one in order that knows it now wins. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from trading_logic.contracts.codec import Reader
from trading_logic.contracts.messages import GameState

GAME_LATE_MS: Final = 5_000
"""A source repeats its state every 2 s: a state older than this is late."""

KNOWN_FOR_MS: Final = 30_000
"""A state older than this is only used when no source has a younger one."""


def degraded(state: GameState, now_ms: int) -> bool:
    """Whether its source is on cached data: it says so, or has not been heard when it should have been."""
    return state.degraded or now_ms - state.received_ms > GAME_LATE_MS


class Games:
    """The last state of one game from each source."""

    def __init__(self, sources: Sequence[str]) -> None:
        self._sources = tuple(sources)
        self._states: dict[str, GameState] = {}
        self._reader = Reader(GameState)

    def put(self, source: str, game: str, body: bytes) -> None:
        """Keep a published state if it is of `game` and not older than what is known. Raises CodecError."""
        state = self._reader.one(body)
        known = self._states.get(source)
        if state.game == game and (known is None or state.received_ms >= known.received_ms):
            self._states[source] = state

    def best(self, now_ms: int) -> GameState | None:
        """The state to decide on; None while nobody knows the game."""
        known = [self._states[name] for name in self._sources if name in self._states]
        living = [state for state in known if not degraded(state, now_ms)]
        fresh = living or [state for state in known if now_ms - state.received_ms <= KNOWN_FOR_MS]
        if fresh:
            return fresh[0]
        return max(known, key=lambda state: state.received_ms, default=None)
