from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchline_operator.decide.conditions import State, conditions, rfc3339
from touchline_operator.decide.money import BadRiskError, dollars, figures, percent
from touchline_operator.names import POLICY_CONDITIONS, Condition

STATES = st.sampled_from(["True", "False", "Unknown"])


@given(st.lists(STATES, min_size=1, max_size=8))
def test_the_time_moves_only_when_the_status_flips(history):
    before, last, since = [], None, 0
    for turn, status in enumerate(history):
        now = turn * 5_000
        if status != last:
            last, since = status, now
        before = conditions(
            before, [State(Condition.HALTED, status, "Reason", f"turn {turn}")], POLICY_CONDITIONS, turn + 1, now
        )
        halted = next(c for c in before if c["type"] == "Halted")
        assert halted["lastTransitionTime"] == rfc3339(since)
        assert halted["observedGeneration"] == turn + 1
        assert halted["message"] == f"turn {turn}"


def test_the_first_sight_shows_every_condition_in_a_fixed_order():
    made = conditions([], [State(Condition.BREACHED, "False", "WithinLimits")], POLICY_CONDITIONS, 1, 0)
    assert [c["type"] for c in made] == ["Ready", "Halted", "Breached", "DataFresh"]
    assert [c["status"] for c in made] == ["Unknown", "Unknown", "False", "Unknown"]
    assert all(c["reason"] for c in made)


def test_figures_are_all_there_or_not_at_all():
    assert figures({}) is None
    with pytest.raises(BadRiskError, match=r"risk.day_start: missing"):
        figures({"equity": "1"})
    names = ("equity", "day_start", "drawdown_ppm", "daily_loss_ppm", "started_equity", "fees", "resting", "updated_ms")
    row = dict.fromkeys(names, "5") | {"equity": "12340000", "day_start": "12000000", "reconciled": "1"}
    found = figures(row)
    assert found is not None
    assert (found.today, found.reconciled, dollars(found.today), percent(123_456)) == (340_000, True, "0.34", "12.3%")
    with pytest.raises(BadRiskError, match=r"risk.fees: '1.5'"):
        figures(row | {"fees": "1.5"})
