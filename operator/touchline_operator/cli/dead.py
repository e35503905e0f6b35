"""`touchline dead list|show|requeue`: what no process could handle."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from touchline_operator.adapters.letters import Letter, decoded, letters, refusal, requeue
from touchline_operator.adapters.local.clock import SystemClock
from touchline_operator.adapters.local.folder import Folder, FolderError
from touchline_operator.cli.errors import BAD_INPUT, FAILED, OK, CommandError
from touchline_operator.cli.get import columns
from touchline_operator.ports import RecordUnreachableError
from trading_logic.contracts.codec import CodecError

HEAD = ("ID", "STREAM", "GROUP", "ENTRY", "AGE", "DELIVERIES", "BYTES", "REASON")


@dataclass(frozen=True, slots=True)
class DeadWish:
    """What the command line said; addresses are those of the running `up` when empty."""

    action: Literal["list", "show", "requeue"]
    id: str
    bus_url: str
    record_url: str
    namespace: str
    json: bool


def dead(wish: DeadWish) -> int:
    """0 done; 1 refused or not reachable; 2 no such letter. Raises CommandError."""
    try:
        return asyncio.run(_dead(wish))
    except (RecordUnreachableError, FolderError) as error:
        raise CommandError(str(error)) from error


async def _dead(wish: DeadWish) -> int:
    found = await letters(_urls(wish), wish.namespace)
    now_ms = SystemClock().wall_ms()
    if wish.action == "list":
        return _list(found, now_ms, as_json=wish.json)
    one = _one(found, wish.id)
    return (
        _show(one, now_ms, as_json=wish.json)
        if wish.action == "show"
        else await _requeue(one, now_ms, as_json=wish.json)
    )


def _urls(wish: DeadWish) -> list[tuple[str, str]]:
    running = Folder(Path.cwd()).running()
    bus, record = wish.bus_url, wish.record_url
    if running is not None:
        bus, record = bus or running.bus_url, record or running.record_url
    if not (bus or record):
        raise CommandError(
            f"dead: touchline up does not run in {Path.cwd()}: start it, or name --bus-url and --record-url", BAD_INPUT
        )
    return [(role, url) for role, url in (("bus", bus), ("record", record)) if url]


def _one(found: list[Letter], named: str) -> Letter:
    for letter in found:
        if letter.id == named:
            return letter
    known = ", ".join(letter.id for letter in found) or "none"
    raise CommandError(f"dead: no dead letter {named}; there is: {known}", BAD_INPUT)


def _head(one: Letter, now_ms: int) -> dict[str, Any]:
    told = one.letter
    return {
        "id": one.id,
        "redis": one.role,
        "stream": told.stream,
        "group": told.group,
        "entry": told.entry_id,
        "ageMs": now_ms - told.at_ms,
        "deliveries": told.deliveries,
        "bytes": len(told.body),
        "reason": told.reason,
    }


def _list(found: list[Letter], now_ms: int, *, as_json: bool) -> int:
    heads = [_head(letter, now_ms) for letter in found]
    if as_json:
        sys.stdout.write(msgspec.json.encode(heads).decode() + "\n")
    elif not heads:
        sys.stdout.write("no dead letters\n")
    else:
        rows: list[tuple[str, ...]] = [
            (
                h["id"],
                h["stream"],
                h["group"],
                h["entry"],
                f"{h['ageMs'] // 1000}s",
                str(h["deliveries"]),
                str(h["bytes"]),
                h["reason"],
            )
            for h in heads
        ]
        sys.stdout.write(columns(HEAD, rows))
    return OK


def _show(one: Letter, now_ms: int, *, as_json: bool) -> int:
    shown = _head(one, now_ms)
    try:
        shown["body"] = decoded(one)
    except CodecError as error:
        shown |= {"notReadable": str(error), "hex": one.letter.body.hex()}
    body = msgspec.json.encode(shown)
    sys.stdout.write((body if as_json else msgspec.json.format(body, indent=2)).decode() + "\n")
    return OK


async def _requeue(one: Letter, now_ms: int, *, as_json: bool) -> int:
    no = refusal(one, now_ms)
    if no is not None:
        if as_json:
            sys.stdout.write(msgspec.json.encode({"id": one.id, "requeued": None, "refused": no}).decode() + "\n")
        raise CommandError(
            f"dead: {one.id} stays: {no.rule}: {no.value}, limit {no.limit}: the gate would drop it anyway",
            FAILED,
        )
    try:
        entry = await requeue(one)
    except KeyError as error:
        raise CommandError(f"dead: {one.id} is gone: somebody else has requeued it", FAILED) from error
    if as_json:
        sys.stdout.write(msgspec.json.encode({"id": one.id, "requeued": entry, "refused": None}).decode() + "\n")
    else:
        sys.stdout.write(f"{one.id}: back in {one.letter.stream} as {entry}; every group of it reads it again\n")
    return OK
