import re
from itertools import product
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_logic.contracts.messages import TERMINAL_ORDER_STATES, OrderState
from trading_logic.orders import (
    STEPS,
    IllegalStepError,
    client_order_id,
    intent_id,
    intent_of,
    signal_id,
    states_before,
    step,
    strategy_tag,
)

texts = st.text(max_size=20)
states = st.sampled_from(get_args(OrderState))
ALLOWED = re.compile(r"[-\w:+=/]{1,64}", re.ASCII)


@given(st.tuples(texts, texts, texts), st.tuples(texts, texts, texts))
def test_different_wishes_have_different_ids_and_equal_ones_the_same(one, other):
    assert (intent_id(*one) == intent_id(*other)) == (one == other)


@given(texts, texts, texts)
def test_moving_text_between_fields_changes_the_id(a, b, c):
    if b:
        assert intent_id(a + b, c, "") != intent_id(a, b + c, "")
    assert intent_id(a, b, "x") != intent_id(a, b + "x", "")


@given(st.tuples(texts, st.integers(0), st.integers(0), texts), st.tuples(texts, st.integers(0), st.integers(0), texts))
def test_signals_are_told_apart_by_session_subscription_frame_and_market(one, other):
    assert (signal_id(*one) == signal_id(*other)) == (one == other)


def test_ids_are_the_same_in_every_process():
    assert intent_id("uid", "signal", "enter:yes") == intent_id("uid", "signal", "enter:yes")
    assert signal_id("s", 1, 2, "M") == "f326c4fc2846c55df7edc2ec5ac1a7e1"
    assert intent_id("uid", "signal", "enter:yes") == "bcbb929442ea9d61967ace3ae950c3f9"
    assert strategy_tag("uid") == "76f445bd7cadcfc3-"


@given(texts, texts, texts)
def test_a_client_order_id_fits_the_exchange_and_leads_back_to_its_intent(uid, signal, action):
    intent = intent_id(uid, signal, action)
    made = client_order_id(uid, intent)
    assert ALLOWED.fullmatch(made)
    assert made.startswith(strategy_tag(uid))
    assert intent_of(made) == intent


@given(texts, texts)
def test_strategies_have_different_tags(one, other):
    assert (strategy_tag(one) == strategy_tag(other)) == (one == other)


@pytest.mark.parametrize("bad", ["", "abc", "g" * 32, "A" * 32, "a" * 33, "a" * 31 + "\n"])
def test_only_real_intents_make_client_order_ids(bad):
    with pytest.raises(ValueError, match="intent id: "):
        client_order_id("uid", bad)


@pytest.mark.parametrize(
    "foreign", ["", "-", "mine", "a" * 16 + "-", "a" * 15 + "-" + "a" * 32, "a" * 16 + "_" + "a" * 32]
)
def test_a_foreign_client_order_id_is_not_ours(foreign):
    with pytest.raises(ValueError, match="is not one of ours"):
        intent_of(foreign)


@pytest.mark.parametrize(("before", "after"), list(product([None, *get_args(OrderState)], get_args(OrderState))))
def test_every_step_is_taken_or_refused_by_name(before, after):
    if after in STEPS[before]:
        assert step(before, after) == after
        assert before is None or before in states_before(after)
    else:
        with pytest.raises(IllegalStepError, match=f"{before or 'new'} -> {after} is not allowed; allowed: "):
            step(before, after)
        assert before not in states_before(after)


@given(st.lists(states, max_size=12))
def test_whatever_is_tried_an_order_begins_at_the_gate_ends_once_and_is_never_claimed_again(tries):
    life = [None]
    for wanted in tries:
        try:
            life.append(step(life[-1], wanted))
        except IllegalStepError:
            continue
    lived = life[1:]
    assert not lived or lived[0] in {"claimed", "dropped"}
    assert "claimed" not in lived[1:]
    assert all(state not in TERMINAL_ORDER_STATES for state in lived[:-1])
    if "resting" in lived:
        # The exchange has it: it can no longer be unknown, refused or never sent.
        assert set(lived[lived.index("resting") :]) <= {"resting", "executed", "canceled"}


def test_every_state_can_be_reached_and_every_open_one_can_end():
    assert set().union(*STEPS.values()) == set(get_args(OrderState))
    assert set(STEPS) == {None, *get_args(OrderState)}
    assert all(
        bool(after & TERMINAL_ORDER_STATES) != (state in TERMINAL_ORDER_STATES) for state, after in STEPS.items()
    )
