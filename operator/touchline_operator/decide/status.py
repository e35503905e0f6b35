"""Status of both kinds, from the world, the observed objects and the reports. Written only when it differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from touchline_operator import names
from touchline_operator.api import RiskPolicy, TradingStrategy
from touchline_operator.decide.checks import Refusal, account_refusal, refusal
from touchline_operator.decide.conditions import State, conditions
from touchline_operator.decide.drain import waiting
from touchline_operator.decide.halt import halt_status, halted_state
from touchline_operator.decide.mirror import mirror_of
from touchline_operator.decide.money import Figures, dollars, figures, percent
from touchline_operator.desired import processes
from touchline_operator.desired.needs import feed_secret, strategy_events
from touchline_operator.desired.platform import Platform
from touchline_operator.desired.world import Invalid, PolicyFacts, World, feed_of
from touchline_operator.names import Condition, Reason
from trading_logic.contracts.messages import Report
from trading_logic.money import format_count

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Observed:
    """What runs: owned Deployments, reports by process name, the status written last, and the time."""

    deployments: Sequence[Object]
    reports: Mapping[str, Report]
    before: Object
    wall_ms: int
    left: str = ""
    """What a deleted resource still waits for."""


def running(deployments: Sequence[Object], role: names.Role) -> int:
    """Observed processes of a role, those that are ending and those that are only ordered included."""
    return sum(_processes(d) for d in deployments if d["metadata"]["labels"][names.COMPONENT] == role)


def _processes(deployment: Object) -> int:
    status = deployment.get("status", {})
    seen = int(status.get("replicas", 0)) + int(status.get("terminatingReplicas", 0))
    if status.get("observedGeneration") != deployment["metadata"].get("generation"):
        # The controller has not seen this spec yet: what it orders, or ordered before, may start any moment.
        return max(seen, int(deployment.get("ordered", deployment["spec"]["replicas"])))
    return seen


def _first_fault(observed: Observed, own: names.Role) -> State | None:
    """Ready=False for the first process that should run and does not say that it can do its work; None when all can.

    In the order of the data's way: what is wrong at its beginning explains what is wrong after it. Only of the `own`
    role's process a fault that a spec mends is the reason here; of the others `refusal` says it, with the field.
    """
    order = list(names.Role)

    def way(deployment: Object) -> tuple[int, str]:
        meta = deployment["metadata"]
        return order.index(names.Role(meta["labels"][names.COMPONENT])), str(meta["name"])

    for deployment in sorted(observed.deployments, key=way):
        if deployment["spec"]["replicas"] == 0:
            continue
        name = deployment["metadata"]["name"]
        status = deployment.get("status", {})
        report = observed.reports.get(name)
        if status.get("message"):
            return _not_ready(f"{name}: {status['message']}", status.get("waiting"))
        if report is None:
            return _not_ready(f"{name}: no report yet")
        if not report.ready:
            ours = deployment["metadata"]["labels"][names.COMPONENT] == own
            mendable = next((fault.reason for fault in report.faults if fault.spec), None)
            return _not_ready(f"{name}: {report.reason}: {report.message}", mendable if ours else None)
    return None


def _not_ready(message: str, reason: str | None = None) -> State:
    """A reason of its own, and with it an event, only for what does not pass by itself."""
    return State(Condition.READY, "False", reason or Reason.PROCESS_NOT_READY, message)


def _progressing(observed: Observed) -> State:
    behind = [
        str(d["metadata"]["name"])
        for d in observed.deployments
        if d["spec"]["replicas"] != d.get("status", {}).get("replicas", 0)
    ]
    if behind:
        return State(Condition.PROGRESSING, "True", Reason.ROLLING_OUT, ", ".join(sorted(behind)))
    return State(Condition.PROGRESSING, "False", Reason.ROLLOUT_COMPLETE)


MAX_MARKETS = 256
"""As many as the schema takes: a status beyond it would be refused whole, and with it the conditions."""


def strategy_status(
    world: World, strategy: TradingStrategy | Invalid, observed: Observed, platform: Platform
) -> dict[str, Any]:
    """Status of a TradingStrategy."""
    why_not = refusal(world, strategy)
    executors = running(observed.deployments, names.Role.EXECUTOR)
    states = [_progressing(observed)]
    out: dict[str, Any] = {"replicas": executors, "selector": f"{names.STRATEGY}={_name(strategy)}"}
    if isinstance(strategy, Invalid):
        assert why_not is not None
        states.append(State(Condition.READY, "False", why_not.reason, why_not.message))
        return _with_conditions(out, strategy.generation, states, names.STRATEGY_CONDITIONS, observed)
    policy = world.policy_of(strategy)
    facts = world.facts.get(policy.metadata.name) if policy else None
    states.append(_resolved(why_not))
    states.append(_strategy_ready(world, strategy, why_not, observed, platform))
    if policy is not None:
        states.append(halted_state(facts, executors))
        out |= _strategy_figures(strategy, feed_of(policy), facts)
    series = {taken.event: taken.series for taken in world.followed.get(strategy.metadata.name, ())}
    trading = world.events_of(strategy)
    # A column of the API server prints only the first element of a list, so the names stand once more as one text.
    out["marketNames"] = ",".join(market.name for market in strategy.spec.markets)
    out["markets"] = [
        {"event": event, "state": "Trading" if event in trading else "Draining"}
        | ({"series": series[event]} if event in series else {})
        for event in strategy_events(world, strategy)
    ][:MAX_MARKETS]
    return _with_conditions(out, strategy.metadata.generation, states, names.STRATEGY_CONDITIONS, observed)


def _name(resource: TradingStrategy | RiskPolicy | Invalid) -> str:
    return resource.name if isinstance(resource, Invalid) else resource.metadata.name


def _resolved(why_not: Refusal | None) -> State:
    unresolved = {Reason.POLICY_NOT_FOUND, Reason.INVALID_POLICY, Reason.MODE_MISMATCH, Reason.ACCOUNT_IN_USE}
    if why_not is not None and why_not.reason in unresolved:
        return State(Condition.POLICY_RESOLVED, "False", why_not.reason, why_not.message)
    return State(Condition.POLICY_RESOLVED, "True", Reason.POLICY_FOUND)


def _strategy_ready(
    world: World, strategy: TradingStrategy, why_not: Refusal | None, observed: Observed, platform: Platform
) -> State:
    if why_not is not None:
        if observed.left and strategy.metadata.deletion_timestamp:
            return State(Condition.READY, "False", Reason.DELETED, waiting(observed.left))
        return State(Condition.READY, "False", why_not.reason, why_not.message)
    feed = world.feed_of(strategy)
    if feed is None or feed_secret(world, feed, platform) is None:
        message = "the feed needs a key even for public data; set spec.exchange.readOnlySecretRef of the RiskPolicy"
        return State(Condition.READY, "False", Reason.CREDENTIALS_MISSING, message)
    return _first_fault(observed, names.Role.EXECUTOR) or State(Condition.READY, "True", Reason.READY)


def _strategy_figures(strategy: TradingStrategy, feed: str, facts: PolicyFacts | None) -> dict[str, Any]:
    """POS and PNL are the strategy's own; TODAY and DRAWDOWN are its account's, which the limits are about."""
    out: dict[str, Any] = {"feed": feed}
    if facts is None:
        return out
    mine = [position for position in facts.positions if position.strategy == strategy.metadata.name]
    out["positionContracts"] = format_count(sum(abs(position.count) for position in mine))
    out["pnlDollars"] = dollars(sum(p.realized + p.mark - p.cost - p.fees for p in mine))
    account = figures(facts.risk)
    if account is not None:
        out |= {"todayDollars": dollars(account.today), "drawdown": percent(account.drawdown_ppm)}
    return out


def policy_status(world: World, policy: RiskPolicy | Invalid, observed: Observed, executors: int) -> dict[str, Any]:
    """Status of a RiskPolicy; `executors` counts the running ones of all its strategies."""
    if isinstance(policy, Invalid):
        problems = "; ".join(str(problem) for problem in policy.problems)
        states = [State(Condition.READY, "False", Reason.INVALID_SPEC, problems)]
        return _with_conditions({}, policy.generation, states, names.POLICY_CONDITIONS, observed)
    facts = world.facts.get(policy.metadata.name)
    account = figures(facts.risk) if facts else None
    halted = halted_state(facts, executors)
    states = [
        halted,
        _policy_ready(world, policy, halted, facts, observed),
        *_freshness(world, policy, account, facts, observed),
    ]
    out: dict[str, Any] = {"strategies": sum(1 for _ in world.good_strategies(policy.metadata.name))}
    if account is not None:
        out |= {
            "equityDollars": dollars(account.equity),
            "todayDollars": dollars(account.today),
            "drawdown": percent(account.drawdown_ppm),
            "restingOrders": account.resting,
        }
    if facts is not None:
        halt = halt_status(facts)
        if halt is not None:
            out["halt"] = halt
    elif "halt" in observed.before:
        # A record that is away does not end a halt: the mirror is what it is re-asserted from.
        out["halt"] = observed.before["halt"]
    if facts is not None:
        out["record"] = mirror_of(facts)
    elif "record" in observed.before:
        out["record"] = observed.before["record"]
    return _with_conditions(out, policy.metadata.generation, states, names.POLICY_CONDITIONS, observed)


def _policy_ready(
    world: World, policy: RiskPolicy, halted: State, facts: PolicyFacts | None, observed: Observed
) -> State:
    if policy.metadata.deletion_timestamp:
        return State(Condition.READY, "False", Reason.DELETED, waiting(observed.left))
    taken = account_refusal(world, policy)
    if taken is not None:
        return State(Condition.READY, "False", taken.reason, taken.message)
    if facts is None:
        return State(Condition.READY, "False", Reason.RECORD_UNREACHABLE, halted.message)
    if facts.latched:
        return State(
            Condition.READY, "False", Reason.HALTED, "; ".join(filter(None, (halted.message, _notice(observed))))
        )
    return _first_fault(observed, names.Role.LEDGER) or State(Condition.READY, "True", Reason.READY, _notice(observed))


def _notice(observed: Observed) -> str:
    """What a process that works wants mended all the same, such as a receiver of alerts that does not answer."""
    told = (observed.reports.get(str(made["metadata"]["name"])) for made in observed.deployments)
    return next(
        (f"{report.process}: {report.message}" for report in told if report and report.ready and report.reason), ""
    )


def _cached(world: World, policy: RiskPolicy, observed: Observed) -> State | None:
    """Which feed or source of the policy's strategies says that what it last knew is no longer what is."""
    for strategy in world.good_strategies(policy.metadata.name):
        feed = feed_of(policy)
        for event in strategy_events(world, strategy):
            told = observed.reports.get(processes.ingest_name(feed, event))
            if told is not None and not told.ready:
                message = f"feed of {event}: {told.message}; no entries, marks at the last good book"
                return State(Condition.DATA_FRESH, "False", Reason.FEED_DOWN, message)
        for source in strategy.spec.sources:
            told = observed.reports.get(processes.source_process(feed, source))
            if told is not None and not told.ready:
                message = f"source {source.name}: {told.message}; on cached data, stakes times degradedKellyMultiplier"
                return State(Condition.DATA_FRESH, "False", Reason.SOURCE_DEGRADED, message)
    return None


