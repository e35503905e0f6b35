"""Every Redis key, stream, channel and group name of Touchline. Nowhere else is one built.

Two families (see docs/architecture.md): market data is `tl:<namespace>:<feed>:<event>:…` on the *bus*; money is
`tl:<namespace>:{<policy>}:…` on the *record*. The braces make one Redis Cluster slot of a policy's keys, so that
one Lua call may touch all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

MD_MAXLEN = 50_000
SIGNALS_MAXLEN = 20_000
DECISIONS_MAXLEN = 4_000
"""With their explanations about 2 kB each: a strategy's decisions may not fill the bus."""
DEAD_MAXLEN = 10_000
SLATE_TTL_MS = 30_000
CONSUMER_GROUP = "consumer"


@dataclass(frozen=True, slots=True)
class MarketDataTopics:
    """Names on the bus for one (namespace, feed). Feed is simulator, demo or production."""

    namespace: str
    feed: str

    def _of(self, event: str, leaf: str) -> str:
        return f"tl:{self.namespace}:{self.feed}:{event}:{leaf}"

    def md(self, event: str) -> str:
        """Capped stream of raw book changes and trades, in batches."""
        return self._of(event, "md")

    def book(self, event: str) -> str:
        """Hash: market -> BookState (snapshot and the stream id it includes)."""
        return self._of(event, "book")

    def top(self, event: str) -> str:
        """Pub/sub channel of conflated tops of book."""
        return self._of(event, "top")

    def tops(self, event: str) -> str:
        """Hash: market -> the last TopOfBook, for readers that start late."""
        return self._of(event, "tops")

    def signals(self, event: str) -> str:
        """Capped stream of signals, in batches; one consumer group per strategy."""
        return self._of(event, "signals")

    def dead(self, event: str) -> str:
        """Dead letters of this event's streams: original bytes, reason, source."""
        return self._of(event, "dead")

    def catalog(self, event: str) -> str:
        """Key with the CatalogEntry of one event."""
        return self._of(event, "catalog")

    def slate(self, series: str) -> str:
        """Key with the Slate of one series; gone SLATE_TTL_MS after the catalog last wrote it."""
        return self._of(series, "slate")

    def catalog_nudge(self) -> str:
        """Pub/sub channel: an event ticker whose catalog entry changed."""
        return f"tl:{self.namespace}:{self.feed}:catalog-nudge"

    def source(self, source: str) -> str:
        """Pub/sub channel of one source."""
        return f"tl:{self.namespace}:{self.feed}:src:{source}"

    def source_state(self, source: str, game: str) -> str:
        """Key with the last state of one game from one source."""
        return f"tl:{self.namespace}:{self.feed}:src:{source}:{game}"


