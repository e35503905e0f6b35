"""`touchline get`: both kinds as kubectl would print them."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from touchline_operator.adapters.local.clock import SystemClock
from touchline_operator.adapters.local.folder import Folder
from touchline_operator.cli.errors import OK, CommandError
from touchline_operator.decide.conditions import rfc3339
from touchline_operator.names import API_VERSION

STRATEGY_COLUMNS = ("NAME", "MODE", "MARKETS", "FEED", "POS", "TODAY", "DRAWDOWN", "READY", "HALTED", "AGE")
POLICY_COLUMNS = ("NAME", "HALT", "HALTED", "REASON", "EQUITY", "TODAY", "DRAWDOWN", "AGE")


def shown(folder: Folder) -> list[dict[str, Any]]:
    """Resources with status as the running (or last) `up` left them."""
    found = []
    for path in sorted(folder.shown.glob("*.json")):
        try:
            found.append(msgspec.json.decode(path.read_bytes(), type=dict[str, Any]))
        except msgspec.MsgspecError as error:
            raise CommandError(f"{path}: {error}; delete the file and start touchline up") from error
    return found


def condition(raw: dict[str, Any], kind: str) -> dict[str, Any]:
    """A condition of a resource; Unknown when it was never written."""
    listed = raw.get("status", {}).get("conditions", [])
    return next((c for c in listed if c["type"] == kind), {"status": "Unknown", "reason": "", "message": ""})


def age(created: str, now: str) -> str:
    """Time between two RFC 3339 stamps, as kubectl says it."""
    seconds = int((datetime.fromisoformat(now) - datetime.fromisoformat(created)).total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _strategy_row(raw: dict[str, Any], now: str) -> tuple[str, ...]:
    spec, status, meta = raw["spec"], raw.get("status", {}), raw["metadata"]
    return (
        meta["name"],
        spec["mode"],
        ",".join(market["name"] for market in spec["markets"]),
        status.get("feed", "-"),
        status.get("positionContracts", "-"),
        status.get("todayDollars", "-"),
        status.get("drawdown", "-"),
        condition(raw, "Ready")["status"],
        condition(raw, "Halted")["status"],
        age(meta["creationTimestamp"], now),
    )


def _policy_row(raw: dict[str, Any], now: str) -> tuple[str, ...]:
    spec, status, meta = raw["spec"], raw.get("status", {}), raw["metadata"]
    halted = condition(raw, "Halted")
    return (
        meta["name"],
        str(spec.get("halt", False)).lower(),
        halted["status"],
        halted["reason"] or "-",
        status.get("equityDollars", "-"),
        status.get("todayDollars", "-"),
        status.get("drawdown", "-"),
        age(meta["creationTimestamp"], now),
    )


def columns(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Left-aligned columns, three spaces apart."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = ("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [head, *rows])
    return "\n".join(line.rstrip() for line in lines) + "\n"


def get(*, as_json: bool) -> int:
    """Print what is known. Raises CommandError when no `up` ever ran here."""
    folder = Folder(Path.cwd())
    found = shown(folder)
    if not found:
        raise CommandError(f"nothing to show: no touchline up has run in {Path.cwd()}")
    running = folder.running() is not None
    if as_json:
        body = {"apiVersion": API_VERSION, "kind": "List", "running": running, "items": found}
        sys.stdout.write(msgspec.json.encode(body).decode() + "\n")
        return OK
    now = rfc3339(SystemClock().wall_ms())
    strategies = [_strategy_row(raw, now) for raw in found if raw["kind"] == "TradingStrategy"]
    policies = [_policy_row(raw, now) for raw in found if raw["kind"] == "RiskPolicy"]
    tables = [columns(STRATEGY_COLUMNS, strategies)] if strategies else []
    tables += [columns(POLICY_COLUMNS, policies)] if policies else []
    sys.stdout.write("\n".join(tables))
    for raw in found:
        ready = condition(raw, "Ready")
        if ready["status"] == "False":
            sys.stdout.write(f"\n{raw['kind']}/{raw['metadata']['name']}: {ready['reason']}: {ready['message']}")
    if any(condition(raw, "Ready")["status"] == "False" for raw in found):
        sys.stdout.write("\n")
    if not running:
        sys.stderr.write("touchline: touchline up is not running here: this is what it left\n")
    return OK
