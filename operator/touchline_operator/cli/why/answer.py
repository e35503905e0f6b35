"""PURE: a run's evidence as the answer to one ticker. Units are those of `trading_logic.contracts`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from touchline_operator.adapters.local.evidence import Evidence, Story, Traded
from trading_logic.contracts.messages import Decision, FillReport, GameState, MarketInfo, TopOfBook
from trading_logic.money import DOLLAR_PRICE
from trading_logic.refusal import Verdict
from trading_logic.stages import DECISION_RULES, DECISION_STAGES, EXCHANGE, stage_of


class Check(msgspec.Struct, frozen=True):
    """One rule: passed, the one that said no, or not asked because another had."""

    rule: str
    value: str
    limit: str
    answer: str  # yes, NO, not asked


class OrderAnswer(msgspec.Struct, frozen=True):
    """One wish and its fate. `gate_age_ms`: how long before the claim the account was read, None when not known."""

    story: Story
    decision: Decision | None
    gate: tuple[Check, ...]
    gate_age_ms: int | None
    fills: tuple[FillReport, ...]
    filled: int
    average_price: int | None  # in the side's own dollars, rounded down
    fees: int
    exits: tuple[str, ...]  # intents that sold it


class DeskAnswer(msgspec.Struct, frozen=True):
    """One strategy on one market."""

    strategy: str
    policy: str
    decision: Decision | None
    checks: tuple[Check, ...]
    orders: tuple[OrderAnswer, ...]  # oldest first


class MarketAnswer(msgspec.Struct, frozen=True):
    """`touchline why` of a market. `pnl` is what its fills gained net of fees, open contracts at their mark."""

    ticker: str
    event: str
    stamp: str
    running: bool
    age_ms: int
    market: MarketInfo
    top: TopOfBook | None
    feed_age_ms: int | None
    game: GameState | None
    title: str
    position: int
    pnl: int | None
    desks: tuple[DeskAnswer, ...]


class Refusing(msgspec.Struct, frozen=True):
    """How often a rule ended the way, and the value and limit of the last time."""

    rule: str
    count: int
    value: str
    limit: str


class StageAnswer(msgspec.Struct, frozen=True):
    """How many came this far; what stopped those that came to the stage before and not here."""

    stage: str
    count: int
    refused: tuple[Refusing, ...]


class FunnelAnswer(msgspec.Struct, frozen=True):
    """One strategy on one event, from signals to fills."""

    strategy: str
    policy: str
    stages: tuple[StageAnswer, ...]
    exits: dict[str, int]


class EventAnswer(msgspec.Struct, frozen=True):
    """`touchline why` of an event."""

    ticker: str
    stamp: str
    running: bool
    age_ms: int
    title: str
    game: GameState | None
    markets: tuple[str, ...]
    funnels: tuple[FunnelAnswer, ...]


def tickers(found: Evidence) -> list[str]:
    """Every event and market of the run."""
    events = dict.fromkeys([*found.catalog, *(desk.event for desk in found.desks.values())])
    return [
        name
        for event in sorted(events)
        for name in (event, *(info.market for info in (found.catalog[event].markets if event in found.catalog else ())))
    ]


# ---------------------------------------------------------------------------------------------- a market


def market_answer(found: Evidence, ticker: str, *, running: bool, now_ms: int) -> MarketAnswer:
    """Raises KeyError for a market that the run does not know."""
    entry = next(e for e in found.catalog.values() if any(info.market == ticker for info in e.markets))
    info = next(info for info in entry.markets if info.market == ticker)
    top = found.tops.get(ticker)
    known = {desk.strategy: desk.policy for desk in found.desks.values() if desk.event == entry.event}
    position, pnl = _worth(found, ticker, info)
    return MarketAnswer(
        ticker=ticker,
        event=entry.event,
        stamp=found.stamp,
        running=running,
        age_ms=now_ms - found.at_ms,
        market=info,
        top=top,
        feed_age_ms=None if top is None else found.at_ms - top.alive_ms,
        game=found.games.get(entry.game),
        title=f"{entry.away} at {entry.home}",
        position=position,
        pnl=pnl,
        desks=tuple(_desk(found, strategy, policy, ticker) for strategy, policy in sorted(known.items())),
    )


def _desk(found: Evidence, strategy: str, policy: str, market: str) -> DeskAnswer:
    decision = next((d for d in found.decisions if (d.strategy, d.market) == (strategy, market)), None)
    stories = [s for s in found.stories.values() if (s.strategy, s.market) == (strategy, market)]
    return DeskAnswer(
        strategy=strategy,
        policy=policy,
        decision=decision,
        checks=decision_checks(decision) if decision else (),
        orders=tuple(_order(found, story, stories) for story in stories),
    )


def decision_checks(decision: Decision) -> tuple[Check, ...]:
    """All rules of a decision in their order, those after the no included."""
    if decision.explanation is None:
        return ()
    asked = decision.explanation.checks
    rest = [rule for rule in DECISION_RULES if rule not in {check.rule for check in asked}]
    return tuple(map(_check, asked)) + tuple(Check(rule, "", "", "not asked") for rule in rest)


def _check(verdict: Verdict) -> Check:
    return Check(verdict.rule, verdict.value, verdict.limit, "yes" if verdict.passed else "NO")


def _order(found: Evidence, story: Story, siblings: list[Story]) -> OrderAnswer:
    order_id = story.order.get("order_id", "")
    fills = tuple(fill for fill in found.fills.values() if order_id and fill.order_id == order_id)
    count = sum(fill.count for fill in fills)
    paid = sum(_side_price(story, fill) * fill.count for fill in fills)
    entry = story.intent is not None and story.intent.kind == "entry"
    later = siblings[siblings.index(story) + 1 :] if entry and count else []
    return OrderAnswer(
        story=story,
        decision=found.trades.get(story.intent_id),
        gate=gate_checks(story),
        gate_age_ms=story.steps[0].at_ms - story.gate_ms if story.gate_ms else None,
        fills=fills,
        filled=count,
        average_price=paid // count if count else None,
        fees=sum(fill.fee for fill in fills),
        exits=tuple(s.intent_id for s in later if s.intent is not None and s.intent.kind == "exit"),
    )


def _side_price(story: Story, fill: FillReport) -> int:
    side = story.intent.side if story.intent else fill.side
    return fill.yes_price if side == "yes" else DOLLAR_PRICE - fill.yes_price


def gate_checks(story: Story) -> tuple[Check, ...]:
    """The gate's rules in order. The gate's own answer stands: what was read before it only gives the values."""
    first = story.steps[0]
    if first.state != "dropped":
        return (*(Check(v.rule, v.value, v.limit, "yes") for v in story.gate), *_last_look(story))
    no = Check(first.rule, first.value, first.limit, "NO")
    at = next((i for i, v in enumerate(story.gate) if v.rule == first.rule), None)
    if at is None:
        return (no,)
    passed = (Check(v.rule, v.value, v.limit, "yes") for v in story.gate[:at])
    return (*passed, no, *(Check(v.rule, "", "", "not asked") for v in story.gate[at + 1 :]))


def _last_look(story: Story) -> tuple[Check, ...]:
    """What stopped an order that the gate had let pass: the last look, the way to the exchange, the exchange."""
    return tuple(
        Check(step.rule if step.rule == EXCHANGE else f"last look: {step.rule}", step.value, step.limit, "NO")
        for step in story.steps
        if step.state == "refused" and step.rule
    )


def _worth(found: Evidence, market: str, info: MarketInfo) -> tuple[int, int | None]:
    """Net position (YES above zero) and what all fills of the market gained, net of fees, when one YES is worth `v`."""
    traded = found.traded.get(market, Traded(0, 0, 0))
    held = traded.count
    value = {"yes": DOLLAR_PRICE, "no": 0}.get(info.result)
    if held and value is None:
        marked = [p for a in found.accounts.values() for p in a.positions if p.market == market and p.count == held]
        if not marked:
            return held, None
        price = marked[0].mark // abs(held)
        value = price if held > 0 else DOLLAR_PRICE - price
    return held, held * (value or 0) - traded.cost - traded.fees


# ---------------------------------------------------------------------------------------------- an event


def event_answer(found: Evidence, event: str, *, running: bool, now_ms: int) -> EventAnswer:
    """The way of an event's signals to fills, one funnel per strategy."""
    entry = found.catalog.get(event)
    return EventAnswer(
        ticker=event,
        stamp=found.stamp,
        running=running,
        age_ms=now_ms - found.at_ms,
        title=f"{entry.away} at {entry.home}" if entry else "not in the catalog yet",
        game=found.games.get(entry.game) if entry else None,
        markets=tuple(info.market for info in entry.markets) if entry else (),
        funnels=tuple(
            _funnel(found, event, strategy, policy)
            for strategy, policy in sorted({(d.strategy, d.policy) for d in found.desks.values() if d.event == event})
        ),
    )


