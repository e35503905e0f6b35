"""What the tests of all game-state models ask alike."""

from __future__ import annotations

import msgspec

from trading_logic.models.facts import GameFacts, ModelNumber
from trading_logic.models.registry import game_state


def p(game: GameFacts) -> int:
    """What the model of the game's sport says, in ppm; a refusal fails the test."""
    number = game_state(game)
    assert isinstance(number, ModelNumber)
    assert 0 <= number.probability <= 1_000_000
    return number.probability


def from_the_other_side(game: GameFacts) -> GameFacts:
    """The same game with home and away turned round; a total stays what it is."""
    assert game.prior_home is not None
    return msgspec.structs.replace(
        game,
        home_points=game.away_points,
        away_points=game.home_points,
        possession={"home": "away", "away": "home", "": ""}[game.possession],
        prior_home=1_000_000 - game.prior_home,
        strike=-game.strike,
    )