def _freshness(
    world: World, policy: RiskPolicy, account: Figures | None, facts: PolicyFacts | None, observed: Observed
) -> list[State]:
    """Breached and DataFresh. Breached says what is now; the latch remembers."""
    if account is None:
        reason = Reason.NO_DATA if facts else Reason.RECORD_UNREACHABLE
        return [State(Condition.BREACHED, "Unknown", reason), State(Condition.DATA_FRESH, "False", reason)]
    spec = policy.spec
    crossed = [
        f"{name} {percent(value)} of at most {percent(limit)}"
        for name, value, limit in (
            ("maxDrawdown", account.drawdown_ppm, spec.max_drawdown),
            ("maxDailyLoss", account.daily_loss_ppm, spec.max_daily_loss),
        )
        if value >= limit
    ]
    breached = (
        State(Condition.BREACHED, "True", Reason.LIMIT_CROSSED, ", ".join(crossed))
        if crossed
        else State(Condition.BREACHED, "False", Reason.WITHIN_LIMITS)
    )
    age_ms = observed.wall_ms - account.updated_ms
    if age_ms > spec.stale_after_seconds * 1000:
        return [breached, State(Condition.DATA_FRESH, "False", Reason.SAMPLE_STALE, "the ledger has stopped writing")]
    if account.marks:
        return [breached, State(Condition.DATA_FRESH, "False", Reason.SAMPLE_STALE, f"no good mark: {account.marks}")]
    return [breached, _cached(world, policy, observed) or State(Condition.DATA_FRESH, "True", Reason.FRESH)]


def _with_conditions(
    out: dict[str, Any],
    generation: int,
    states: Sequence[State],
    order: Sequence[Condition],
    observed: Observed,
) -> dict[str, Any]:
    listed = conditions(observed.before.get("conditions", ()), states, order, generation, observed.wall_ms)
    return out | {"observedGeneration": generation, "conditions": listed}
