from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchline_operator.decide.halt import halt_status
from touchline_operator.decide.mirror import behind, mirror_of, to_assert
from touchline_operator.desired.world import PolicyFacts
from trading_logic.contracts.record import Cause

CAUSE = Cause(
    id="drawdown-1",
    source="Drawdown",
    reason="deep",
    by="ledger",
    time_ms=1_700_000_000_000,
    rule="r",
    value="v",
    limit="l",
)


def facts(incarnation: str = "a", epoch: int = 3, seq: int = 9, causes: tuple[Cause, ...] = ()) -> PolicyFacts:
    return PolicyFacts(causes=causes, epoch=epoch, incarnation=incarnation, risk={"seq": str(seq)})


def status(known: PolicyFacts) -> dict:
    halt = halt_status(known)
    return {"record": mirror_of(known)} | ({"halt": halt} if halt else {})


def test_a_record_as_far_as_its_mirror_or_farther_is_not_behind() -> None:
    known = status(facts(causes=(CAUSE,)))
    for now in (facts(), facts(epoch=4), facts(seq=10)):
        assert behind(known, now) == ""
        # A cause that the ledger took away stays away.
        assert to_assert(known, now, 5) == ()


def test_a_policy_that_was_never_mirrored_is_not_behind() -> None:
    assert behind({}, facts("", 0, 0)) == ""
    assert behind(status(facts("", 0, 0)), facts()) == ""


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (facts("b"), "incarnation was a, now b"),
        (facts("", 0, 0), "incarnation was a, now absent"),
        (facts(epoch=2), "epoch was 3, now 2"),
        (facts(seq=8), "sequence was 9, now 8"),
    ],
)
def test_a_record_behind_its_mirror_gets_back_what_it_lost(now: PolicyFacts, why: str) -> None:
    known = status(facts(causes=(CAUSE,)))
    assert why in behind(known, now)
    lost, changed = to_assert(known, now, 5)
    assert lost == CAUSE
    assert (changed.source, changed.time_ms) == ("RedisChanged", 5)


def test_the_same_loss_has_one_name_however_often_it_is_seen() -> None:
    known = status(facts())
    assert to_assert(known, facts("b"), 1)[0].id == to_assert(known, facts("b"), 2)[0].id == "redis-changed-b"
    assert to_assert(known, facts("", 0, 0), 1)[0].id == "redis-changed-empty"
    assert to_assert(known, facts(seq=8), 1)[0].id != to_assert(known, facts("b"), 1)[0].id


@given(
    st.integers(0, 5),
    st.integers(0, 5),
    st.integers(0, 5),
    st.integers(0, 5),
    st.sampled_from("ab"),
    st.sampled_from("ab"),
)
def test_once_mirrored_again_nothing_is_behind(e1, s1, e2, s2, i1, i2) -> None:
    known, now = facts(i1, e1, s1), facts(i2, e2, s2)
    assert bool(behind(status(known), now)) == (i1 != i2 or e2 < e1 or s2 < s1)
    assert behind(status(now), now) == ""
