"""Typed mirrors of the two custom resources, v1alpha1: parse, bound, default, nothing else."""

from touchline_operator.api.parse import Problem, parse_policy, parse_strategy
from touchline_operator.api.policy import RiskPolicy, RiskPolicySpec
from touchline_operator.api.strategy import TradingStrategy, TradingStrategySpec

__all__ = [
    "Problem",
    "RiskPolicy",
    "RiskPolicySpec",
    "TradingStrategy",
    "TradingStrategySpec",
    "parse_policy",
    "parse_strategy",
]
