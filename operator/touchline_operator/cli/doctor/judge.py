"""PURE: what was found against what must be. What could not be looked at is a WARN, never an OK."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec

from trading_logic.contracts.messages import CatalogEntry, TopOfBook
from trading_logic.fees import SCHEDULE_DATE

Level = Literal["OK", "WARN", "BLOCK"]
_RANK: Final[dict[Level, int]] = {"OK": 0, "WARN": 1, "BLOCK": 2}

CLOCK_WARN_MS: Final = 1_000
CLOCK_BLOCK_MS: Final = 5_000
"""Signatures and expiration times carry our clock: this far off, the exchange may refuse all of them."""
FEED_OK_MS: Final = 2_000
"""Decisions refuse an older book."""
FEED_BLOCK_MS: Final = 10_000
CATALOG_WARN_MS: Final = 60_000
DISK_WARN: Final = 2_000_000_000
DISK_BLOCK: Final = 200_000_000
MEMORY_WARN: Final = 80
MEMORY_BLOCK: Final = 95

Role = Literal["bus", "record"]
RECORD_SETTINGS: Final[dict[str, str]] = {
    "appendonly": "yes",
    "appendfsync": "always",
    "aof-load-truncated": "no",
    "maxmemory-policy": "noeviction",
}
BUS_SETTINGS: Final[dict[str, str]] = {"maxmemory-policy": "noeviction"}
SETTINGS: Final[dict[Role, dict[str, str]]] = {"record": RECORD_SETTINGS, "bus": BUS_SETTINGS}

_WHY: Final[dict[str, str]] = {
    "appendonly": "what is acknowledged would be lost with the process",
    "appendfsync": "a claimed order could be forgotten and sent again",
    "aof-load-truncated": "a broken file would be cut silently",
    "maxmemory-policy": "full must be an error, never a lost key",
}


class Check(msgspec.Struct, frozen=True):
    """One check. `remedy` says what to do, "" when nothing."""

    level: Level
    name: str
    value: str
    limit: str
    remedy: str = ""


def worst(checks: Sequence[Check]) -> Level:
    """The highest level; OK for none."""
    return max((check.level for check in checks), key=_RANK.__getitem__, default="OK")


def graded(name: str, value: str, amount: int, warn: int, block: int, limit: str, remedy: str) -> Check:
    """A check of an amount that must stay at or below its limits."""
    level: Level = "OK" if amount <= warn else "WARN" if amount <= block else "BLOCK"
    return Check(level, name, value, limit, "" if level == "OK" else remedy)


def unknown(name: str, why: str, limit: str, remedy: str) -> Check:
    """What could not be looked at."""
    return Check("WARN", name, f"not checked: {why}", limit, remedy)


# ---------------------------------------------------------------------------------------------- Redis


def redis_checks(role: Role, settings: Mapping[str, str] | None, info: Mapping[str, str]) -> list[Check]:
    """One role's settings (None: the server does not tell), replication, memory and last write."""
    name = f"redis {role}"
    found: list[Check] = []
    for key, wanted in SETTINGS[role].items():
        if settings is None:
            remedy = f"see in its configuration that {key} is {wanted}: {_WHY[key]}"
            found.append(unknown(f"{name} {key}", "CONFIG GET is refused", wanted, remedy))
            continue
        value = settings.get(key, "absent")
        remedy = f"redis-cli CONFIG SET {key} {wanted}, and in its configuration: {_WHY[key]}"
        good = value == wanted
        found.append(Check("OK" if good else "BLOCK", f"{name} {key}", value, wanted, "" if good else remedy))
    if role == "record":
        found.append(_alone(name, info))
        written = info.get("aof_last_write_status", "absent")
        good = written == "ok"
        remedy = "see the server's log; free the disk"
        found.append(Check("OK" if good else "BLOCK", f"{name} last write", written, "ok", "" if good else remedy))
    found.append(_memory(name, info))
    return found


def _alone(name: str, info: Mapping[str, str]) -> Check:
    role, replicas = info.get("role", "absent"), info.get("connected_slaves", "absent")
    good = role == "master" and replicas == "0"
    remedy = "run the record without replica and fail-over: a promoted replica may lack the last claims"
    return Check(
        "OK" if good else "BLOCK", f"{name} replication", f"{role}, {replicas} replicas", "master, 0 replicas",
        "" if good else remedy,
    )  # fmt: skip


def _memory(name: str, info: Mapping[str, str]) -> Check:
    most, used = int(info.get("maxmemory", "0")), int(info.get("used_memory", "0"))
    if most == 0:
        remedy = "redis-cli CONFIG SET maxmemory 256mb, and in its configuration"
        return Check("WARN", f"{name} memory", f"{used // 1_000_000} MB, not capped", "capped", remedy)
    share = used * 100 // most
    value = f"{share}% of {most // 1_000_000} MB"
    limit = f"{MEMORY_WARN}%, {MEMORY_BLOCK}%"
    return graded(
        f"{name} memory",
        value,
        share,
        MEMORY_WARN,
        MEMORY_BLOCK,
        limit,
        "raise maxmemory; trading stops when it is full",
    )


# ---------------------------------------------------------------------------------------------- the exchange

