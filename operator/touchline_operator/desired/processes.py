"""The names of all processes: what render calls them and under which they report."""

from __future__ import annotations

from collections.abc import Iterator

from touchline_operator.api import TradingStrategy
from touchline_operator.api.strategy import Source
from touchline_operator.desired.meta import child_name
from touchline_operator.desired.needs import decided, source_name, strategy_events
from touchline_operator.desired.world import World
from touchline_operator.names import Role


def catalog_name(feed: str) -> str:
    return child_name(Role.CATALOG, feed)


def ingest_name(feed: str, event: str) -> str:
    return child_name(Role.INGEST, feed, event)


def consumer_name(feed: str, event: str) -> str:
    return child_name(Role.CONSUMER, feed, event)


def source_process(feed: str, source: Source) -> str:
    """The process that `source` shares with all that ask for the same."""
    return shared_source(feed, source_name(source))


def shared_source(feed: str, name: str) -> str:
    return child_name(Role.SOURCE, feed, name)


def decision_name(strategy: str, subject: str) -> str:
    """`subject` is what it decides on: an event, or one market."""
    return child_name(Role.DECISION, strategy, subject)


def executor_name(strategy: str) -> str:
    return child_name(Role.EXECUTOR, strategy)


def strategy_processes(world: World, strategy: TradingStrategy) -> Iterator[str]:
    """All processes between the exchange and the strategy's orders; none without a feed."""
    feed = world.feed_of(strategy)
    if feed is None:
        return
    yield catalog_name(feed)
    for event in strategy_events(world, strategy):
        yield ingest_name(feed, event)
        yield consumer_name(feed, event)
    for source in strategy.spec.sources:
        yield source_process(feed, source)
    for event, market in decided(world, strategy):
        yield decision_name(strategy.metadata.name, market or event)
    yield executor_name(strategy.metadata.name)


def ledger_name(policy: str) -> str:
    return child_name(Role.LEDGER, policy)
