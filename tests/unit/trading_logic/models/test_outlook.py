from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_logic.contracts.messages import CatalogEntry, MarketInfo
from trading_logic.models.outlook import WHOLE_GAME, Outlook, above, prior_home, prior_total, settled, worth
from trading_logic.refusal import Refusal


def market(outcome="home", prior=None, line="winner", strike=0):
    return MarketInfo(f"{line}-{outcome}-{strike}", outcome, "", "active", (), 0, "", prior, line, strike)


def entry(*markets, sport="football"):
    return CatalogEntry(
        "E",
        "S",
        "simulator",
        "t",
        "g",
        sport,
        "H",
        "A",
        "h",
        "a",
        0,
        0,
        "quadratic",
        1_000_000,
        exchange_active=True,
        markets=markets,
        updated_ms=0,
    )


CATALOG = entry(market("home", 6_100), market("away", 4_100))


def test_prior_is_without_the_margin():
    assert prior_home(CATALOG) == 6_100 * 1_000_000 // 10_200
    home, away = CATALOG.markets
    none = msgspec.structs.replace(home, prior=None)
    assert prior_home(msgspec.structs.replace(CATALOG, markets=(none, away))) == 590_000
    assert prior_home(msgspec.structs.replace(CATALOG, markets=(home,))) == 610_000
    assert prior_home(msgspec.structs.replace(CATALOG, markets=(none,))) is None


@pytest.mark.parametrize("sport", sorted(WHOLE_GAME))
@given(lead=st.integers(-20, 20), total=st.integers(30, 250))
def test_priors_of_lines_give_back_the_expectation_that_made_them(sport, lead, total):
    spread = WHOLE_GAME[sport]
    markets = [
        *(market("home", above(lead, spread.lead, k) // 100, "spread", k) for k in (250, 650, 1_050)),
        market("away", 10_000 - above(lead, spread.lead, -350) // 100, "spread", 350),
        *(
            market("over", above(total, spread.points, 100 * total + k) // 100, "total", 100 * total + k)
            for k in (-750, 50, 750)
        ),
    ]
    found = entry(*markets, sport=sport)
    assert prior_home(found) == pytest.approx(above(lead, spread.lead, 0), abs=500)
    assert prior_total(found) == pytest.approx(100 * total, abs=2)


def test_a_price_that_says_nothing_is_not_counted():
    assert prior_home(entry(market("home", 10_000, "spread", 350), market("home", 0, "spread", 750))) is None
    assert prior_total(entry(market("over", None, "total", 4_550))) is None
    assert prior_total(entry(market("over", 10_000, "total", 4_550))) is None


@pytest.mark.parametrize(
    ("home", "away", "line", "strike", "pays"),
    [
        (20, 17, "winner", 0, 1_000_000), (17, 20, "winner", 0, 0), (17, 17, "winner", 0, 500_000),
        (20, 17, "spread", 250, 1_000_000), (20, 17, "spread", 350, 0), (17, 20, "spread", -350, 1_000_000),
        (20, 17, "total", 3_650, 1_000_000), (20, 17, "total", 3_750, 0),
    ],
)  # fmt: skip
def test_what_a_line_pays_at_the_end(home, away, line, strike, pays):
    assert settled(home, away, line, strike) == pays


@given(
    lead=st.floats(-40, 40),
    deviation=st.floats(0.5, 20),
    strikes=st.tuples(st.integers(-4_000, 4_000), st.integers(-4_000, 4_000)),
)
def test_a_higher_strike_is_never_worth_more_and_nought_is_the_winner(lead, deviation, strikes):
    found = Outlook(lead, deviation, 45.0, deviation)
    low, high = sorted(strikes)
    assert worth(found, "spread", high) <= worth(found, "spread", low)
    assert worth(found, "total", high) <= worth(found, "total", low)
    assert worth(found, "winner", 0) == worth(found, "spread", 0)


def test_a_total_needs_its_expectation():
    refusal = worth(Outlook(0.0, 1.0, None, 1.0), "total", 4_550)
    assert refusal == Refusal("priorTotal", "missing", "expected points from before the start")