_HOSTS: Final = {"Demo": "demo", "Production": "external-api.kalshi.com"}


def exchange_checks(
    who: str,
    environment: str,
    url: str,
    *,
    error: str,
    trading: bool,
    ahead_ms: tuple[int, int] | None,
    key: str | None,
) -> list[Check]:
    """One exchange as one process uses it. `key` is None without a key, "" when it was taken, else what was said."""
    found = [_address(who, environment, url)]
    if error:
        remedy = "see the network, and the exchange's status page"
        return [*found, Check("BLOCK", f"exchange {who}", error, "an answer", remedy)]
    state = "trading" if trading else "trading paused"
    found.append(
        Check(
            "OK" if trading else "WARN",
            f"exchange {who}",
            state,
            "trading",
            "" if trading else "wait: nothing can be sent",
        )
    )
    found.append(clock_check(who, ahead_ms))
    if key is not None:
        remedy = f"give a key of the {environment} environment: keyID and privateKey of one and the same key"
        found.append(
            Check(
                "BLOCK" if key else "OK", f"key {who}", key or "taken", f"taken by {environment}", remedy if key else ""
            )
        )
    return found


def _address(who: str, environment: str, url: str) -> Check:
    host = url.partition("://")[2].partition("/")[0]
    wanted = _HOSTS.get(environment)
    demo = "demo" in host
    good = environment == "Simulator" and "kalshi" not in host
    if wanted is not None:
        good = demo if environment == "Demo" else not demo and "kalshi" in host
    remedy = f"the address is not one of {environment}: correct spec.exchange.environment or the address"
    return Check(
        "OK" if good else "BLOCK", f"environment {who}", f"{environment} at {host}", environment, "" if good else remedy
    )


def clock_check(who: str, ahead_ms: tuple[int, int] | None) -> Check:
    """This machine's clock against the exchange's."""
    name, limit = f"clock {who}", f"{CLOCK_WARN_MS} ms, {CLOCK_BLOCK_MS} ms"
    if ahead_ms is None:
        return unknown(name, "the exchange does not tell the time", limit, "compare with: timedatectl")
    least, most = ahead_ms
    # The error is at least the distance of the interval from zero: what may be no error is none.
    off = max(0, least, -most)
    value = f"{least} to {most} ms ahead"
    return graded(name, value, off, CLOCK_WARN_MS, CLOCK_BLOCK_MS, limit, "set the clock: timedatectl set-ntp true")


# ---------------------------------------------------------------------------------------------- feeds, fees


def feed_checks(event: str, entry: CatalogEntry | None, tops: Sequence[TopOfBook], now_ms: int) -> list[Check]:
    """One event's books and fees."""
    limit = f"{FEED_OK_MS} ms, {FEED_BLOCK_MS} ms"
    if entry is None:
        remedy = "see .touchline/logs of the catalog: no such event, or the exchange is away"
        return [unknown(f"feed {event}", "not in the catalog", limit, remedy)]
    found: list[Check] = []
    if not tops:
        found.append(Check("BLOCK", f"feed {event}", "no book", limit, "see the log of its ingest"))
    else:
        age = max(now_ms - top.alive_ms for top in tops)
        bad = sorted({top.status for top in tops if top.status not in {"valid", "empty"}})
        value = f"{age} ms old" + (f", {', '.join(bad)}" if bad else "")
        check = graded(
            f"feed {event}",
            value,
            age,
            FEED_OK_MS,
            FEED_BLOCK_MS,
            limit,
            "nothing is traded on it; see the log of its ingest",
        )
        if bad and check.level == "OK":
            check = msgspec.structs.replace(
                check, level="WARN", remedy="it waits for a snapshot; see the log of its ingest"
            )
        found.append(check)
    age = now_ms - entry.updated_ms
    fee = f"{entry.fee_type} x {entry.fee_multiplier_ppm / 1_000_000:g}"
    value = f"{fee}, read {age // 1000} s ago, rules of {SCHEDULE_DATE}"
    remedy = "see the log of the catalog; compare with the exchange's fee schedule"
    fees = graded(
        f"fees {event}",
        value,
        age,
        CATALOG_WARN_MS,
        10 * CATALOG_WARN_MS,
        f"read {CATALOG_WARN_MS // 1000} s ago",
        remedy,
    )
    return [*found, fees]


# ---------------------------------------------------------------------------------------------- files


def disk_check(folder: str, free: int | None) -> Check:
    """Room for the record; None when the folder is not there."""
    name, limit = "disk record", f"{DISK_WARN // 1_000_000} MB, {DISK_BLOCK // 1_000_000} MB free"
    if free is None:
        return Check(
            "BLOCK", name, f"{folder} is not there", limit, "the record is lost: stop, and look at the exchange"
        )
    level: Level = "OK" if free >= DISK_WARN else "WARN" if free >= DISK_BLOCK else "BLOCK"
    return Check(level, name, f"{free // 1_000_000} MB free at {folder}", limit, "" if level == "OK" else "make room")


def mode_check(path: str, mode: int) -> Check:
    """A key file that others can read is everybody's key."""
    good = not mode & 0o077
    return Check(
        "OK" if good else "BLOCK", f"key file {path}", f"{mode:04o}", "0600", "" if good else f"chmod 600 {path}"
    )
