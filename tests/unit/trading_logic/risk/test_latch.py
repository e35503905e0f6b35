from hypothesis import given
from hypothesis import strategies as st

from trading_logic.contracts.record import Cause
from trading_logic.risk.latch import Latch

ids = st.sampled_from(["manual", "a", "b", "c"])
steps = st.lists(st.tuples(st.sampled_from(["add", "remove"]), ids), max_size=40)


def cause(cause_id, reason="because"):
    return Cause(cause_id, "Manual", reason, "someone", 1)


def after(latch, step):
    op, cause_id = step
    return latch.add(cause(cause_id)) if op == "add" else latch.remove(cause_id)


@given(steps)
def test_whatever_the_history_a_cause_means_halted_and_the_epoch_tells_both_sides_apart(history):
    latch, known = Latch(), set()
    for step in history:
        before, was_halted = latch, bool(known)
        latch = after(latch, step)
        known = known | {step[1]} if step[0] == "add" else known - {step[1]}
        assert latch.halted == bool(known)
        assert latch.ids == tuple(sorted(known))
        assert latch.epoch == before.epoch + (bool(known) != was_halted)


@given(steps, ids)
def test_adding_twice_is_adding_once_and_the_first_word_stands(history, cause_id):
    latch = Latch()
    for step in history:
        latch = after(latch, step)
    once = latch.add(cause(cause_id, "first"))
    assert once.add(cause(cause_id, "second")) is once
    assert latch.remove("never added") is latch


@given(steps, steps)
def test_no_epoch_is_seen_both_halted_and_trading(history, more):
    latch, seen = Latch(), {0: False}
    for step in history + more:
        latch = after(latch, step)
        assert seen.setdefault(latch.epoch, latch.halted) == latch.halted


def test_one_of_two_causes_going_leaves_the_halt():
    latch = Latch().add(cause("a")).add(cause("b"))
    assert latch.epoch == 1
    assert latch.remove("a").halted
    assert latch.remove("a").epoch == 1
    assert latch.remove("a").remove("b") == Latch((), 2)
