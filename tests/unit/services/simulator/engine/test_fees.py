"""Every row of the exchange's fee table, direct and behind a clearing firm."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.simulator.engine.fees import CENT_MEMBER, DIRECT_MEMBER, FeePlan, charge, trade_fee

WITH_MAKER = FeePlan("quadratic_with_maker_fees")


@pytest.mark.parametrize(
    ("count", "price", "is_taker", "direct", "cent"),
    [
        (100, 5000, True, 17_500, 20_000),
        (100, 5200, True, 17_500, 20_000),
        (100, 9900, True, 700, 10_000),
        (1000, 3300, True, 154_800, 160_000),
        (10_000, 5000, True, 1_750_000, 1_750_000),
        (10_000, 500, True, 332_500, 340_000),
        (10_000, 1000, True, 630_000, 630_000),
        (10_000, 2500, True, 1_312_500, 1_320_000),
        (10_000, 7500, True, 1_312_500, 1_320_000),
        (10_000, 5000, False, 437_500, 440_000),
        (250, 4000, True, 42_000, 50_000),
    ],
)
def test_table(count, price, is_taker, direct, cent):
    fee = trade_fee(WITH_MAKER, price, count, is_taker=is_taker)
    assert charge(-price * count, fee, 0, DIRECT_MEMBER)[0] == direct
    assert charge(-price * count, fee, 0, CENT_MEMBER)[0] == cent


def test_the_documented_rounding_example():
    assert charge(-55_000, 3639, 0, CENT_MEMBER) == (5_000, 1_361)


@pytest.mark.parametrize(
    ("fee_type", "expected"),
    [("quadratic", 0), ("quadratic_with_maker_fees", 437_500), ("quadratic_with_combo_maker_fees", 875_000)],
)
def test_maker_factor(fee_type, expected):
    assert trade_fee(FeePlan(fee_type), 5000, 10_000, is_taker=False) == expected


def test_half_multiplier():
    assert trade_fee(FeePlan("quadratic", 500), 5000, 10_000, is_taker=True) == 875_000


@given(
    fills=st.lists(st.tuples(st.integers(1, 9999), st.integers(1, 5000)), min_size=1, max_size=30),
    precision=st.sampled_from([DIRECT_MEMBER, CENT_MEMBER]),
)
def test_rounding_is_given_back_and_never_below_zero(fills, precision):
    carried = model = paid = 0
    for price, count in fills:
        fee = trade_fee(WITH_MAKER, price, count, is_taker=True)
        charged, carried = charge(-price * count, fee, carried, precision)
        assert charged >= 0
        assert (-price * count - charged) % precision == 0
        model += fee
        paid += charged
    assert paid - model == carried
    assert carried >= 0
