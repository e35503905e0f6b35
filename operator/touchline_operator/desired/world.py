"""What the pure core sees: one consistent picture of one namespace, gathered before anything is decided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from touchline_operator.api import Problem, RiskPolicy, TradingStrategy
from touchline_operator.api.strategy import event_of
from trading_logic.contracts.messages import Fault
from trading_logic.contracts.record import Cause, HaltState, PositionRecord


@dataclass(frozen=True, slots=True)
class Invalid:
    """A resource that exists and does not parse. `policy` is the policy it names, "" when not even that is readable."""

    name: str
    uid: str
    generation: int
    problems: tuple[Problem, ...]
    policy: str = ""
    deletion_timestamp: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PolicyFacts:
    """What the record says of one policy. Money as in `trading_logic.money`; times in epoch ms."""

    causes: tuple[Cause, ...] = ()
    epoch: int = 0
    halt: HaltState | None = None
    risk: Mapping[str, str] = field(default_factory=dict)
    positions: tuple[PositionRecord, ...] = ()
    incarnation: str = ""
    """Identity of the record's contents; "" before a ledger ever started."""
    open_orders: Mapping[str, int] = field(default_factory=dict)
    """Strategy -> orders that are not proved to be at their end."""
    writers: frozenset[str] = frozenset()
    """Strategies whose executor holds the writer lease now."""

    @property
    def seq(self) -> int:
        """The ledger's sequence number; 0 before its first booking."""
        return int(self.risk.get("seq", "0"))

    @property
    def latched(self) -> bool:
        return bool(self.causes)

    @property
    def stopped(self) -> bool:
        """Executors must be at zero: the halt is confirmed, or the exchange cannot be reached to confirm it."""
        return (
            self.latched
            and self.halt is not None
            and self.halt.epoch == self.epoch
            and self.halt.state in {"confirmed", "pending-venue"}
        )

    @property
    def confirmed(self) -> bool:
        """Nothing rests and every executor has acknowledged, in this epoch."""
        return self.stopped and self.halt is not None and self.halt.state == "confirmed"

    def held_events(self, strategy: str | None = None) -> tuple[str, ...]:
        """Events with an open position, of one strategy or of the whole account."""
        if not self.positions:
            return ()
        wanted = (p for p in self.positions if p.count and (strategy is None or p.strategy == strategy))
        return tuple(sorted({event_of(position.market) for position in wanted}))


@dataclass(frozen=True, slots=True)
class Followed:
    """An event that a strategy took up because it follows its series."""

    event: str
    series: str


@dataclass(frozen=True)
class World:
    """Resources and facts. A policy without an entry in `facts` has a record that does not answer: fail closed."""

    strategies: tuple[TradingStrategy | Invalid, ...] = ()
    policies: tuple[RiskPolicy | Invalid, ...] = ()
    facts: Mapping[str, PolicyFacts] = field(default_factory=dict)
    faults: Mapping[str, tuple[Fault, ...]] = field(default_factory=dict)
    """Process -> what only another spec can mend, as the process reports it."""
    followed: Mapping[str, tuple[Followed, ...]] = field(default_factory=dict)
    """Strategy -> what it follows now."""
    memo: dict[object, Any] = field(default_factory=dict, compare=False, repr=False)
    """What pure functions derived from this world, so that a thousand loops do not each derive it again."""

    @cached_property
    def policy_by_name(self) -> dict[str, RiskPolicy | Invalid]:
        return {name_of(policy): policy for policy in self.policies}

    @cached_property
    def strategy_by_name(self) -> dict[str, TradingStrategy | Invalid]:
        return {name_of(strategy): strategy for strategy in self.strategies}

    def good_policies(self) -> Iterator[RiskPolicy]:
        """Policies that parse, oldest first."""
        return iter(self._policies_by_age)

    @cached_property
    def _policies_by_age(self) -> list[RiskPolicy]:
        return sorted((p for p in self.policies if isinstance(p, RiskPolicy)), key=age)

    @cached_property
    def _strategies_by_age(self) -> dict[str | None, list[TradingStrategy]]:
        found: dict[str | None, list[TradingStrategy]] = {None: []}
        for strategy in sorted((s for s in self.strategies if isinstance(s, TradingStrategy)), key=age):
            found[None].append(strategy)
            found.setdefault(strategy.spec.risk_policy_ref.name, []).append(strategy)
        return found

    def good_strategies(self, policy: str | None = None) -> Iterator[TradingStrategy]:
        """Strategies that parse (of one policy), oldest first."""
        return iter(self._strategies_by_age.get(policy, ()))

    def events_of(self, strategy: TradingStrategy) -> tuple[str, ...]:
        """Events that the strategy may trade: those of its spec, then those that it follows."""
        return strategy.spec.events + tuple(taken.event for taken in self.followed.get(strategy.metadata.name, ()))

    def policy_of(self, strategy: TradingStrategy) -> RiskPolicy | None:
        """The strategy's policy when it exists and parses."""
        found = self.policy_by_name.get(strategy.spec.risk_policy_ref.name)
        return found if isinstance(found, RiskPolicy) else None

    def feed_of(self, strategy: TradingStrategy) -> str | None:
        """The feed that the strategy's policy trades on; None without a policy or with another mode."""
        policy = self.policy_of(strategy)
        return feed_of(policy) if policy is not None and policy.spec.mode == strategy.spec.mode else None


def age(resource: RiskPolicy | TradingStrategy) -> tuple[str, str]:
    """Sorts the oldest first; RFC 3339 times of one zone sort as text."""
    return resource.metadata.creation_timestamp, resource.metadata.name


def name_of(resource: RiskPolicy | TradingStrategy | Invalid) -> str:
    return resource.name if isinstance(resource, Invalid) else resource.metadata.name


def feed_of(policy: RiskPolicy) -> str:
    """Feed of a policy's exchange: simulator, demo or production."""
    return policy.spec.exchange.environment.lower()
