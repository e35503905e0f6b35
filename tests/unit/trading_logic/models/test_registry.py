import pytest

from trading_logic.models.facts import GameFacts, ModelNumber
from trading_logic.models.registry import MODELS, UnknownModelError, model
from trading_logic.refusal import Refusal

LIVE = GameFacts("football", "live", 7, 0, 2, 900, 2_700, prior_home=600_000, microprice=710_000)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_model_signs_its_number_with_its_own_name_and_a_version(name):
    number = model(name)(LIVE)
    assert isinstance(number, ModelNumber)
    assert number.model == name
    assert number.version
    assert model(name)(LIVE) == number


def test_an_unknown_model_is_an_error_that_lists_the_known_ones():
    with pytest.raises(UnknownModelError, match="unknown model 'consensus'; known: book, game-state"):
        model("consensus")


def test_the_book_model_is_the_microprice_and_refuses_without_one():
    assert model("book")(LIVE).probability == 710_000
    bare = GameFacts("football", "live", 7, 0, 2, 900, 2_700, prior_home=600_000)
    assert model("book")(bare) == Refusal("microprice", "missing", "a book with bids on both sides")
