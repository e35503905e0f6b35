from __future__ import annotations

import msgspec

from services.ledger.halt import ExecutorView, Halt
from trading_logic.contracts.record import OrderGroupRecord

OPEN = OrderGroupRecord(epoch=1, term=1, exchange_index=0, state="open")
MARKED = OrderGroupRecord(epoch=1, term=1, exchange_index=0, state="triggered")
GONE = OrderGroupRecord(epoch=1, term=1, exchange_index=0, state="deleted")
ACKED = ExecutorView(acked_epoch=2, in_flight=0, has_lease=True)
BUSY = ExecutorView(acked_epoch=2, in_flight=1, has_lease=True)
OLD = ExecutorView(acked_epoch=1, in_flight=0, has_lease=True)
DEAD = ExecutorView(acked_epoch=1, in_flight=3, has_lease=False)
WALL = 1_000_000


def halt() -> Halt:
    return Halt(2, 0, WALL)


def state(of: Halt, now: int) -> str:
    return of.state(now, WALL + now).state


def test_groups_are_triggered_whatever_the_executors_say_and_marked_ones_too() -> None:
    found = halt()
    assert found.to_trigger({"a": OPEN, "b": MARKED, "c": GONE}) == ["a", "b"]
    found.triggered("a", 1)
    assert found.to_trigger({"a": MARKED, "b": MARKED}) == ["b"]
    found.triggered("b", 2)
    assert found.to_trigger({"a": MARKED, "b": MARKED}) == []
    assert found.to_trigger({"a": MARKED, "b": MARKED, "late": OPEN}) == ["late"]


def test_a_group_of_the_time_after_the_resume_is_left_alone() -> None:
    found = halt()
    assert found.to_trigger({"late": OPEN, "next": msgspec.structs.replace(OPEN, epoch=3)}) == ["late"]


def test_a_trigger_that_the_exchange_refuses_is_told_and_never_confirmed() -> None:
    found = halt()
    found.to_trigger({"g": OPEN})
    found.not_triggered("g", "400 bad_request: no")
    found.reading(0, 100)
    assert state(found, 100) == "draining"
    found.reading(0, 5_100)
    told = found.state(5_100, WALL)
    assert (told.state, "order group g is not triggered: 400 bad_request: no" in told.message) == (
        "pending-venue",
        True,
    )
    found.triggered("g", 6_000)
    assert found.to_trigger({"g": MARKED}) == []
    found.executors({}, 6_000)
    found.reading(0, 6_100)
    found.reading(0, 7_200)
    assert state(found, 7_200) == "confirmed"


def test_two_zeros_a_second_apart_and_every_executor() -> None:
    found = halt()
    found.to_trigger({})
    found.executors({"s": ACKED}, 10)
    found.reading(0, 100)
    assert state(found, 100) == "draining"
    found.reading(0, 1_099)
    assert state(found, 1_099) == "draining"
    found.reading(0, 1_100)
    assert state(found, 1_100) == "confirmed"
    assert found.state(9_000, WALL).confirmed_ms == WALL + 1_100


def test_something_resting_begins_the_zeros_anew() -> None:
    found = halt()
    found.to_trigger({})
    found.executors({}, 0)
    found.reading(0, 100)
    found.reading(2, 600)
    assert found.state(600, WALL).resting == 2
    found.reading(0, 1_200)
    assert state(found, 1_200) == "draining"
    found.reading(0, 2_200)
    assert state(found, 2_200) == "confirmed"


def test_zeros_before_the_groups_are_fenced_do_not_count() -> None:
    found = halt()
    found.to_trigger({"a": OPEN})
    found.executors({}, 0)
    found.reading(0, 100)
    found.reading(0, 1_200)
    assert state(found, 1_200) == "draining"
    found.triggered("a", 1_300)
    found.to_trigger({"a": MARKED})
    found.reading(0, 1_400)
    found.reading(0, 2_400)
    assert state(found, 2_400) == "confirmed"


def test_an_executor_in_mid_request_is_waited_for_and_a_reading_follows_it() -> None:
    found = halt()
    found.to_trigger({})
    for at in (0, 1_000, 2_000):
        found.executors({"s": BUSY}, at)
        found.reading(0, at)
    assert found.state(2_000, WALL).message == "waiting for executors: s"
    found.executors({"s": OLD}, 2_100)
    assert state(found, 2_100) == "draining"
    found.executors({"s": ACKED}, 2_200)
    assert state(found, 2_200) == "draining"  # nothing was read since it settled
    found.reading(0, 2_300)
    assert state(found, 2_300) == "confirmed"


def test_a_dead_executor_is_waited_for_as_long_as_its_request_can_live() -> None:
    found = halt()
    found.to_trigger({})
    for at in range(0, 6_000, 500):
        found.executors({"s": DEAD}, at)
        found.reading(0, at)
        assert state(found, at) == "draining"
    found.executors({"s": DEAD}, 6_000)
    found.reading(0, 6_000)
    assert state(found, 6_000) == "confirmed"


def test_an_executor_that_comes_back_starts_its_time_again() -> None:
    found = halt()
    found.to_trigger({})
    found.executors({"s": DEAD}, 0)
    found.executors({"s": OLD}, 5_000)
    found.executors({"s": DEAD}, 6_000)
    found.reading(0, 6_000)
    found.reading(0, 7_000)
    assert state(found, 7_000) == "draining"


def test_an_exchange_that_does_not_answer_is_said_and_the_halt_goes_on() -> None:
    found = halt()
    found.to_trigger({"a": OPEN})
    assert state(found, 5_000) == "draining"
    assert state(found, 5_001) == "pending-venue"
    found.triggered("a", 6_000)
    found.to_trigger({"a": MARKED})
    found.executors({}, 6_000)
    found.reading(0, 6_100)
    found.reading(0, 7_100)
    assert state(found, 7_100) == "confirmed"


def test_confirmed_stays_confirmed_through_a_restart() -> None:
    found = Halt(2, 0, WALL, confirmed_wall_ms=WALL + 5)
    assert found.state(60_000, WALL + 60_000).confirmed_ms == WALL + 5