@dataclass(frozen=True, slots=True)
class RecordTopics:
    """Names on the record for one RiskPolicy: everything with money in it."""

    namespace: str
    policy: str

    def _of(self, leaf: str) -> str:
        return f"tl:{self.namespace}:{{{self.policy}}}:{leaf}"

    # -- the halt
    def latch(self) -> str:
        """Hash: cause id -> JSON of the cause. Non-empty means halted."""
        return self._of("latch")

    def epoch(self) -> str:
        """Integer, raised when the latch goes from empty to non-empty and when it becomes empty again."""
        return self._of("epoch")

    def halt(self) -> str:
        """Hash: the ledger's view of a halt under way (epoch, state, resting, confirmed_ms, since_ms)."""
        return self._of("halt")

    def ack(self, strategy: str) -> str:
        """Hash: an executor's acknowledgement of an epoch (epoch, in_flight, resting, at_ms)."""
        return self._of(f"ack:{strategy}")

    def nudge(self) -> str:
        """Pub/sub channel: something about the latch, the halt or a lease changed; read the keys."""
        return self._of("nudge")

    def incarnation(self) -> str:
        """Random id of this Redis' contents: a wiped or older record shows a different one."""
        return self._of("incarnation")

    # -- leases and fences
    def trading_lease(self) -> str:
        """JSON TradingLease with a time to live, written by the ledger alone."""
        return self._of("lease:trading")

    def writer_lease(self, strategy: str) -> str:
        """Token of the one executor that may write for this strategy, with a time to live."""
        return self._of(f"lease:writer:{strategy}")

    def ledger_lease(self) -> str:
        """Token of the one ledger of this policy, with a time to live."""
        return self._of("lease:ledger")

    def term(self, strategy: str) -> str:
        """Integer, raised by every executor that takes over."""
        return self._of(f"term:{strategy}")

    def groups(self, strategy: str) -> str:
        """Hash: order group id -> JSON OrderGroupRecord."""
        return self._of(f"groups:{strategy}")

    def armed(self) -> str:
        """Set of order group ids that the exchange has shown as armed."""
        return self._of("armed")

    def strategies(self) -> str:
        """Hash: strategy -> JSON {uid}; every strategy whose executor ever took over."""
        return self._of("strategies")

    # -- orders
    def intents(self, strategy: str) -> str:
        """Stream of intents (on the bus: a wish lives a second, the claim is what lasts), trimmed when handled."""
        return self._of(f"intents:{strategy}")

    def dead(self) -> str:
        """Dead letters of this policy's streams, each beside its stream: original bytes, reason, source."""
        return self._of("dead")

    def decisions(self, strategy: str) -> str:
        """Capped stream of decisions (on the bus: evidence, not money)."""
        return self._of(f"decisions:{strategy}")

    def order_prefix(self) -> str:
        """Prefix of the order hashes, for the scripts that build one per intent."""
        return self._of("order:")

    def order(self, intent: str) -> str:
        """Hash: one order's life (see contracts.record.ORDER_FIELDS)."""
        return self.order_prefix() + intent

    def open_orders(self) -> str:
        """Set of intent ids whose orders are not terminal."""
        return self._of("open")

    def by_order_id(self) -> str:
        """Hash: exchange order id -> intent id."""
        return self._of("by-order-id")

    def reserved(self) -> str:
        """Hash: intent id -> "<market>|<game>|<cash>", open reservations."""
        return self._of("reserved")

    def rate(self) -> str:
        """Sorted set: intent id scored by claim time in ms, last minute."""
        return self._of("rate")

    def trades(self, day: str) -> str:
        """Set of entry intent ids of one trading day that are not proved unfilled."""
        return self._of(f"trades:{day}")

    def orders(self) -> str:
        """Stream of OrderEvent."""
        return self._of("orders")

    def fills(self) -> str:
        """Stream of FillReport, as the executors saw them."""
        return self._of("fills")

    def exit_plans(self, strategy: str) -> str:
        """Hash: market -> JSON ExitPlanRecord, written in the claim, before any byte of the order leaves."""
        return self._of(f"exit-plans:{strategy}")

    def flatten(self) -> str:
        """Hash: strategy -> wall ms until which it sells what it holds and enters nothing (see ADR 9)."""
        return self._of("flatten")

    def counts(self) -> str:
        """Hash of lifetime counters, raised in the same calls that change orders."""
        return self._of("counts")

    # -- the ledger
    def risk(self) -> str:
        """Hash: equity, cash, peak, day_start, day, exposure, seq, reconciled, updated_ms, … (integers as text)."""
        return self._of("risk")

    def exposure(self) -> str:
        """Hash: `m:<market>` and `g:<game>` -> worst-case loss, cash."""
        return self._of("exposure")

    def positions(self) -> str:
        """Hash: market -> JSON PositionRecord."""
        return self._of("positions")

    def booked(self) -> str:
        """Hash: fill id -> JSON of the booked fill; a fill is booked once."""
        return self._of("booked")

    def settled(self) -> str:
        """Hash: market -> JSON of the booked settlement; booked once."""
        return self._of("settled")

    def risk_events(self) -> str:
        """Stream of RiskEvent."""
        return self._of("risk-events")

    def alerts(self) -> str:
        """Hash: how far people were told: `sent`, an id in risk_events; `late`, the last alert of a late halt."""
        return self._of("alerts")


def report(namespace: str, process: str) -> str:
    """Key (bus, with a time to live) of one process' report of itself."""
    return f"tl:{namespace}:report:{process}"


def report_pattern(namespace: str) -> str:
    """Pattern that matches every report of a namespace."""
    return f"tl:{namespace}:report:*"


def strategy_group(strategy: str) -> str:
    """Consumer group of one strategy on a signals stream."""
    return f"strategy:{strategy}"


def dead_pattern(namespace: str) -> str:
    """Pattern that matches the dead letters of every event and policy of a namespace."""
    return f"tl:{namespace}:*:dead"


def owner_of(key: str) -> str:
    """The event or the policy that a dead-letter key belongs to."""
    return key.split(":")[-2].strip("{}")


def leaf_of(stream: str) -> str:
    """What a stream holds, without whose it is: md, signals, intents or decisions."""
    policy = stream.find("}:")
    return stream[policy + 2 :].partition(":")[0] if policy >= 0 else stream.rpartition(":")[2]
