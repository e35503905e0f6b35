"""Who needs what of the shared processes: the union over all strategies, which one loop per object writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from touchline_operator.api import RiskPolicy, TradingStrategy
from touchline_operator.api.strategy import Source
from touchline_operator.desired.meta import hash8
from touchline_operator.desired.platform import Platform
from touchline_operator.desired.world import World, feed_of


@dataclass
class EventNeed:
    """One event of one feed: the strategies that name it (oldest first), the policies that hold something in it."""

    strategies: list[TradingStrategy] = field(default_factory=list)
    holders: list[RiskPolicy] = field(default_factory=list)


@dataclass
class SourceNeed:
    """One shared source: its plug-in and configuration, the events it serves, the strategies that want it."""

    plugin: str
    config: Mapping[str, Any]
    events: dict[str, None] = field(default_factory=dict)
    strategies: list[TradingStrategy] = field(default_factory=list)


def source_name(source: Source) -> str:
    """Name of the process that all strategies with this plug-in and configuration share."""
    return f"{source.plugin}-{hash8(source.plugin, json.dumps(source.config, sort_keys=True))}"


def strategy_events(world: World, strategy: TradingStrategy) -> tuple[str, ...]:
    """Events that may be traded, then those that no longer are while a position is still open (draining)."""
    facts = world.facts.get(strategy.spec.risk_policy_ref.name)
    held = facts.held_events(strategy.metadata.name) if facts else ()
    return tuple(dict.fromkeys(world.events_of(strategy) + held))


def decided(world: World, strategy: TradingStrategy) -> tuple[tuple[str, str], ...]:
    """What each decision process is about: an event, and one market of it or "" for all."""
    single = {market.event_ticker: market.ticker for market in strategy.spec.markets if market.ticker}
    return tuple((event, single.get(event, "")) for event in world.events_of(strategy))


def policy_events(world: World, policy: RiskPolicy) -> tuple[str, ...]:
    """Every event in which the account may trade or holds something."""
    name = policy.metadata.name
    events = [event for strategy in world.good_strategies(name) for event in strategy_events(world, strategy)]
    facts = world.facts.get(name)
    return tuple(dict.fromkeys([*events, *(facts.held_events() if facts else ())]))


def event_needs(world: World, feed: str) -> dict[str, EventNeed]:
    """Event -> who needs it, for one feed. Shared by all who ask: not to be changed."""
    known: dict[str, EventNeed] | None = world.memo.get(("event_needs", feed))
    if known is None:
        known = world.memo["event_needs", feed] = _event_needs(world, feed)
    return known


def _event_needs(world: World, feed: str) -> dict[str, EventNeed]:
    needs: dict[str, EventNeed] = {}
    for strategy in world.good_strategies():
        if world.feed_of(strategy) == feed:
            for event in strategy_events(world, strategy):
                needs.setdefault(event, EventNeed()).strategies.append(strategy)
    for policy in world.good_policies():
        facts = world.facts.get(policy.metadata.name)
        if facts and feed_of(policy) == feed:
            for event in facts.held_events():
                needs.setdefault(event, EventNeed()).holders.append(policy)
    return needs


def source_needs(world: World, feed: str) -> dict[str, SourceNeed]:
    """Shared source name -> what it must do, for one feed."""
    needs: dict[str, SourceNeed] = {}
    for strategy in world.good_strategies():
        if world.feed_of(strategy) != feed:
            continue
        wished = {source_name(source): source for source in strategy.spec.sources}
        for name, source in wished.items():
            need = needs.setdefault(name, SourceNeed(source.plugin, source.config))
            need.strategies.append(strategy)
            need.events |= dict.fromkeys(strategy_events(world, strategy))
    # Who follows a series may have no event yet.
    return {name: need for name, need in needs.items() if need.events}


def series_needs(world: World, feed: str) -> dict[str, list[TradingStrategy]]:
    """Series that are followed on one feed, each with its strategies, oldest first."""
    needs: dict[str, list[TradingStrategy]] = {}
    for strategy in world.good_strategies():
        if world.feed_of(strategy) == feed:
            for wish in strategy.spec.slates:
                needs.setdefault(wish.series, []).append(strategy)
    return needs


def trading_secret(policy: RiskPolicy, platform: Platform) -> str:
    """Secret with the key that may trade; executor and ledger alone mount it."""
    exchange = policy.spec.exchange
    if exchange.credentials_secret_ref:
        return exchange.credentials_secret_ref.name
    return platform.simulator_secret.format(policy=policy.metadata.name)


def feed_secret(world: World, feed: str, platform: Platform) -> str | None:
    """Secret with the key that opens the feed: the oldest policy's read-only key.

    The exchange asks for a key even for public channels. A simulator's key is worth nothing, so its trading key
    serves too; elsewhere the trading key stays where it is and None says that a read-only key is needed.
    """
    policies = [policy for policy in world.good_policies() if feed_of(policy) == feed]
    for policy in policies:
        if policy.spec.exchange.read_only_secret_ref:
            return policy.spec.exchange.read_only_secret_ref.name
    if policies and feed == "simulator":
        return trading_secret(policies[0], platform)
    return None
