import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_logic.fees import FeeAccount, FeeSchedule, Precision, fill_fee, model_fee, parse_multiplier, worst_case_fee
from trading_logic.money import MoneyError, parse_cash, parse_count, parse_price

WITH_MAKER = FeeSchedule("quadratic_with_maker_fees", 1_000_000)
schedules = st.builds(
    FeeSchedule,
    st.sampled_from(["quadratic", "quadratic_with_maker_fees", "quadratic_with_combo_maker_fees"]),
    st.sampled_from([0, 500_000, 1_000_000, 2_000_000, 10_000_000]) | st.integers(0, 10_000_000),
)
prices = st.integers(1, 9_999)
counts = st.integers(1, 100_000)
precisions = st.sampled_from(list(Precision))


def charged(count, price, precision, *, is_taker=True, schedule=WITH_MAKER):
    p, c = parse_price(price, "price"), parse_count(count, "count")
    fee, _ = fill_fee(schedule, FeeAccount(precision), price=p, count=c, is_taker=is_taker, revenue=-p * c)
    return fee.cost


@pytest.mark.parametrize(
    ("count", "price", "is_taker", "direct", "cent"),
    [
        ("1", "0.50", True, "0.0175", "0.02"),
        ("1", "0.52", True, "0.0175", "0.02"),
        ("1", "0.99", True, "0.0007", "0.01"),
        ("10", "0.33", True, "0.1548", "0.16"),
        ("100", "0.50", True, "1.75", "1.75"),
        ("100", "0.05", True, "0.3325", "0.34"),
        ("100", "0.10", True, "0.63", "0.63"),
        ("100", "0.25", True, "1.3125", "1.32"),
        ("100", "0.75", True, "1.3125", "1.32"),
        ("100", "0.50", False, "0.4375", "0.44"),
        ("2.5", "0.40", True, "0.042", "0.05"),
    ],
)
def test_the_published_table(count, price, is_taker, direct, cent):
    assert charged(count, price, Precision.DIRECT, is_taker=is_taker) == parse_cash(direct, "fee")
    assert charged(count, price, Precision.CENT, is_taker=is_taker) == parse_cash(cent, "fee")


def test_the_published_rounding_example():
    # revenue -0.055, model fee 0.00363825: 1 contract at 0.055 costs 0.07 * 0.055 * 0.945 = 0.00363825.
    fee, account = fill_fee(
        WITH_MAKER, FeeAccount(Precision.CENT), price=550, count=100, is_taker=True, revenue=-55_000
    )
    assert (fee.trade_fee, fee.rounding_fee, fee.rebate, fee.cost) == (3_639, 1_361, 0, 5_000)
    assert account == FeeAccount(Precision.CENT, 1_361)


@pytest.mark.parametrize(
    ("fee_type", "maker"),
    [("quadratic", "0"), ("quadratic_with_maker_fees", "0.4375"), ("quadratic_with_combo_maker_fees", "0.875")],
)
def test_makers_pay_the_part_of_their_fee_type(fee_type, maker):
    schedule = FeeSchedule(fee_type, 1_000_000)
    assert model_fee(schedule, 5_000, 10_000, is_taker=False) == parse_cash(maker, "fee")
    assert model_fee(schedule, 5_000, 10_000, is_taker=True) == 1_750_000


def test_rounding_fees_of_one_order_are_given_back_once_they_reach_a_cent():
    account = FeeAccount(Precision.CENT)
    costs = []
    for _ in range(4):
        fee, account = fill_fee(WITH_MAKER, account, price=5_000, count=100, is_taker=True, revenue=-500_000)
        costs.append(fee.cost)
    # 0.0025 is rounded away each time; the fourth fill brings it to 0.01.
    assert costs == [20_000, 20_000, 20_000, 10_000]
    assert account.owed == 0
    assert sum(costs) == 4 * 17_500


