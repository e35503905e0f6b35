"""PURE: one policy's latch, leases and identity, and what the processes say of themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from touchline_operator.cli.doctor.judge import Check
from touchline_operator.decide.mirror import behind
from touchline_operator.desired.world import PolicyFacts
from trading_logic.contracts.messages import Report

LEASE_LIMIT = "held"


class Leases(msgspec.Struct, frozen=True):
    """Milliseconds that each lease still lives; 0 or less: nobody holds it. `writers` by strategy."""

    ledger_ms: int
    trading_ms: int
    writers: dict[str, int]


def policy_checks(
    policy: str, facts: PolicyFacts, leases: Leases, status: Mapping[str, Any], idle: set[str]
) -> list[Check]:
    """`status` is the policy's as it was last written; `idle` are strategies that want no executor."""
    found = [_latch(policy, facts), _incarnation(policy, facts, status)]
    remedy = "see the log of its ledger: without one nothing is traded"
    found.append(_lease(f"lease ledger {policy}", leases.ledger_ms, remedy, needed=True))
    remedy = "see the log of its ledger: it grants none until its books agree with the exchange"
    found.append(_lease(f"lease trading {policy}", leases.trading_ms, remedy, needed=not facts.latched))
    for strategy, left in sorted(leases.writers.items()):
        needed = not facts.latched and strategy not in idle
        found.append(_lease(f"lease writer {strategy}", left, "see the log of its executor", needed=needed))
    return found


def _latch(policy: str, facts: PolicyFacts) -> Check:
    if not facts.latched:
        return Check("OK", f"latch {policy}", "none", "none")
    causes = ", ".join(f"{cause.source} ({cause.id})" for cause in facts.causes)
    return Check("WARN", f"latch {policy}", causes, "none", f"touchline resume {policy}, when the cause is understood")


def _incarnation(policy: str, facts: PolicyFacts, status: Mapping[str, Any]) -> Check:
    name = f"incarnation {policy}"
    if not facts.incarnation:
        return Check("BLOCK", name, "none", "one", "no ledger has started on this record; see its log")
    changed = any(cause.source == "RedisChanged" for cause in facts.causes)
    why = behind(status, facts)
    if why or changed:
        remedy = (
            f"the record is not the one that was written: compare with the exchange, then touchline resume {policy}"
        )
        return Check("BLOCK", name, why or "changed", "as in the status", remedy)
    return Check("OK", name, facts.incarnation, "as in the status")


def _lease(name: str, left_ms: int, remedy: str, *, needed: bool) -> Check:
    if left_ms > 0:
        return Check("OK", name, f"held, {left_ms} ms left", LEASE_LIMIT)
    if not needed:
        return Check("OK", name, "not held: nothing may trade", "not held")
    return Check("BLOCK", name, "not held", LEASE_LIMIT, remedy)


def report_checks(reports: Mapping[str, Report]) -> list[Check]:
    """Processes that say they are not ready."""
    found = [
        Check("WARN", f"process {name}", f"{report.reason or 'not ready'}: {report.message}", "ready", "see its log")
        for name, report in sorted(reports.items())
        if not report.ready or report.reason
    ]
    return found or [Check("OK", "processes", f"{len(reports)} ready", "all ready")]
