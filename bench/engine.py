"""The raw engine in the same run: what this Redis does on this machine at this moment without any of our code."""

from __future__ import annotations

import csv
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

VALUE = b"x" * 263
"""The size of one book delta as the exchange sends it."""

MAXLEN = b"50000"
TOOLS = ("redis-benchmark", "valkey-benchmark")


class Engine(NamedTuple):
    """Commands a second, and what measured them."""

    per_s: float
    by: str


def packed(*words: bytes) -> bytes:
    """One command as the server reads it (RESP)."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


class RawSocket:
    """A blocking connection that sends ready bytes and counts replies."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(str(path))
        self._socket.settimeout(10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def round_trip(self, commands: bytes, lines: int) -> None:
        """Send, and wait for `lines` lines of reply. Raises RuntimeError when the first one is an error."""
        self._socket.sendall(commands)
        seen, first = 0, True
        while seen < lines:
            data = self._socket.recv(1 << 16)
            if not data:
                raise RuntimeError("the engine closed the connection")
            if first and data.startswith(b"-"):
                raise RuntimeError(data.split(b"\r\n", 1)[0].decode())
            first = False
            seen += data.count(b"\r\n")

    def rate(self, commands: bytes, depth: int, lines: int, seconds: float) -> float:
        """Commands a second when `commands` (`depth` of them) are sent again and again."""
        self.round_trip(commands, lines)
        count, start = 0, time.perf_counter()
        while (now := time.perf_counter()) - start < seconds:
            self.round_trip(commands, lines)
            count += depth
        return count / (now - start)


def xadd_pipelined(path: Path, *, depth: int = 100, seconds: float = 1.0) -> Engine:
    """XADD of VALUE with MAXLEN ~, `depth` at a time on one connection."""
    words = (b"XADD", b"bench:engine", b"MAXLEN", b"~", MAXLEN, b"*", b"m", VALUE)
    tool = next((found for name in TOOLS if (found := shutil.which(name))), None)
    if tool is not None:
        return Engine(_benchmark(tool, path, words, depth), f"{Path(tool).name} -P {depth} -c 1")
    with RawSocket(path) as raw:
        # A reply is "$15", then the id: two lines.
        return Engine(raw.rate(packed(*words) * depth, depth, 2 * depth, seconds), f"raw socket, {depth} pre-packed")


def _benchmark(tool: str, path: Path, words: Sequence[bytes], depth: int) -> float:
    command = [
        tool,
        "-s",
        str(path),
        "-n",
        "200000",
        "-P",
        str(depth),
        "-c",
        "1",
        "--csv",
        *(w.decode() for w in words),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return rate_of_csv(done.stdout)


def rate_of_csv(text: str) -> float:
    """Requests a second out of redis-benchmark's CSV: the second cell of its last row."""
    rows = [row for row in csv.reader(text.splitlines()) if len(row) > 1]
    return float(rows[-1][1])
