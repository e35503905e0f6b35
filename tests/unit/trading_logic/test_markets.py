import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_logic.markets import PRICE_STRUCTURES, Outcome, PriceGrid, winner_side
from trading_logic.money import DOLLAR_PRICE, MoneyError

structures = st.sampled_from(sorted(PRICE_STRUCTURES))


def grid_of(name):
    return PriceGrid.from_ranges(PRICE_STRUCTURES[name])


@pytest.mark.parametrize("name", sorted(PRICE_STRUCTURES))
def test_every_structure_accepts_whole_cents_and_neither_end(name):
    grid = grid_of(name)
    assert all(grid.is_legal(cents * 100) for cents in range(1, 100))
    assert not grid.is_legal(0)
    assert not grid.is_legal(DOLLAR_PRICE)


@pytest.mark.parametrize(
    ("name", "legal", "illegal"),
    [
        ("linear_cent", [4200], [4250, 4210]),
        ("deci_cent", [10, 4210], [4205, 5]),
        ("tapered_deci_cent", [10, 990, 1000, 1100, 9000, 9010], [1010, 8990, 5]),
        ("center_whole_edge_half_cent", [50, 9050], [1050, 25]),
        ("center_half_edge_quint_cent", [20, 1050, 9020], [1020, 10]),
        ("center_quint_edge_deci_cent", [10, 1020], [1010]),
        ("center_deci_edge_centi_cent", [1, 99, 110, 9901], [101, 9899]),
    ],
)
def test_steps_change_at_the_band_edges(name, legal, illegal):
    grid = grid_of(name)
    assert [p for p in legal if not grid.is_legal(p)] == []
    assert [p for p in illegal if grid.is_legal(p)] == []


@given(structures, st.integers(-5, DOLLAR_PRICE + 5))
def test_rounding_agrees_with_the_list_of_legal_prices(name, price):
    grid = grid_of(name)
    legal = [p for p in range(DOLLAR_PRICE + 1) if grid.is_legal(p)]
    assert tuple(legal) == grid.prices
    assert grid.floor(price) == max((p for p in legal if p <= price), default=None)
    assert grid.ceil(price) == min((p for p in legal if p >= price), default=None)
    assert grid.next_up(price) == min((p for p in legal if p > price), default=None)
    assert grid.next_down(price) == max((p for p in legal if p < price), default=None)


def test_markets_of_one_structure_share_a_grid():
    assert grid_of("linear_cent") is grid_of("linear_cent")


@pytest.mark.parametrize(
    ("ranges", "field"),
    [
        ([], "price_ranges"),
        ([{"start": "0.0000", "end": "1.0000"}], r"price_ranges\[0\].step"),
        ([{"start": "0.0000", "end": "1.0000", "step": 0.01}], r"price_ranges\[0\].step"),
        ([{"start": "0.0000", "end": "1.0000", "step": "0.0000"}], r"price_ranges\[0\].step"),
        ([{"start": "0.0000", "end": "1.0000", "step": "0.0300"}], r"price_ranges\[0\].step"),
        ([{"start": "0.5000", "end": "0.5000", "step": "0.0100"}], r"price_ranges\[0\].end"),
        (
            [
                {"start": "0.0000", "end": "0.5000", "step": "0.0100"},
                {"start": "0.4000", "end": "1.0000", "step": "0.0100"},
            ],
            r"price_ranges\[1\].start",
        ),
    ],
)
def test_a_malformed_range_names_its_field(ranges, field):
    with pytest.raises(MoneyError, match=f"^{field}: "):
        PriceGrid.from_ranges(ranges)


def test_a_winner_market_pays_its_own_team():
    assert winner_side("uuid-h", "uuid-h", "uuid-a") is Outcome.HOME
    assert winner_side("uuid-a", "uuid-h", "uuid-a") is Outcome.AWAY
    for home, away in [("uuid-h", "uuid-h"), ("", "uuid-a"), ("uuid-h", "")]:
        with pytest.raises(MoneyError, match="custom_strike"):
            winner_side("uuid-h", home, away)
    with pytest.raises(MoneyError, match="custom_strike: 'uuid-x'"):
        winner_side("uuid-x", "uuid-h", "uuid-a")
