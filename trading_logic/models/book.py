"""The market's own opinion: the size-weighted middle of the home team's book."""

from typing import Final

from trading_logic.models.facts import GameFacts, ModelNumber
from trading_logic.refusal import Refusal

NAME: Final = "book"
VERSION: Final = "microprice-1"


def book(facts: GameFacts) -> ModelNumber | Refusal:
    """The micro-price as a probability; refused while a side of the book is empty."""
    if facts.microprice is None:
        return Refusal("microprice", "missing", "a book with bids on both sides")
    return ModelNumber(facts.microprice, NAME, VERSION)
