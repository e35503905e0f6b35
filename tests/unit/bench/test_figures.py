"""What the bench says of its numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.books import missed, order_account
from bench.engine import packed, rate_of_csv
from bench.figures import Arrival, Figure, Part, check_sequence, median, number, percentile, render
from bench.whole import judge
from trading_logic.contracts.messages import Decision


@given(st.lists(st.integers(0, 1000), min_size=1), st.integers(1, 100))
def test_a_percentile_is_the_least_value_that_enough_do_not_exceed(values: list[int], percent: int) -> None:
    found = percentile(values, percent / 100)
    need = percent / 100 * len(values) - 1e-9
    assert sum(value <= found for value in values) >= need
    assert all(sum(value <= lower for value in values) < need for lower in set(values) if lower < found)


def test_percentile_and_median_of_known_values() -> None:
    assert percentile(list(range(1, 101)), 0.99) == 99
    assert percentile([7], 0.5) == 7
    assert median([3, 1, 2]) == 2
    assert median([4, 1, 2, 3]) == 2.5
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)
    with pytest.raises(ValueError, match="allowed: above 0 to 1"):
        percentile([1], 0.0)


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        ([1, 2, 3], Arrival(0, 0, 0)),
        ([1, 3], Arrival(1, 0, 0)),
        ([1, 2, 2, 3], Arrival(0, 1, 0)),
        ([1, 3, 2], Arrival(0, 0, 1)),
        ([1, 2, 3, 9], Arrival(0, 1, 0)),
        ([], Arrival(3, 0, 0)),
    ],
)
def test_lost_doubled_and_disordered_frames_are_told_apart(seen: list[int], said: Arrival) -> None:
    assert check_sequence(1, 3, seen) == said


def test_every_intent_is_claimed_and_sent_or_dropped_by_a_named_rule() -> None:
    before = {"intents": 5, "claimed": 5}
    after = {"intents": 15, "claimed": 12, "dropped:intentAge": 3, "refused": 1}
    assert order_account(before, after, written=10, posts=6) == (0, "3 dropped by intentAge, 1 not sent")
    assert order_account(before, after, written=11, posts=6)[0] == 1
    assert order_account(before, after, written=10, posts=5)[0] == 1
    assert order_account({}, {"claimed": 2}, written=2, posts=2) == (0, "all claimed and sent")


def _decision(rule: str, edge: int | None, verdict: str = "refused") -> Decision:
    return Decision(
        id="d", signal_id="s", strategy="bench", event="e", market="m", verdict=verdict, rule=rule, value="", limit="",
        side="yes", fair_ppm=500_000, parts=(), price=4_000, edge=edge, count=0, received_ms=1, decided_ms=1, trace="",
    )  # fmt: skip


def test_only_edges_worth_taking_count_as_missed() -> None:
    found = [
        _decision("orderOutstanding", 800),
        _decision("feed", None),
        _decision("maxSpread", 100),
        _decision("", 800, "trade"),
        _decision("minEdge", 900, "pass"),
    ]
    assert missed(found, 200) == {"orderOutstanding": 1}


def test_a_command_is_packed_as_the_server_reads_it() -> None:
    assert packed(b"SET", b"k", b"\r\n") == b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\n\r\n\r\n"


def test_the_rate_of_the_engine_s_own_tool() -> None:
    text = '"test","rps","avg_latency_ms"\n"XADD bench:engine","395256.91","0.232"\n'
    assert rate_of_csv(text) == 395_256.91


def test_a_part_with_anything_lost_says_so_and_fails() -> None:
    part = Part("flood", [Figure("rate", 12_345.6, "/s", 0.25, "of the engine", "≥ 10,000")], lost=2)
    assert part.failed
    text = render(part)
    assert "12,346 /s" in text
    assert "0.25 of the engine" in text
    assert "LOST 2  DOUBLED 0" in text
    assert not Part("clean").failed
    assert Part("broken", faults=["books differ"]).failed


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (0.01234, "0.0123"), (3.14159, "3.14"), (12_345.6, "12,346")])
def test_three_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_the_summary_of_up_is_judged() -> None:
    summary = {
        "resident_mb": {"up": 60.0, "ingest-a": 81.0, "ledger-house": 84.5, "bus-redis": 9.0},
        "seconds_to_first_decision": 6.5,
        "orders": 3,
        "venue_accepted_orders": 4,
    }
    part = judge(summary)
    assert part.figures[0].value == 84.5
    assert part.figures[1].value == 234.5
    assert (part.lost, part.doubled) == (0, 1)
    assert judge({**summary, "seconds_to_first_decision": None, "orders": 4}).faults == ["no decision at all"]
