"""Models by the name that a TradingStrategy gives them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from trading_logic.models import book, football
from trading_logic.models.facts import Model

MODELS: Final[Mapping[str, Model]] = MappingProxyType({football.NAME: football.game_state, book.NAME: book.book})


class UnknownModelError(LookupError):
    """A strategy names a model that does not exist; the message lists those that do."""


def model(name: str) -> Model:
    """The model called ``name``."""
    found = MODELS.get(name)
    if found is None:
        raise UnknownModelError(f"unknown model {name!r}; known: {', '.join(sorted(MODELS))}")
    return found
