"""What only a process can refuse: its report says why, this says which field of which resource can mend it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from touchline_operator.api import RiskPolicy, TradingStrategy
from touchline_operator.desired import processes
from touchline_operator.desired.needs import decided, strategy_events
from touchline_operator.desired.world import World, feed_of
from trading_logic.contracts.messages import Fault


@dataclass(frozen=True, slots=True)
class SpecFault:
    """A fault that trying again does not mend, and the field that does."""

    field: str
    fault: Fault

    @property
    def message(self) -> str:
        """Field, then the process' own sentence, which ends in what is allowed."""
        return f"{self.field}: {self.fault.message}"


def spec_fault(world: World, strategy: TradingStrategy, policy: RiskPolicy) -> SpecFault | None:
    """The first fault of the processes that the strategy stands on, in the order of the data's way.

    The executor's own is left out: it is at zero because of what is found here, and would bring itself back. What it
    could find wrong (the account's key) the ledger finds too.
    """
    if not world.faults:
        return None
    return next(_faults(world, strategy, policy), None)


def _faults(world: World, strategy: TradingStrategy, policy: RiskPolicy) -> Iterator[SpecFault]:
    feed, spec = feed_of(policy), strategy.spec
    for market in spec.markets:
        for fault in world.faults.get(processes.catalog_name(feed), ()):
            if fault.event == market.event_ticker:
                yield SpecFault(f"spec.markets[{market.name}]", fault)
    key = _key_field(policy, read_only=True)
    for event in strategy_events(world, strategy):
        yield from (SpecFault(key, fault) for fault in world.faults.get(processes.ingest_name(feed, event), ()))
    for source in spec.sources:
        for fault in world.faults.get(processes.source_process(feed, source), ()):
            yield SpecFault(f"spec.sources[{source.name}]", fault)
    for event, one in decided(world, strategy):
        for fault in world.faults.get(processes.decision_name(strategy.metadata.name, one or event), ()):
            yield SpecFault("spec.analyst.models", fault)
    for fault in world.faults.get(processes.ledger_name(policy.metadata.name), ()):
        yield SpecFault(_key_field(policy, read_only=False), fault)


def _key_field(policy: RiskPolicy, *, read_only: bool) -> str:
    """Where the key of a feed, or of the account, is named."""
    exchange = policy.spec.exchange
    where = f"RiskPolicy {policy.metadata.name}: spec.exchange"
    for name, ref, wanted in (
        ("readOnlySecretRef", exchange.read_only_secret_ref, read_only),
        ("credentialsSecretRef", exchange.credentials_secret_ref, True),
    ):
        if wanted and ref is not None:
            return f"{where}.{name} (Secret {ref.name})"
    return f"{where}: the simulator's own key"
