"""`touchline doctor`: look at everything there is, judge it, print it. Reads only."""

from __future__ import annotations

import asyncio
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from touchline_operator.adapters import inspect
from touchline_operator.adapters.local.clock import SystemClock
from touchline_operator.adapters.local.folder import Folder, FolderError, RunInfo
from touchline_operator.adapters.redis import RedisRiskFeed
from touchline_operator.cli.doctor import judge
from touchline_operator.cli.doctor.cluster import cluster_checks
from touchline_operator.cli.doctor.judge import Check, Role
from touchline_operator.cli.doctor.policies import Leases, policy_checks, report_checks
from touchline_operator.cli.doctor.probe import exchanges, probe
from touchline_operator.cli.errors import CommandError
from touchline_operator.cli.get import shown
from touchline_operator.cli.render import show
from touchline_operator.ports import RecordUnreachableError
from trading_logic.contracts import config

CODES: dict[judge.Level, int] = {"OK": 0, "WARN": 1, "BLOCK": 2}
HEAD = ("", "check", "value", "limit", "remedy")
START = "touchline up FILES"


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line said: other Redis addresses than those of the running `up`, and how to print."""

    bus_url: str
    record_url: str
    namespace: str
    json: bool


@dataclass(frozen=True, slots=True)
class Sheet:
    """The checks as a table."""

    title: str
    rows: list[tuple[str, ...]]
    head: tuple[str, ...] = HEAD


def doctor(wish: Wish) -> int:
    """0 all OK, 1 something is a WARN, 2 something is a BLOCK. Raises CommandError when nothing can be looked at."""
    folder = Folder(Path.cwd())
    try:
        running = folder.running()
        checks = [_running(running), *asyncio.run(_look(folder, running, wish))]
    except FolderError as error:
        raise CommandError(str(error)) from error
    level = judge.worst(checks)
    if wish.json:
        sys.stdout.write(msgspec.json.encode({"level": level, "checks": checks}).decode() + "\n")
    else:
        rows: list[tuple[str, ...]] = [(c.level, c.name, c.value, c.limit, c.remedy) for c in checks]
        show([Sheet(f"doctor: {level}", rows)])
    return CODES[level]


def _running(running: RunInfo | None) -> Check:
    if running is not None:
        return Check("OK", "touchline up", f"process {running.pid}", "running")
    return judge.unknown("touchline up", f"not running in {Path.cwd()}", "running", START)


async def _look(folder: Folder, running: RunInfo | None, wish: Wish) -> list[Check]:
    clock = SystemClock()
    checks = files(folder)
    bus = wish.bus_url or (running.bus_url if running else "")
    record = wish.record_url or (running.record_url if running else "")
    checks += [*await redis("bus", bus), *await redis("record", record)]
    if bus and record:
        feed = RedisRiskFeed(wish.namespace, bus, record)
        try:
            checks += await _stores(folder, feed, wish.namespace, clock.wall_ms())
        except RecordUnreachableError as error:
            checks.append(judge.unknown("leases, feeds and processes", str(error), "an answer", "see redis above"))
        finally:
            await feed.close()
    else:
        checks.append(judge.unknown("leases, feeds and processes", "no Redis is known", "an answer", START))
    checks += await asyncio.to_thread(_exchange, folder, running)
    return checks + await cluster_checks(clock, wish.namespace)


def files(folder: Folder) -> list[Check]:
    """Key files and the room for the record."""
    keys = sorted(path for path in folder.secrets.glob("*/*") if path.is_file())
    checks = [judge.mode_check(str(path.relative_to(folder.root.parent)), path.stat().st_mode & 0o777) for path in keys]
    try:
        run = folder.run_folder("")
    except FolderError as error:
        return [*checks, judge.unknown("disk record", str(error), "room", START)]
    record = next((path for path in (run / "record", folder.root / "record") if path.exists()), run / "record")
    free = shutil.disk_usage(record).free if record.exists() else None
    return [*checks, judge.disk_check(str(record.relative_to(folder.root.parent)), free)]


async def redis(role: Role, url: str) -> list[Check]:
    """One role's server."""
    if not url:
        return [judge.unknown(f"redis {role}", "no address is known", "an answer", f"{START}, or --{role}-url URL")]
    try:
        settings, info = await inspect.server(url, list(judge.SETTINGS[role]))
    except RecordUnreachableError as error:
        return [Check("BLOCK", f"redis {role}", str(error), "an answer", "see its log: nothing is traded without it")]
    up = Check("OK", f"redis {role}", f"version {info.get('redis_version')}", "an answer")
    return [up, *judge.redis_checks(role, settings, info)]


async def _stores(folder: Folder, feed: RedisRiskFeed, namespace: str, now_ms: int) -> list[Check]:
    resources = shown(folder)
    strategies = [raw for raw in resources if raw["kind"] == "TradingStrategy"]
    checks: list[Check] = []
    for raw in resources:
        if raw["kind"] == "RiskPolicy":
            checks += await _policy(raw, strategies, feed, namespace)
    for ticker, name in sorted(_events(folder).items()):
        entry, tops = await inspect.event(feed, namespace, name, ticker)
        checks += judge.feed_checks(ticker, entry, tops, now_ms)
    return checks + report_checks(await feed.reports())


async def _policy(
    raw: dict[str, Any], strategies: list[dict[str, Any]], feed: RedisRiskFeed, namespace: str
) -> list[Check]:
    policy = raw["metadata"]["name"]
    mine = [s for s in strategies if s["spec"]["riskPolicyRef"]["name"] == policy]
    names = [s["metadata"]["name"] for s in mine]
    idle = {s["metadata"]["name"] for s in mine if s.get("status", {}).get("replicas") == 0}
    facts = await feed.facts(policy)
    ledger, trading, *writers = await inspect.leases(feed, namespace, policy, names)
    leases = Leases(ledger, trading, dict(zip(names, writers, strict=True)))
    return policy_checks(policy, facts, leases, raw.get("status", {}), idle)


def _events(folder: Folder) -> dict[str, str]:
    """Event -> feed, of the running ingests."""
    found: dict[str, str] = {}
    for path in (folder.run_folder("") / "config").glob("*-ingest-*/config.json"):
        made = config.decode(path.read_bytes(), config.Ingest)
        found[made.event] = made.feed
    return found


def _exchange(folder: Folder, running: RunInfo | None) -> list[Check]:
    """The keys that processes use are tried while they run: a simulator's are worth nothing after."""
    if running is None:
        return [judge.unknown("exchange, key and clock", "no run says which exchange", "an answer", START)]
    asked = exchanges(folder.run_folder("") / "config")
    return (
        probe(asked)
        if asked
        else [judge.unknown("exchange, key and clock", "no process uses one yet", "an answer", "wait")]
    )
