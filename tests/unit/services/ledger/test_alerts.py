from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import pytest

from services.ledger.alerts import LATE_MS, Standing, Who, before, not_confirmed, of_event
from trading_logic.contracts.messages import RiskEvent
from trading_logic.contracts.record import Cause, HaltState

WHO = Who("house", "trading", "Paper", "Simulator")
BREACH = Cause("drawdown-1", "Drawdown", "maxDrawdown crossed", "ledger", 5, "maxDrawdown", "0.26", "0.25")
MANUAL = Cause("manual", "Manual", "lunch", "ledger", 9)
AT = Standing({"manual": MANUAL, "drawdown-1": BREACH}, 4)


def event(kind: str, cause: Cause = BREACH) -> RiskEvent:
    return RiskEvent(kind, cause.source, cause.rule, cause.value, cause.limit, cause.reason, 7, 1_758_000_000_123)  # type: ignore[arg-type]  # the table's words


def halt(state: str, since_ms: int) -> HaltState:
    return HaltState(7, since_ms, 3, state, 0, "3 orders rest")  # type: ignore[arg-type]  # the table's words


def test_a_halt_says_all_that_is_needed_to_act_on_it() -> None:
    alert = of_event("17-0", event("latched"), WHO, AT)
    assert alert is not None
    body = msgspec.json.decode(msgspec.json.encode(alert))
    cause = {
        "source": "Drawdown",
        "reason": "maxDrawdown crossed",
        "rule": "maxDrawdown",
        "value": "0.26",
        "limit": "0.25",
    }
    text = body.pop("text")
    assert body == {
        "id": "17-0",
        "event": "Halt",
        "policy": "house",
        "namespace": "trading",
        "mode": "Paper",
        "environment": "Simulator",
        "epoch": 7,
        "time": "2025-09-16T05:20:00.123+00:00",
        "cause": cause,
        "causes": [cause, {"source": "Manual", "reason": "lunch", "rule": "", "value": "", "limit": ""}],
        "restingOrders": 4,
    }
    assert datetime.fromisoformat(body["time"]).utcoffset() == timedelta(0)
    for part in ("house", "Paper", "Drawdown", "0.26", "limit 0.25", "4 orders rest"):
        assert part in text


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("latched", "Halt"), ("halted", "HaltConfirmed"), ("resumed", "Resume")]
    + [(kind, None) for kind in ("rebased", "pending-venue", "gap", "booked", "settled", "day", "breach")],
)
def test_nobody_is_woken_for_what_is_no_halt(kind: str, expected: str | None) -> None:
    alert = of_event("1-0", event(kind), WHO, AT)
    assert (alert and alert.event) == expected


def test_a_resume_says_what_still_halts() -> None:
    left = of_event("1-0", event("resumed"), WHO, Standing({"manual": MANUAL}, None))
    free = of_event("1-0", event("resumed"), WHO, Standing({}, 0))
    assert left is not None
    assert free is not None
    assert left.text.endswith("still halted by Manual")
    assert left.resting_orders is None
    assert free.text.endswith("trading is allowed again")


@pytest.mark.parametrize(
    ("found", "now", "told"),
    [
        (None, 99_999, False),
        (halt("confirmed", 0), 99_999, False),
        (halt("draining", 1_000), 1_000 + LATE_MS - 1, False),
        (halt("draining", 1_000), 1_000 + LATE_MS, True),
        (halt("pending-venue", 1_000), 6_000, True),
    ],
)
def test_a_halt_is_late_when_it_drains_for_long_or_the_exchange_is_away(
    found: HaltState | None, now: int, told: bool
) -> None:
    alert = not_confirmed(found, now, WHO, AT)
    assert (alert is not None) is told
    if alert is not None:
        assert (alert.id, alert.event, alert.cause and alert.cause.source) == (
            "not-confirmed-7",
            "HaltNotConfirmed",
            "Drawdown",
        )
        assert "3 orders rest" in alert.text


def test_the_id_before_an_entry() -> None:
    assert before("17-4") == "17-3"
    assert before("17-0") == "16-18446744073709551615"
