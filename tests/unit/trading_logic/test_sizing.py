from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_logic.fees import FeeSchedule, Precision
from trading_logic.sizing import Terms, best_side, net_edge, size, worst_cost

FREE = FeeSchedule("quadratic", 0)
NFL = FeeSchedule("quadratic_with_maker_fees", 1_000_000)
terms_of = st.builds(
    Terms,
    st.builds(FeeSchedule, st.sampled_from(["quadratic", "quadratic_with_maker_fees"]), st.integers(0, 2_000_000)),
    st.sampled_from(list(Precision)),
    st.booleans(),
    st.sampled_from([1, 10, 100]),
)
whole_terms = terms_of.filter(lambda terms: terms.step == 100)
prices = st.integers(1, 9_999)
probabilities = st.integers(0, 1_000_000)
equities = st.integers(-(10**9), 10**12)
fractions = st.integers(0, 1_000_000)


@given(terms_of, prices, probabilities, equities, fractions, st.none() | st.integers(0, 10_000))
def test_a_size_is_affordable_stepped_and_only_for_an_edge(terms, price, probability, equity, kelly, most):
    sized = size(terms, side="yes", price=price, probability=probability, equity=equity, kelly=kelly, most=most)
    assert sized.count >= 0
    assert sized.count % terms.step == 0
    assert sized.cost == worst_cost(terms, price, sized.count) <= sized.stake
    assert sized.stake * 1_000_000 <= max(0, equity) * kelly
    if most is not None:
        assert sized.count <= most
    if sized.edge <= 0 or equity <= 0:
        assert sized.count == sized.stake == 0
    if sized.count:
        assert probability * sized.count > sized.cost * 100


@given(whole_terms, prices, probabilities, st.integers(1, 10**12), fractions)
def test_the_stake_is_the_kelly_formula_and_the_count_the_most_it_buys(terms, price, probability, equity, kelly):
    sized = size(terms, side="no", price=price, probability=probability, equity=equity, kelly=kelly)
    cost = Fraction(worst_cost(terms, price, 100), 1_000_000)
    q = Fraction(probability, 1_000_000)
    stake = Fraction(kelly, 1_000_000) * equity * (q - cost) / (1 - cost) if q > cost else 0
    assert sized.stake == int(stake)
    if q > cost:
        assert worst_cost(terms, price, sized.count + 100) > sized.stake


@given(whole_terms, prices, probabilities, st.integers(1, 100_000), st.integers(1, 10**12), fractions)
def test_more_probability_never_buys_less(terms, price, probability, more, equity, kelly):
    higher = min(1_000_000, probability + more)
    low, high = (
        size(terms, side="yes", price=price, probability=p, equity=equity, kelly=kelly) for p in (probability, higher)
    )
    assert low.edge <= high.edge
    assert low.stake <= high.stake
    assert low.count <= high.count


@given(whole_terms, st.integers(1, 9_998), probabilities, st.integers(1, 10**12), fractions)
def test_a_higher_price_never_stakes_more(terms, price, probability, equity, kelly):
    low, high = (
        size(terms, side="yes", price=p, probability=probability, equity=equity, kelly=kelly)
        for p in (price, price + 1)
    )
    assert high.stake <= low.stake
    assert high.count <= low.count


@given(terms_of, prices, prices, probabilities)
def test_the_best_side_has_the_higher_edge_of_those_for_sale(terms, yes_ask, no_ask, probability):
    yes = net_edge(terms, yes_ask, probability)
    no = net_edge(terms, no_ask, 1_000_000 - probability)
    assert best_side(terms, yes_ask=yes_ask, no_ask=no_ask, probability=probability) == (
        ("yes", yes_ask, yes) if yes >= no else ("no", no_ask, no)
    )
    assert best_side(terms, yes_ask=yes_ask, no_ask=None, probability=probability) == ("yes", yes_ask, yes)
    assert best_side(terms, yes_ask=None, no_ask=no_ask, probability=probability) == ("no", no_ask, no)
    assert best_side(terms, yes_ask=None, no_ask=None, probability=probability) is None


@given(terms_of, prices, st.integers(0, 9_998), probabilities)
def test_both_sides_never_win_when_together_they_cost_a_dollar(terms, yes_ask, more, probability):
    no_ask = min(9_999, 10_000 - yes_ask + more)
    assert net_edge(terms, yes_ask, probability) <= 0 or net_edge(terms, no_ask, 1_000_000 - probability) <= 0


def test_a_known_case_by_hand():
    # 0.60 at $0.50 without fees: c = 0.50 + one rounding unit of $0.0001; a quarter of (0.6 - c) / (1 - c) of $1,000.
    sized = size(
        Terms(FREE, Precision.DIRECT, is_taker=True),
        side="yes",
        price=5_000,
        probability=600_000,
        equity=10**9,
        kelly=250_000,
    )
    assert (sized.edge, sized.stake) == (99_900, 49_959_991)
    assert (sized.count, sized.cost) == (9_900, 49_509_900)


def test_the_fee_can_take_the_whole_edge():
    taker, free = (Terms(schedule, Precision.DIRECT, is_taker=True) for schedule in (NFL, FREE))
    assert size(free, side="yes", price=5_000, probability=517_000, equity=10**9, kelly=250_000).count > 0
    assert size(taker, side="yes", price=5_000, probability=517_000, equity=10**9, kelly=250_000).count == 0


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("price", {"price": 0}),
        ("price", {"price": 10_000}),
        ("probability", {"probability": 1_000_001}),
        ("probability", {"probability": -1}),
        ("kelly", {"kelly": 1_000_001}),
        ("step", {"terms": Terms(FREE, Precision.DIRECT, is_taker=True, step=0)}),
    ],
)
def test_arguments_out_of_bounds_are_named(name, change):
    arguments = {
        "terms": Terms(FREE, Precision.DIRECT, is_taker=True),
        "side": "yes",
        "price": 5_000,
        "probability": 600_000,
        "equity": 10**9,
        "kelly": 250_000,
    } | change
    with pytest.raises(ValueError, match=f"^{name}: "):
        size(arguments.pop("terms"), **arguments)
