"""A record Redis by itself, for steps that need no process."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.engine import RawSocket, packed
from touchline_operator.adapters.local import redis_server

START_S = 10.0


@contextmanager
def record_only() -> Iterator[str]:
    """URL of a started, empty server with the settings of the record. Raises RuntimeError when it does not start."""
    with tempfile.TemporaryDirectory(prefix="tl-bench-") as name:
        folder = Path(name)
        server = subprocess.Popen(redis_server.command("record", folder), stdout=subprocess.DEVNULL)
        try:
            _wait(folder)
            yield redis_server.url(folder)
        finally:
            server.kill()
            server.wait()


def _wait(folder: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        try:
            with RawSocket(redis_server.socket(folder)) as raw:
                raw.round_trip(packed(b"PING"), 1)
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"the record Redis did not start in {START_S:.0f} s")
