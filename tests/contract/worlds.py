"""Statuses as the writer makes them, of worlds that between them show every field."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.fakes.resources import OTHER_EVENT, policy, strategy
from touchline_operator.decide.status import Observed, policy_status, strategy_status
from touchline_operator.desired.platform import Platform
from touchline_operator.desired.world import Followed, PolicyFacts, World
from touchline_operator.reconcile.gather import policy_of, strategy_of
from trading_logic.contracts.record import Cause, HaltState, PositionRecord

PLATFORM = Platform(namespace="default", bus_url="redis://bus:6379/0", record_url="redis://record:6379/0", endpoints={})
RISK = {
    "equity": "987654321",
    "day_start": "1000000000",
    "drawdown_ppm": "123456",
    "daily_loss_ppm": "12345",
    "started_equity": "1000000000",
    "fees": "70000",
    "resting": "3",
    "updated_ms": "1000",
}
POSITION = PositionRecord(f"{OTHER_EVENT}-BUF", "game", "sunday", -1250, 5_000_000, -70_000, 20_000, 4_000_000, 1_000)
BREACH = Cause("drawdown-7", "Drawdown", "maxDrawdown crossed", "house-ledger", 7, "maxDrawdown", "26.0%", "25.0%")
MANUAL = Cause("manual", "Manual", "x" * 512, "spec.halt", 9)


def _facts() -> list[PolicyFacts | None]:
    quiet = PolicyFacts(epoch=1, risk=RISK, positions=(POSITION,))
    halted = replace(quiet, causes=(MANUAL, BREACH), epoch=2)
    states = [
        HaltState(2, 7, -1, "draining", 0, ""),
        HaltState(2, 7, 4, "pending-venue", 0, "the exchange does not answer"),
        HaltState(2, 7, 0, "confirmed", 9_000, ""),
    ]
    return [None, PolicyFacts(), quiet, halted, *(replace(halted, halt=state) for state in states)]


def statuses(kind: str) -> list[dict[str, Any]]:
    """Every status of one kind that these worlds lead to."""
    out = []
    meta = {"uid": "u", "generation": 3, "creationTimestamp": "2026-09-01T10:00:00Z"}
    for facts in _facts():
        for bad in (False, True):
            house, sunday = policy(), strategy()
            for raw in (house, sunday):
                raw["metadata"] |= meta
                if bad:
                    raw["spec"]["mode"] = "neither"
            followed = {"sunday": (Followed("KXNBAGAME-26NOV23LALBOS", "KXNBAGAME"),)}
            world = World(
                (strategy_of(sunday),), (policy_of(house),), {"house": facts} if facts else {}, followed=followed
            )
            observed = Observed((), {}, {}, 20_000)
            if kind == "TradingStrategy":
                out.append(strategy_status(world, world.strategies[0], observed, PLATFORM))
            else:
                out.append(policy_status(world, world.policies[0], observed, 0))
    return out
