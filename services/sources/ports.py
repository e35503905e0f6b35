"""What a source plug-in is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from trading_logic.contracts.config import Exchange
from trading_logic.contracts.messages import GameState


@dataclass(frozen=True, slots=True)
class GameRef:
    """A game as the catalog knows it: what a source needs to find and read it."""

    game: str
    event: str
    home_id: str
    away_id: str


class SourceError(Exception):
    """The outside service did not give a usable state. `kind` is CamelCase and is also the counter's label."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class SourceConfigError(ValueError):
    """The plug-in's own configuration is wrong; names the field and what is allowed."""


class Source(Protocol):
    """One plug-in. Its owner asks it again and again; it keeps no clock and no schedule of its own."""

    interval_s: float

    async def poll(self, ref: GameRef, received_ms: Callable[[], int]) -> GameState:
        """The state of one game now; `received_ms` stamps the answer when it is here. Raises SourceError."""

    async def aclose(self) -> None:
        """Give back what it holds."""


SourceFactory = Callable[[str, Mapping[str, Any], Exchange], Awaitable[Source]]
"""Makes a source from its name, its own configuration and the exchange's address. Raises SourceConfigError."""
