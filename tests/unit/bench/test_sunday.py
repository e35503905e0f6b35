from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bench import sunday
from bench.rig import ROOT, RigError
from bench.sunday import Lags, judge
from services.decision.decide import decide
from tests.unit.services.decision.conftest import Scene
from touchline_operator.api.files import read_files
from trading_logic.contracts import codec

SUMMARY: dict[str, Any] = {
    "resident_mb": {"up": 200.0, "simulator": 150.0, "house-ledger": 70.0, "a-decision": 55.0},
    "frames": 750, "decisions": 150, "orders": 3, "venue_accepted_orders": 3,
}  # fmt: skip


def lags(markets: int = 16, late: int = 40) -> Lags:
    decision, _ = decide(Scene().asked())
    made = [
        msgspec.structs.replace(decision, market=f"M{n}", decided_ms=decision.received_ms + late)
        for n in range(markets)
    ]
    found = Lags()
    found.add([codec.encode_batch(made)])
    return found


def test_a_sunday_is_lag_and_memory():
    part = judge(SUMMARY, lags(), 75)
    figures = {figure.name: figure.value for figure in part.figures}
    assert figures["decision lag p99"] == 40
    assert figures["largest of 2 service processes (house-ledger)"] == 70.0
    assert figures["frames"] == 10
    assert not part.failed
    assert part.required["Sunday, four games: decision lag p99"] == ("≤ 100 ms", "40.00 ms on 16 markets")


@pytest.mark.parametrize(
    ("change", "markets", "lost", "doubled", "faults"),
    [({"orders": 4}, 16, 1, 0, 0), ({"orders": 2}, 16, 0, 1, 0), ({}, 15, 0, 0, 1)],
)
def test_orders_that_differ_and_a_small_sunday_fail(change, markets, lost, doubled, faults):
    part = judge(SUMMARY | change, lags(markets), 75)
    assert (part.lost, part.doubled, len(part.faults), part.failed) == (lost, doubled, faults, True)


def test_no_decision_is_no_figure():
    with pytest.raises(RigError, match="no decision"):
        judge(SUMMARY, Lags(), 75)


def test_the_samples_are_the_policy_and_strategies_that_are_watched():
    found = read_files([ROOT / "manifests" / "samples" / f"{name}.yaml" for name in sunday.SAMPLES])
    named = {(r.key[0], r.key[1]) for r in found}
    assert named == {("RiskPolicy", sunday.POLICY), *(("TradingStrategy", name) for name in sunday.STRATEGIES)}
