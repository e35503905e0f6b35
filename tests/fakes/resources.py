"""Plain resources for tests: valid, small, changed by keyword."""

from __future__ import annotations

import copy
from typing import Any

EVENT = "KXNFLGAME-25SEP04DALPHI"
OTHER_EVENT = "KXNFLGAME-25SEP07BALBUF"


def policy(name: str = "house", **spec: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "mode": "Paper",
        "exchange": {"environment": "Simulator"},
        "maxDrawdown": "0.25",
        "maxDailyLoss": "0.20",
    }
    return _resource("RiskPolicy", name, base | spec)


def strategy(name: str = "sunday", event: str = EVENT, **spec: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "mode": "Paper",
        "riskPolicyRef": {"name": "house"},
        "markets": [{"name": "game", "event": event}],
        "sources": [{"name": "game", "plugin": "kalshi-live-data"}],
        "analyst": {"models": [{"name": "game-state", "weight": "1"}]},
        "entry": {"orderStyle": "Take", "minEdge": "0.03"},
        "exit": {"stopLoss": "0.10", "takeProfit": "0.15"},
    }
    return _resource("TradingStrategy", name, base | spec)


def _resource(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return copy.deepcopy({
        "apiVersion": "touchline.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec,
    })  # fmt: skip
