import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_logic.pooling import CLIP, Part, Pooled, pool
from trading_logic.refusal import Refusal

probabilities = st.integers(0, 1_000_000)
inner = st.integers(CLIP, 1_000_000 - CLIP)
names = ["a", "b", "c"]
weights_of = st.fixed_dictionaries({name: st.integers(1, 1_000_000) for name in names})
numbers_of = st.fixed_dictionaries(dict.fromkeys(names, probabilities))


@given(numbers_of, weights_of)
def test_the_pool_lies_between_its_models_and_shows_its_parts(numbers, weights):
    pooled = pool(numbers, weights, least_share=1_000_000)
    clipped = [min(max(p, CLIP), 1_000_000 - CLIP) for p in numbers.values()]
    assert min(clipped) <= pooled.probability <= max(clipped)
    assert [(part.model, part.probability) for part in pooled.parts] == sorted(numbers.items())
    assert 1_000_000 - len(names) < sum(part.share for part in pooled.parts) <= 1_000_000


@given(numbers_of, weights_of)
def test_turning_every_probability_around_turns_the_pool_around(numbers, weights):
    turned = {name: 1_000_000 - p for name, p in numbers.items()}
    one, other = (pool(n, weights, least_share=0).probability for n in (numbers, turned))
    assert abs(one + other - 1_000_000) <= 1


@given(inner, weights_of)
def test_models_that_agree_are_believed(probability, weights):
    assert abs(pool(dict.fromkeys(names, probability), weights, least_share=0).probability - probability) <= 1


@given(numbers_of, weights_of, st.integers(2, 1_000))
def test_only_the_ratio_of_weights_counts(numbers, weights, factor):
    scaled = {name: weight * factor for name, weight in weights.items()}
    assert pool(numbers, weights, least_share=0) == pool(numbers, scaled, least_share=0)


@given(numbers_of, weights_of, st.integers(1, 100_000))
def test_the_pool_rises_with_each_of_its_models(numbers, weights, more):
    raised = numbers | {"a": min(1_000_000, numbers["a"] + more)}
    assert pool(raised, weights, least_share=0).probability >= pool(numbers, weights, least_share=0).probability


def test_a_known_case_by_hand():
    # logit(0.8) = ln 4, logit(0.5) = 0: half of ln 4 is ln 2, which is 2/3.
    assert pool({"a": 800_000, "b": 500_000}, {"a": 1, "b": 1}, least_share=0) == Pooled(
        666_667, (Part("a", 800_000, 500_000), Part("b", 500_000, 500_000))
    )


def test_certainty_is_clipped_at_the_stated_bound():
    assert pool({"a": 1_000_000}, {"a": 1}, least_share=0).probability == 1_000_000 - CLIP
    assert pool({"a": 0}, {"a": 1}, least_share=0).probability == CLIP


def test_too_little_of_the_weight_is_a_refusal_and_exactly_enough_is_not():
    weights = {"a": 600_000, "b": 400_000}
    assert pool({"a": 500_000}, weights, least_share=600_001) == Refusal("modelWeight", "0.6", "at least 0.600001")
    assert pool({"a": 500_000}, weights, least_share=600_000) == Pooled(500_000, (Part("a", 500_000, 1_000_000),))
    assert pool({}, weights, least_share=0) == Refusal("modelWeight", "0", "at least 0")
    assert isinstance(pool({"a": 5}, {"a": 0, "b": 1}, least_share=0), Refusal)


@pytest.mark.parametrize(
    ("numbers", "weights", "message"),
    [
        ({"a": 1}, {}, "weights: "),
        ({"a": 1}, {"a": 0}, "weights: "),
        ({"a": 1}, {"a": 2, "b": -1}, "weights: "),
        ({"x": 1}, {"a": 1}, "x: has no weight; weighted models: a"),
        ({"a": 1_000_001}, {"a": 1}, "a: 1000001 is not a probability"),
        ({"a": -1}, {"a": 1}, "a: -1 is not a probability"),
    ],
)
def test_malformed_pools_say_what_is_wrong(numbers, weights, message):
    with pytest.raises(ValueError, match=message):
        pool(numbers, weights, least_share=0)
