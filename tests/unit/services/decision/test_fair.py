"""What a market asks comes from the catalog; the models are asked from the home team's side."""

from __future__ import annotations

import msgspec
import pytest

from services.decision.fair import Fair, FairValue, game_facts
from tests.unit.services.decision.conftest import HOME, SIGNAL
from trading_logic.contracts.config import Model
from trading_logic.contracts.messages import MarketInfo
from trading_logic.refusal import Refusal

CENT = (("0.0000", "1.0000", "0.0100"),)


def market(outcome, line="winner", strike=0):
    return MarketInfo(HOME, outcome, "", "active", CENT, 0, "", None, line, strike)


def fair(info, *models, **signal):
    values = FairValue([Model(name, 500_000) for name in models or ("game-state",)])
    return values.of(msgspec.structs.replace(SIGNAL, **signal), info)


def test_the_away_teams_spread_is_the_homes_seen_from_behind():
    facts = game_facts(SIGNAL, market("away", "spread", 350))
    assert (facts.line, facts.strike) == ("spread", -350)
    home, away = fair(market("home", "spread", -350)), fair(market("away", "spread", 350))
    assert home.probability + away.probability == 1_000_000


def test_a_winner_is_worth_more_than_its_spread_and_less_than_a_head_start():
    values = [
        fair(market("home", line, strike)).probability
        for line, strike in (("spread", 650), ("winner", 0), ("spread", -650))
    ]
    assert values == sorted(values)
    assert values[0] < values[1] < values[2]


def test_a_total_is_asked_with_the_points_that_were_expected():
    info = market("over", "total", 4_050)
    assert fair(info).rule == "models"
    low, high = (fair(info, prior_total=expected).probability for expected in (3_500, 5_000))
    assert low < high


@pytest.mark.parametrize(
    "info", [market("home", "spread", 350), market("away", "spread", 350), market("over", "total", 4_050)]
)
def test_the_book_speaks_of_the_market_itself(info):
    found = fair(info, "book")
    assert isinstance(found, Fair)
    top = SIGNAL.top
    middle = (
        (top.yes_bid * top.yes_ask_size + top.yes_ask * top.yes_bid_size) * 100 // (top.yes_bid_size + top.yes_ask_size)
    )
    assert found.probability == pytest.approx(middle, abs=1)


def test_one_model_that_cannot_answer_refuses_for_all():
    refusal = fair(market("over", "total", 4_050), "book", "game-state")
    assert isinstance(refusal, Refusal)
    assert "priorTotal missing" in refusal.value
