"""Fixtures that many suites share: a real Redis per test session, emptied per test."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from touchline_operator.adapters.local import redis_server


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what tests measured: `record_property("figures", text)`, also from other processes of the run."""
    rows = [
        text
        for done in terminalreporter.stats.get("passed", [])
        for name, text in done.user_properties
        if name == "figures"
    ]
    if rows:
        terminalreporter.section("figures")
        terminalreporter.write_line("\n".join(rows))


@pytest.fixture(scope="session")
def _redis_folder() -> Iterator[Path]:
    # Not under tmp_path: a Unix socket's path must stay under about 100 bytes.
    folder = Path(tempfile.mkdtemp(prefix="tl-"))
    server = subprocess.Popen(redis_server.command("record", folder), stdout=subprocess.DEVNULL)
    client = redis.Redis.from_url(redis_server.url(folder))
    deadline = time.monotonic() + 20
    while True:
        try:
            client.ping()
            break
        except redis.ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
    client.close()
    yield folder
    server.kill()
    server.wait()
    shutil.rmtree(folder)


@pytest.fixture
def redis_url(_redis_folder: Path) -> str:
    """URL of an empty real Redis with the settings of the record."""
    url = redis_server.url(_redis_folder)
    client = redis.Redis.from_url(url)
    client.flushall()
    client.close()
    return url
