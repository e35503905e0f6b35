"""The script's own time: paused, stepped, at another pace."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.simulator.world.schedule import Schedule


def recorder(schedule, when):
    seen = []
    for at in when:
        schedule.at(at, lambda now, at=at: seen.append((at, now)))
    return seen


def test_due_actions_run_in_order_at_their_own_time():
    schedule = Schedule()
    seen = recorder(schedule, [30, 10, 20, 10])
    schedule.run(25)
    assert seen == [(10, 10), (10, 10), (20, 20)]
    assert schedule.next_ms() == 30


def test_a_pause_moves_everything_later():
    schedule = Schedule()
    seen = recorder(schedule, [100, 200])
    schedule.set_pace(50, paused=True)
    schedule.run(1_000)
    assert (seen, schedule.next_ms()) == ([], None)
    schedule.step(1_000, 60)
    assert seen == [(100, 1_000)]
    schedule.set_pace(2_000, paused=False)
    assert schedule.next_ms() == 2_090
    schedule.run(2_090)
    assert seen == [(100, 1_000), (200, 2_090)]


def test_only_a_paused_script_is_stepped_and_paces_are_bounded():
    schedule = Schedule()
    with pytest.raises(ValueError, match="not paused"):
        schedule.step(0, 1)
    for pace in (0.0, -1.0, 1e6):
        with pytest.raises(ValueError, match="pace"):
            schedule.set_pace(0, pace=pace)


@given(
    st.lists(
        st.tuples(st.integers(0, 500), st.sampled_from([0.25, 0.5, 1.0, 2.0, 10.0, None, "pause", "go"])), max_size=12
    ),
    st.lists(st.integers(1, 2_000), min_size=1, max_size=8),
)
def test_script_time_never_goes_back_and_nothing_is_done_twice_or_early(changes, due):
    schedule = Schedule()
    seen = []
    for at in due:
        schedule.at_script(at, lambda now, at=at: seen.append((at, now, schedule.script_ms)))
    wall, before = 0, 0
    for passed, change in changes:
        wall += passed
        if change in {"pause", "go"}:
            schedule.set_pace(wall, paused=change == "pause")
        elif change is None:
            schedule.run(wall)
        else:
            schedule.set_pace(wall, pace=change)
        assert schedule.script_ms >= before
        before = schedule.script_ms
        assert all(at <= before for at, _, _ in seen)
    schedule.set_pace(wall, pace=10.0, paused=False)
    schedule.run(wall + 10_000)
    assert sorted(at for at, _, _ in seen) == sorted(due)
    assert [at for at, _, _ in seen] == sorted(due)
    assert all(at == script for at, _, script in seen)
    walls = [now for _, now, _ in seen]
    assert walls == sorted(walls)
