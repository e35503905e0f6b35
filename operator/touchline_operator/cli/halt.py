"""`touchline halt` and `touchline resume`: write the overlay, read back, wait for the truth."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from touchline_operator.adapters.local.clock import SystemClock
from touchline_operator.adapters.local.folder import Folder, FolderError, RunInfo
from touchline_operator.adapters.local.resources import Overlay, Resume, read_overlay, write_overlay
from touchline_operator.adapters.redis import RedisRiskFeed
from touchline_operator.api.files import ResourceFileError
from touchline_operator.cli.errors import BAD_INPUT, FAILED, OK, CommandError
from touchline_operator.cli.get import condition, shown
from touchline_operator.desired.world import PolicyFacts
from touchline_operator.ports import RecordUnreachableError
from trading_logic.contracts.record import MANUAL_CAUSE, Cause

REACT_S = 1.0
"""`up` and the ledger both act on the overlay; when neither has after this long, the command latches by itself."""
HALT_WAIT_S = 30.0
RESUME_WAIT_S = 30.0
POLL_S = 0.1
MAX_REASON = 512
CLI_CAUSE = "cli-"


@dataclass
class Outcome:
    """What a command found in the end, for --json and for people."""

    policy: str
    halted: bool
    resting: int | None
    message: str
    causes: list[str]


def _policies(folder: Folder) -> list[str]:
    return [raw["metadata"]["name"] for raw in shown(folder) if raw["kind"] == "RiskPolicy"]


def choose(folder: Folder, named: str | None) -> str:
    """The policy that is meant: the named one, or the only one. Raises CommandError."""
    known = _policies(folder)
    if not known:
        raise CommandError(f"no RiskPolicy is known here: no touchline up has run in {Path.cwd()}")
    if named is not None and named not in known:
        raise CommandError(f"no RiskPolicy {named} here; there is: {', '.join(known)}", BAD_INPUT)
    if named is None and len(known) > 1:
        raise CommandError(f"which policy? name one of: {', '.join(known)}", BAD_INPUT)
    return named or known[0]


def _status(folder: Folder, policy: str) -> dict[str, Any]:
    return next(r for r in shown(folder) if r["kind"] == "RiskPolicy" and r["metadata"]["name"] == policy)


def halt(named: str | None, reason: str, *, as_json: bool) -> int:
    """Halt a policy and wait until it is true. 0 halted and confirmed, 1 not (yet) confirmed."""
    if len(reason) > MAX_REASON:
        raise CommandError(f"--reason: {len(reason)} characters; allowed: {MAX_REASON} or fewer", BAD_INPUT)
    folder = Folder(Path.cwd())
    try:
        policy = choose(folder, named)
        before = read_overlay(folder, policy)
        write_overlay(folder, policy, Overlay(halt=True, halt_reason=reason or "touchline halt", resume=before.resume))
        run = folder.last_run() or folder.running()
    except (ResourceFileError, FolderError) as error:
        raise CommandError(str(error)) from error
    if run is None:
        return _say(
            Outcome(
                policy,
                halted=True,
                resting=None,
                causes=[],
                message=("written down: nothing runs here now, and the next touchline up starts halted"),
            ),
            as_json,
            OK,
        )
    outcome = asyncio.run(_halt(folder, run, policy, reason))
    return _say(outcome, as_json, OK if outcome.halted else FAILED)


async def _halt(folder: Folder, run: RunInfo, policy: str, reason: str) -> Outcome:
    feed, clock = RedisRiskFeed(run.namespace, run.bus_url, run.record_url), SystemClock()
    began = time.monotonic()
    facts: PolicyFacts | None = None
    try:
        while time.monotonic() - began < HALT_WAIT_S:
            try:
                facts = await feed.facts(policy)
                if not facts.latched and time.monotonic() - began > REACT_S:
                    await feed.add_cause(policy, _own_cause(clock, reason), clock.wall_ms())
                    continue
            except RecordUnreachableError as error:
                if time.monotonic() - began > REACT_S and folder.running() is None:
                    raise CommandError(
                        f"{error}; touchline up does not run either: the halt is written down for its next start, "
                        "but look at the exchange for resting orders"
                    ) from error
            halted = condition(_status(folder, policy), "Halted")
            if halted["status"] == "True" or (facts is not None and facts.confirmed and folder.running() is None):
                return Outcome(policy, halted=True, resting=0, message="halted: nothing rests", causes=_ids(facts))
            await asyncio.sleep(POLL_S)
    finally:
        await feed.close()
    resting = facts.halt.resting if facts is not None and facts.halt is not None else None
    shown_rest = "how many orders rest is not known" if resting is None else f"{resting} orders rest"
    latched = "latched, so no new order is sent" if facts is not None and facts.latched else "not latched"
    return Outcome(
        policy,
        halted=False,
        resting=resting,
        causes=_ids(facts),
        message=(f"not confirmed after {HALT_WAIT_S:.0f} s: {latched}; {shown_rest}"),
    )


def halt_far(named: str | None, record_url: str, namespace: str, reason: str, *, as_json: bool) -> int:
    """Latch in a record elsewhere, for when its API server does not answer; its ledger and executors obey the record.

    0 once the ledger there has confirmed it, 1 when it has not (yet). Its operator mirrors the cause when it is back.
    """
    if named is None or not record_url or not namespace:
        raise CommandError("a halt elsewhere needs all three: POLICY, --record URL, --namespace NAME", BAD_INPUT)
    if len(reason) > MAX_REASON:
        raise CommandError(f"--reason: {len(reason)} characters; allowed: {MAX_REASON} or fewer", BAD_INPUT)
    outcome = asyncio.run(_halt_far(named, record_url, namespace, reason))
    return _say(outcome, as_json, OK if outcome.halted else FAILED)


async def _halt_far(policy: str, record_url: str, namespace: str, reason: str) -> Outcome:
    feed, clock = RedisRiskFeed(namespace, record_url, record_url), SystemClock()
    deadline = time.monotonic() + HALT_WAIT_S
    try:
        facts = await feed.facts(policy)
        if not facts.incarnation:
            known = f"no ledger of a RiskPolicy {policy} in namespace {namespace} has ever written there"
            raise CommandError(f"record Redis at {record_url}: {known}", BAD_INPUT)
        await feed.add_cause(policy, _own_cause(clock, reason), clock.wall_ms())
        while not facts.confirmed and time.monotonic() < deadline:
            await asyncio.sleep(POLL_S)
            facts = await feed.facts(policy)
    except RecordUnreachableError as error:
        raise CommandError(str(error)) from error
    finally:
        await feed.close()
    resting = facts.halt.resting if facts.halt is not None else None
    message = (
        "halted: nothing rests"
        if facts.confirmed
        else f"latched, so no new order is sent; not confirmed after {HALT_WAIT_S:.0f} s: does its ledger run?"
    )
    return Outcome(policy, halted=facts.confirmed, resting=resting, message=message, causes=_ids(facts))


def _own_cause(clock: SystemClock, reason: str) -> Cause:
    return Cause(
        id=f"{CLI_CAUSE}{clock.new_id()}",
        source="Manual",
        reason=reason or "touchline halt",
        by=f"touchline halt by {_who()}",
        time_ms=clock.wall_ms(),
    )


def _ids(facts: PolicyFacts | None) -> list[str]:
    return sorted(cause.id for cause in facts.causes) if facts else []


def _who() -> str:
    with contextlib.suppress(KeyError, OSError):
        return getpass.getuser()
    return "unknown"


def resume(named: str | None, halt_id: str, *, rebaseline: bool, as_json: bool) -> int:
    """Take causes away and wait until trading is allowed. 0 resumed, 1 something still halts."""
    folder = Folder(Path.cwd())
    try:
        policy = choose(folder, named)
        before = read_overlay(folder, policy)
        run = folder.running()
        manual = halt_id in {"", MANUAL_CAUSE}
        wish = before.resume if manual else Resume(halt_id, rebaseline)
        keep = before.halt and not manual
        write_overlay(folder, policy, Overlay(halt=keep, halt_reason=before.halt_reason if keep else "", resume=wish))
    except (ResourceFileError, FolderError) as error:
        raise CommandError(str(error)) from error
    if run is None:
        return _say(
            Outcome(policy, halted=False, resting=None, causes=[], message=("written down: nothing runs here now")),
            as_json,
            OK,
        )
    outcome = asyncio.run(_resume(folder, run, policy, halt_id))
    return _say(outcome, as_json, FAILED if outcome.halted else OK)


async def _resume(folder: Folder, run: RunInfo, policy: str, halt_id: str) -> Outcome:
    feed = RedisRiskFeed(run.namespace, run.bus_url, run.record_url)
    deadline = time.monotonic() + RESUME_WAIT_S
    target = halt_id or MANUAL_CAUSE
    causes: list[Cause] = []
    try:
        while time.monotonic() < deadline:
            facts = await feed.facts(policy)
            causes = sorted(facts.causes, key=lambda cause: (cause.time_ms, cause.id))
            if not causes:
                return Outcome(policy, halted=False, resting=None, message="resumed", causes=[])
            if all(cause.id != target for cause in causes):
                # What `touchline halt` itself latched while nothing reacted is as manual as the overlay's halt.
                own = next((cause.id for cause in causes if cause.id.startswith(CLI_CAUSE)), None)
                if halt_id or own is None:
                    break
                target = own
                write_overlay(folder, policy, Overlay(resume=Resume(own)))
            await asyncio.sleep(POLL_S)
    except RecordUnreachableError as error:
        raise CommandError(f"{error}; the resume is written down") from error
    finally:
        await feed.close()
    names = "; ".join(
        f"{cause.source}: {cause.reason or cause.id} (touchline resume {policy} --halt-id {cause.id})"
        for cause in causes
    )
    note = await _ledger_note(run, policy)
    message = f"still halted by {names}{note}"
    return Outcome(policy, halted=True, resting=None, causes=[c.id for c in causes], message=message)


async def _ledger_note(run: RunInfo, policy: str) -> str:
    """What the ledger says of itself: it knows why a resume is refused."""
    feed = RedisRiskFeed(run.namespace, run.bus_url, run.record_url)
    try:
        reports = await feed.reports()
    except RecordUnreachableError:
        return "; the bus Redis does not answer"
    finally:
        await feed.close()
    told = [r for r in reports.values() if r.role == "ledger" and r.subject == policy and r.message]
    return f"; the ledger says: {told[0].message}" if told else ""


def _say(outcome: Outcome, as_json: bool, code: int) -> int:
    if as_json:
        body = {
            "policy": outcome.policy,
            "halted": outcome.halted,
            "restingOrders": outcome.resting,
            "causes": outcome.causes,
            "message": outcome.message,
        }
        sys.stdout.write(msgspec.json.encode(body).decode() + "\n")
    elif code == OK:
        sys.stdout.write(f"riskpolicy/{outcome.policy}: {outcome.message}\n")
    if code != OK:
        sys.stderr.write(f"touchline: riskpolicy/{outcome.policy}: {outcome.message}\n")
    return code
