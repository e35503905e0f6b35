"""Models by the name that a TradingStrategy gives them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from trading_logic.contracts.messages import Sport
from trading_logic.models import basketball, book, football, game
from trading_logic.models.facts import GameFacts, Model, ModelNumber
from trading_logic.refusal import Refusal

GAME_STATE: Final[Mapping[Sport, Model]] = MappingProxyType({
    "football": football.game_state, "basketball": basketball.game_state,
})  # fmt: skip


def game_state(facts: GameFacts) -> ModelNumber | Refusal:
    """The model of the game's own sport."""
    return GAME_STATE[facts.sport](facts)


MODELS: Final[Mapping[str, Model]] = MappingProxyType({game.NAME: game_state, book.NAME: book.book})


class UnknownModelError(LookupError):
    """A strategy names a model that does not exist; the message lists those that do."""


def model(name: str) -> Model:
    """The model called ``name``."""
    found = MODELS.get(name)
    if found is None:
        raise UnknownModelError(f"unknown model {name!r}; known: {', '.join(sorted(MODELS))}")
    return found