def _funnel(found: Evidence, event: str, strategy: str, policy: str) -> FunnelAnswer:
    signals = sum(
        c.counters.get("signals", 0) for c in found.counted.values() if (c.role, c.subject) == ("consumer", event)
    )
    counts: dict[str, int] = {}
    for process, desk in found.desks.items():
        if (desk.strategy, desk.event) == (strategy, event) and process in found.counted:
            for name, n in found.counted[process].counters.items():
                counts[name] = counts.get(name, 0) + n
    left = counts.get("decisions", 0)
    stages = [StageAnswer("signals", signals, ()), StageAnswer("decisions", left, ())]
    for stage in DECISION_STAGES:
        rules = {
            name.removeprefix("refusals:"): n
            for name, n in counts.items()
            if name.startswith("refusals:") and stage_of(name.removeprefix("refusals:")) == stage
        }
        left -= sum(rules.values())
        told = {rule: found.refused.get(f"{strategy}/{event}/{rule}") for rule in rules}
        stages.append(
            StageAnswer(
                stage,
                left,
                _sorted(
                    Refusing(r, n, d.value if (d := told[r]) else "", d.limit if d else "") for r, n in rules.items()
                ),
            )
        )
    orders = found.orders.get(f"{strategy}/{event}", {})
    stages.append(StageAnswer("intents", counts.get("intents", 0), ()))

    def ours(how: str, key: str) -> Iterator[Refusing]:
        for name, n in orders.items():
            if name.startswith(how):
                rule = name.removeprefix(how)
                step = found.dropped.get(f"{strategy}/{event}/{key}{rule}")
                yield Refusing(rule, n, step.value if step else "", step.limit if step else "")

    stages.append(StageAnswer("claimed", orders.get("claimed", 0), _sorted(ours("dropped:", ""))))
    by_us = list(ours("refused:", "refused:"))
    by_exchange = orders.get("refused", 0) - sum(row.count for row in by_us)
    lasts = (story.steps[-1] for story in reversed(_of(found, strategy, event)))
    no = next((step.reason for step in lasts if step.state == "refused" and not step.rule), "")
    if by_exchange:
        by_us.append(Refusing(EXCHANGE, by_exchange, no, "accepted"))
    stages.append(StageAnswer("accepted", orders.get("accepted", 0), _sorted(by_us)))
    stages.append(StageAnswer("filled", orders.get("filled", 0), ()))
    exits = {name.removeprefix("exit:"): n for name, n in orders.items() if name.startswith("exit:")}
    return FunnelAnswer(strategy, policy, tuple(stages), exits)


def _of(found: Evidence, strategy: str, event: str) -> list[Story]:
    return [story for story in found.stories.values() if (story.strategy, story.event) == (strategy, event)]


def _sorted(rows: Iterable[Refusing]) -> tuple[Refusing, ...]:
    return tuple(sorted(rows, key=lambda row: (-row.count, row.rule)))