@given(schedules, prices, counts, precisions, st.booleans(), st.sampled_from([-1, 1]), st.integers(0, 30_000))
def test_a_fill_leaves_an_aligned_balance_and_never_earns_a_fee(
    schedule, price, count, precision, is_taker, sign, owed
):
    revenue = sign * price * count
    fee, after = fill_fee(
        schedule, FeeAccount(precision, owed), price=price, count=count, is_taker=is_taker, revenue=revenue
    )
    assert fee.cost >= 0
    assert 0 <= fee.rounding_fee < precision
    assert fee.rebate % precision == 0
    assert (revenue - fee.cost) % precision == 0
    assert after.owed == owed + fee.rounding_fee - fee.rebate >= 0
    # A unit is kept back only when giving it would make the fee negative.
    assert after.owed < precision or fee.cost < precision


@given(schedules, prices, counts, st.booleans())
def test_fees_grow_with_count_and_multiplier_and_are_the_same_from_both_sides(schedule, price, count, is_taker):
    fee = model_fee(schedule, price, count, is_taker=is_taker)
    assert fee >= 0
    assert fee == model_fee(schedule, 10_000 - price, count, is_taker=is_taker)
    assert fee <= model_fee(schedule, price, count + 1, is_taker=is_taker)
    if schedule.multiplier < 10_000_000:
        assert fee <= model_fee(
            FeeSchedule(schedule.fee_type, schedule.multiplier + 1), price, count, is_taker=is_taker
        )
    assert model_fee(schedule, price, count, is_taker=False) <= model_fee(schedule, price, count, is_taker=True)


@given(
    schedules,
    prices,
    precisions,
    st.booleans(),
    st.lists(st.tuples(st.integers(100, 5_000), st.integers(0, 3_000)), min_size=1, max_size=12),
)
def test_no_split_of_an_order_costs_more_than_its_worst_case(schedule, limit, precision, is_taker, pieces):
    account = FeeAccount(precision)
    spent = 0
    for count, better_by in pieces:
        price = max(1, limit - better_by)
        fee, account = fill_fee(schedule, account, price=price, count=count, is_taker=is_taker, revenue=-price * count)
        spent += price * count + fee.cost
    total = sum(count for count, _ in pieces)
    assert spent <= limit * total + worst_case_fee(schedule, limit, total, precision, is_taker=is_taker)


@pytest.mark.parametrize("fee_type", ["flat", "", "Quadratic"])
def test_an_unknown_fee_type_is_an_error_that_names_it(fee_type):
    with pytest.raises(MoneyError, match=f"fee_type: '{fee_type}' is not allowed; allowed: quadratic, "):
        FeeSchedule(fee_type, 1_000_000)


@pytest.mark.parametrize(
    ("value", "ppm"),
    [(1, 1_000_000), (0.5, 500_000), ("0.5", 500_000), (1.0, 1_000_000), (0, 0), (0.07, 70_000), ("10", 10_000_000)],
)
def test_multipliers_are_exact(value, ppm):
    assert parse_multiplier(value, "fee_multiplier") == ppm


@pytest.mark.parametrize("value", [True, None, -1, 1e-7, float("nan"), float("inf"), 10.5, "1e1", "", [1]])
def test_a_malformed_multiplier_names_its_field(value):
    with pytest.raises(MoneyError, match=r"^fee_multiplier: "):
        parse_multiplier(value, "fee_multiplier")


@pytest.mark.parametrize("multiplier", [-1, 10_000_001])
def test_a_schedule_bounds_its_multiplier(multiplier):
    with pytest.raises(MoneyError, match=r"^fee_multiplier: "):
        FeeSchedule("quadratic", multiplier)


@pytest.mark.parametrize(("price", "count", "field"), [(-1, 1, "price"), (10_001, 1, "price"), (1, -1, "count")])
def test_impossible_fills_have_no_fee(price, count, field):
    with pytest.raises(MoneyError, match=f"^{field}: "):
        model_fee(WITH_MAKER, price, count, is_taker=True)
