"""Render: world and platform in, complete objects out. No clock, no network, no environment."""

from __future__ import annotations

from touchline_operator import names
from touchline_operator.api import RiskPolicy, TradingStrategy
from touchline_operator.decide.checks import account_refusal, refusal
from touchline_operator.desired import config as cfg
from touchline_operator.desired import network, processes
from touchline_operator.desired.access import own_policy_access
from touchline_operator.desired.meta import Child, LoopKey, Object, owner
from touchline_operator.desired.needs import (
    EventNeed,
    decided,
    event_needs,
    feed_secret,
    policy_events,
    series_needs,
    source_name,
    source_needs,
    strategy_events,
    trading_secret,
)
from touchline_operator.desired.platform import Platform
from touchline_operator.desired.workload import SecretMount, account_key, config_map, deployment
from touchline_operator.desired.world import Invalid, World, feed_of, name_of
from touchline_operator.names import Reason, Role
from trading_logic.contracts import config

# A strategy that must not trade at all has nothing to decide; a halted or suspended one goes on deciding: evidence.
NO_DECISIONS = frozenset({Reason.DELETED, Reason.ACCOUNT_IN_USE, Reason.EVENT_TAKEN, Reason.MODE_MISMATCH})

MOST_OWNERS = 20
"""Owners of what is shared keep garbage collection away and clean up at the end. A few are enough: no owner goes while
the operator is away (its finalizer holds it), and one that goes is replaced."""


def loops(world: World) -> frozenset[LoopKey]:
    """Every loop that this world needs. Shared by all who ask: not to be changed."""
    known: frozenset[LoopKey] | None = world.memo.get("loops")
    if known is None:
        known = world.memo["loops"] = frozenset(_loops(world))
    return known


def _loops(world: World) -> set[LoopKey]:
    keys = {LoopKey("strategy", name_of(strategy)) for strategy in world.strategies}
    keys |= {LoopKey("policy", name_of(policy)) for policy in world.policies}
    if world.policies:
        keys.add(network.LOOP)
    for feed in {feed_of(policy) for policy in world.good_policies()}:
        needs = event_needs(world, feed)
        keys |= {LoopKey("event", feed, event) for event in needs}
        if needs or series_needs(world, feed):
            keys.add(LoopKey("feed", feed))
    return keys


def render(world: World, key: LoopKey, platform: Platform) -> list[Object]:
    """Everything that the loop `key` writes."""
    match key.kind:
        case "strategy":
            return render_strategy(world, key.name, platform)
        case "policy":
            return render_policy(world, key.name, platform)
        case "event":
            return render_event(world, key, platform)
        case "feed":
            return render_feed(world, key.name, platform)
        case network.LOOP.kind:
            return render_network(world, platform)
        case kind:
            raise ValueError(f"no loop of kind {kind}")


def render_all(world: World, platform: Platform) -> list[Object]:
    """All objects of a namespace, in a fixed order."""
    keys = sorted(loops(world), key=str)
    return [made for key in keys for made in render(world, key, platform)]


def _policy_label(strategy: TradingStrategy | Invalid) -> dict[str, str]:
    policy = strategy.policy if isinstance(strategy, Invalid) else strategy.spec.risk_policy_ref.name
    return {names.POLICY: policy} if policy else {}


def render_strategy(world: World, name: str, platform: Platform) -> list[Object]:
    """Decisions and the executor of one strategy; without a usable policy only an executor at zero."""
    strategy = world.strategy_by_name.get(name)
    if strategy is None:
        return []
    why_not = refusal(world, strategy)
    loop = LoopKey("strategy", name)
    child = Child(
        name=processes.executor_name(name),
        role=Role.EXECUTOR,
        loop=loop,
        namespace=platform.namespace,
        owners=(owner(strategy, "TradingStrategy", controller=True),),
        labels={names.STRATEGY: name} | _policy_label(strategy),
        annotations={},
    )
    policy = world.policy_of(strategy) if isinstance(strategy, TradingStrategy) else None
    if isinstance(strategy, Invalid) or policy is None:
        return [deployment(child, None, 0, (), platform)]
    objects: list[Object] = []
    if why_not is None or why_not.reason not in NO_DECISIONS:
        for event, market in decided(world, strategy):
            objects += _decision(strategy, policy, event, market, child, platform)
    secret = trading_secret(policy, platform)
    file = cfg.text(
        config.ExecutorConfig(
            process=child.name,
            namespace=platform.namespace,
            redis=cfg.redis(platform),
            health=cfg.health(platform, child.name),
            log_format=platform.log_format,
            feed=feed_of(policy),
            strategy=name,
            strategy_uid=strategy.metadata.uid,
            policy=policy.metadata.name,
            events=strategy_events(world, strategy),
            exchange=cfg.exchange(platform, feed_of(policy), secret, policy.spec.exchange.subaccount),
            limits=cfg.limits(policy.spec),
            trading_day=cfg.trading_day(policy.spec),
            entry=cfg.entry(strategy.spec),
        )
    )
    return [
        *objects,
        config_map(child, file),
        deployment(child, file, int(why_not is None), account_key(secret), platform),
    ]


