"""PURE: counters of processes that come and go, added up; and the summary of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec

from touchline_operator.adapters.local.view import View
from touchline_operator.decide.money import figures
from trading_logic.contracts.messages import Report
from trading_logic.contracts.record import Cause
from trading_logic.money import DOLLAR_CASH, ONE_PPM

MB = 1_000_000


class HaltSummary(msgspec.Struct, frozen=True):
    """Which limit or person stopped trading, and what the exchange accepted after the halt was confirmed."""

    policy: str
    source: str
    rule: str
    value: str
    limit: str
    venue_accepted_after: int | None


class Summary(msgspec.Struct, frozen=True):
    """The one JSON object at the end of a run. Null: not known."""

    frames: int
    gaps: int
    signals: int
    decisions: int
    refusals: dict[str, int]
    intents: int
    orders: int
    fills: int
    fees_dollars: float
    pnl_dollars: float
    equity_dollars: float | None
    drawdown: float
    resting_orders: int
    venue_accepted_orders: int | None
    halted: HaltSummary | None
    seconds_to_first_decision: float | None
    resident_mb: dict[str, float]


class Tally:
    """Adds up counters over restarts: a process that starts anew starts its counters at zero."""

    def __init__(self) -> None:
        self._live: dict[str, Report] = {}
        self._before: dict[str, Counter[str]] = {}
        self.resident: dict[str, int] = {}

    def see(self, reports: Mapping[str, Report]) -> None:
        for name, report in reports.items():
            known = self._live.get(name)
            if known is not None and known.started_ms != report.started_ms:
                past = self._before.setdefault(report.role, Counter())
                past.update(known.counters)
            self._live[name] = report
            self.resident[name] = max(self.resident.get(name, 0), report.resident_bytes)

    def counters(self, role: str) -> Counter[str]:
        """All counters of a role, over all its processes and their restarts."""
        total = Counter(self._before.get(role, Counter()))
        for report in self._live.values():
            if report.role == role:
                total.update(report.counters)
        return total


def refusals(tally: Tally, view: View) -> dict[str, int]:
    """Rule -> how often it said no, in the decision and at the gate together."""
    total: Counter[str] = Counter()
    for name, n in tally.counters("decision").items():
        rule = name.removeprefix("refusals:")
        if rule != name:
            total[rule] += n
    for counts in view.counts.values():
        for name, n in counts.items():
            rule = name.removeprefix("dropped:")
            if rule != name:
                total[rule] += n
    return dict(sorted(total.items(), key=lambda pair: (-pair[1], pair[0])))


def summarize(
    tally: Tally,
    view: View,
    *,
    accepts: list[dict[str, Any]] | None,
    began_ms: int,
    helpers: Mapping[str, int],
) -> Summary:
    """The run in figures. `accepts` is the simulator's own log, None on a real exchange; `helpers` bytes by name."""
    accounts = [account for facts in view.facts.values() if (account := figures(facts.risk)) is not None]
    first = min(view.first_decision_ms.values(), default=None)
    placed = None if accepts is None else [line for line in accepts if line["kind"] == "order_accepted"]
    decided = tally.counters("decision")
    return Summary(
        frames=tally.counters("ingest")["frames"],
        gaps=tally.counters("ingest")["gaps"],
        signals=tally.counters("consumer")["signals"],
        decisions=decided["decisions"],
        refusals=refusals(tally, view),
        intents=decided["intents"],
        orders=sum(counts.get("accepted", 0) for counts in view.counts.values()),
        fills=sum(view.booked.values()),
        fees_dollars=_dollars(sum(account.fees for account in accounts)),
        pnl_dollars=_dollars(sum(account.pnl for account in accounts)),
        equity_dollars=_dollars(sum(account.equity for account in accounts)) if accounts else None,
        drawdown=max((account.drawdown_ppm for account in accounts), default=0) / ONE_PPM,
        resting_orders=sum(view.open_orders.values()),
        venue_accepted_orders=None if placed is None else len(placed),
        halted=halt_summary(view, placed),
        seconds_to_first_decision=None if first is None else round((first - began_ms) / 1000, 2),
        resident_mb={name: round(n / MB, 1) for name, n in sorted({**tally.resident, **helpers}.items())},
    )


def first_cause(causes: tuple[Cause, ...]) -> Cause:
    """The cause that came first: the others are what followed from it."""
    return min(causes, key=lambda cause: (cause.time_ms, cause.id))


def halt_summary(view: View, placed: list[dict[str, Any]] | None) -> HaltSummary | None:
    """The first policy that is halted, or None."""
    for policy, facts in sorted(view.facts.items()):
        if not facts.latched:
            continue
        cause = first_cause(facts.causes)
        after = None
        if placed is not None and facts.halt is not None and facts.halt.confirmed_ms:
            after = sum(line["wall_ms"] > facts.halt.confirmed_ms for line in placed)
        return HaltSummary(policy, cause.source, cause.rule, cause.value, cause.limit, after)
    return None


def _dollars(cash: int) -> float:
    """Dollars as JSON holds them: for reading, nothing is computed from it."""
    return cash / DOLLAR_CASH


def readable(summary: Summary) -> str:
    """The summary for people."""
    equity = "not known" if summary.equity_dollars is None else f"${summary.equity_dollars:,.2f}"
    venue = "" if summary.venue_accepted_orders is None else f" (the exchange counts {summary.venue_accepted_orders})"
    lines = [
        f"frames {summary.frames}, gaps {summary.gaps}, signals {summary.signals}, decisions {summary.decisions}",
        f"intents {summary.intents}, orders {summary.orders}{venue}, fills {summary.fills}",
        f"resting orders {summary.resting_orders}",
        f"equity {equity}, P&L ${summary.pnl_dollars:,.2f}, fees ${summary.fees_dollars:,.2f}",
        f"drawdown {summary.drawdown:.1%}",
    ]
    if summary.refusals:
        lines.append("refused: " + ", ".join(f"{rule} {n}" for rule, n in summary.refusals.items()))
    halt = summary.halted
    if halt is not None:
        crossed = f": {halt.rule} {halt.value}, limit {halt.limit}" if halt.rule else ""
        after = "" if halt.venue_accepted_after is None else f"; orders accepted after: {halt.venue_accepted_after}"
        lines.append(f"HALTED: policy {halt.policy} by {halt.source}{crossed}{after}")
    return "\n".join(lines) + "\n"
