from __future__ import annotations

from services.runtime.health import Status


def test_what_was_not_looked_at_is_not_ready_and_tells_nothing_before_what_is_wrong() -> None:
    status = Status()
    status.expect("grant", "no trading lease yet")
    status.clear("start")
    assert not status.ready
    assert status.first() == ("Starting", "no trading lease yet")
    status.fault("lease", "AnotherLedger", "held by another")
    assert status.first() == ("AnotherLedger", "held by another")
    status.clear("lease")
    status.clear("grant")
    assert status.ready


def test_a_fault_that_was_expected_away_is_one_fault() -> None:
    status = Status()
    status.clear("start")
    status.expect("bus", "not asked yet")
    assert (status.ready, status.faults()) == (False, ())
    status.fault("bus", "BusUnavailable", "refused")
    assert status.first() == ("BusUnavailable", "refused")
    assert len(status.faults()) == 1
    status.clear("bus")
    assert status.ready