def _decision(
    strategy: TradingStrategy, policy: RiskPolicy, event: str, market: str, sibling: Child, platform: Platform
) -> list[Object]:
    name = strategy.metadata.name
    child = Child(
        name=processes.decision_name(name, market or event),
        role=Role.DECISION,
        loop=sibling.loop,
        namespace=platform.namespace,
        owners=sibling.owners,
        labels=sibling.labels,
        annotations={names.EVENT: event},
    )
    file = cfg.text(
        config.DecisionConfig(
            process=child.name,
            namespace=platform.namespace,
            redis=cfg.redis(platform),
            health=cfg.health(platform, child.name),
            log_format=platform.log_format,
            feed=feed_of(policy),
            strategy=name,
            strategy_uid=strategy.metadata.uid,
            policy=policy.metadata.name,
            event=event,
            market=market,
            models=cfg.models(strategy.spec),
            entry=cfg.entry(strategy.spec),
            kelly_ppm=strategy.spec.sizing.kelly_fraction,
            exit=cfg.exit_rules(strategy.spec),
            limits=cfg.limits(policy.spec),
        )
    )
    return [config_map(child, file), deployment(child, file, 1, (), platform)]


def render_policy(world: World, name: str, platform: Platform) -> list[Object]:
    """The ledger. None for a policy that does not parse or may not use its account: no lease, so nothing trades."""
    policy = world.policy_by_name.get(name)
    if policy is None:
        return []
    child = Child(
        name=processes.ledger_name(name),
        role=Role.LEDGER,
        loop=LoopKey("policy", name),
        namespace=platform.namespace,
        owners=(owner(policy, "RiskPolicy", controller=True),),
        labels={names.POLICY: name},
        annotations={},
    )
    # A local run writes the policy's halt fields into a file; on Kubernetes the ledger watches its policy itself.
    access = [] if platform.spec_file else own_policy_access(child, name)
    account = child.name if access else None
    if isinstance(policy, Invalid) or account_refusal(world, policy) is not None:
        return [*access, deployment(child, None, 0, (), platform, account)]
    secret = trading_secret(policy, platform)
    hooks = [alert.secret_ref.name for alert in policy.spec.alerts]  # one at most: the types differ, and there is one
    file = cfg.text(
        config.LedgerConfig(
            process=child.name,
            namespace=platform.namespace,
            redis=cfg.redis(platform),
            health=cfg.health(platform, child.name),
            log_format=platform.log_format,
            feed=feed_of(policy),
            policy=name,
            events=policy_events(world, policy),
            exchange=cfg.exchange(platform, feed_of(policy), secret, policy.spec.exchange.subaccount),
            limits=cfg.limits(policy.spec),
            trading_day=cfg.trading_day(policy.spec),
            spec_file=platform.spec_file.format(policy=name),
            mode=policy.spec.mode,
            webhook_folder=platform.secret_folder.format(secret=hooks[0]) if hooks else "",
        )
    )
    mounts = [*account_key(secret), *(SecretMount("alerts", hook) for hook in hooks)]
    return [*access, config_map(child, file), deployment(child, file, 1, mounts, platform, account)]


def render_network(world: World, platform: Platform) -> list[Object]:
    """NetworkPolicies of the namespace, owned by its policies: without one of them nothing runs."""
    if platform.network is None or not world.policies:
        return []
    found = sorted(world.policies, key=name_of)[:MOST_OWNERS]
    owners = [owner(policy, "RiskPolicy", controller=False) for policy in found]
    return network.network_policies(platform.namespace, owners, platform.network)


