"""The way from a signal to an order, as stages, and the rules that may end it at each.

What a decision asks, in its order, then what the gate asks: names as in TradingStrategy and RiskPolicy.
"""

from __future__ import annotations

from typing import Final, Literal

Stage = Literal["fair", "edge", "size"]

DECISION_STAGES: Final[dict[Stage, tuple[str, ...]]] = {
    "fair": ("feed", "marketStatus", "gameStatus", "models"),
    "edge": ("minPrice", "maxPrice", "maxSpread", "minLiquidityContracts", "minEdge"),
    "size": ("latch", "risk", "executorBacklog", "orderOutstanding", "opposite", "kelly", "minPositionDollars"),
}
"""Stage -> the rules that a decision must pass to have reached it."""

DECISION_RULES: Final[tuple[str, ...]] = tuple(rule for rules in DECISION_STAGES.values() for rule in rules)
"""In the order in which they are asked."""

EXCHANGE: Final = "exchange"
"""The rule of an order that the exchange itself refused; the value is its word for it."""


def stage_of(rule: str) -> Stage:
    """The stage that a decision refused by `rule` did not reach; a rule without a stage is asked last."""
    return next((stage for stage, rules in DECISION_STAGES.items() if rule in rules), "size")