def _owners(need: EventNeed) -> tuple[Object, ...]:
    owners = [owner(strategy, "TradingStrategy", controller=False) for strategy in need.strategies[:MOST_OWNERS]]
    return tuple(owners or [owner(policy, "RiskPolicy", controller=False) for policy in need.holders[:MOST_OWNERS]])


def render_event(world: World, key: LoopKey, platform: Platform) -> list[Object]:
    """Ingest and consumer of one event, for all strategies together."""
    feed, event = key.name, key.event
    need = event_needs(world, feed).get(event)
    secret = feed_secret(world, feed, platform)
    if need is None or secret is None:
        return []
    sources = dict.fromkeys(source_name(source) for strategy in need.strategies for source in strategy.spec.sources)

    def child(role: Role, name: str) -> Child:
        return Child(
            name=name,
            role=role,
            loop=key,
            namespace=platform.namespace,
            owners=_owners(need),
            labels={names.FEED: feed},
            annotations={names.EVENT: event},
        )

    ingest = child(Role.INGEST, processes.ingest_name(feed, event))
    consumer = child(Role.CONSUMER, processes.consumer_name(feed, event))
    ingest_file = cfg.text(
        config.Ingest(
            process=ingest.name,
            namespace=platform.namespace,
            redis=cfg.redis(platform),
            health=cfg.health(platform, ingest.name),
            log_format=platform.log_format,
            feed=feed,
            event=event,
            exchange=cfg.exchange(platform, feed, secret),
        )
    )
    consumer_file = cfg.text(
        config.Consumer(
            process=consumer.name,
            namespace=platform.namespace,
            redis=cfg.redis(platform),
            health=cfg.health(platform, consumer.name),
            log_format=platform.log_format,
            feed=feed,
            event=event,
            sources=tuple(sources),
        )
    )
    return [
        config_map(ingest, ingest_file),
        deployment(ingest, ingest_file, 1, account_key(secret), platform),
        config_map(consumer, consumer_file),
        deployment(consumer, consumer_file, 1, (), platform),
    ]


def render_feed(world: World, feed: str, platform: Platform) -> list[Object]:
    """The catalog of one feed and its sources."""
    needs, followed = event_needs(world, feed), series_needs(world, feed)
    if not needs and not followed:
        return []
    loop = LoopKey("feed", feed)
    # By name: comparing a thousand specs with each other takes seconds.
    strategies = {one.metadata.name: one for need in needs.values() for one in need.strategies}
    strategies |= {one.metadata.name: one for followers in followed.values() for one in followers}
    holders = {one.metadata.name: one for need in needs.values() for one in need.holders}
    merged = EventNeed(list(strategies.values()), list(holders.values()))
    catalog = Child(
        name=processes.catalog_name(feed),
        role=Role.CATALOG,
        loop=loop,
        namespace=platform.namespace,
        owners=_owners(merged),
        labels={names.FEED: feed},
        annotations={},
    )
    file = cfg.text(
        config.Catalog(
            process=catalog.name,
            namespace=platform.namespace,
            redis=cfg.redis(platform),
            health=cfg.health(platform, catalog.name),
            log_format=platform.log_format,
            feed=feed,
            exchange=cfg.exchange(platform, feed, None),
            events=tuple(sorted(needs)),
            series=tuple(sorted(followed)),
            poll_seconds=platform.catalog_poll_seconds,
        )
    )
    objects = [config_map(catalog, file), deployment(catalog, file, 1, (), platform)]
    for name, wish in sorted(source_needs(world, feed).items()):
        child = Child(
            name=processes.shared_source(feed, name),
            role=Role.SOURCE,
            loop=loop,
            namespace=platform.namespace,
            owners=_owners(EventNeed(wish.strategies)),
            labels={names.FEED: feed},
            annotations={},
        )
        file = cfg.text(
            config.Source(
                process=child.name,
                namespace=platform.namespace,
                redis=cfg.redis(platform),
                health=cfg.health(platform, child.name),
                log_format=platform.log_format,
                feed=feed,
                name=name,
                plugin=wish.plugin,
                config=cfg.source_config(wish),
                events=tuple(sorted(wish.events)),
                exchange=cfg.exchange(platform, feed, None),
            )
        )
        objects += [config_map(child, file), deployment(child, file, 1, (), platform)]
    return objects
