"""A real Redis with `requirepass`: passwords from files, read again for each connection, never in a log."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import redis
import structlog

from services.runtime.store import STORE_ERRORS, Store, StoreConfigError, result
from touchline_operator.adapters.local import redis_server
from touchline_operator.adapters.redis import RedisRiskFeed
from touchline_operator.adapters.redis import connect as operator_connect
from touchline_operator.ports import RecordUnreachableError
from trading_logic.contracts import address, config

PASSWORD = "a-password-nobody-may-see"
LOG = structlog.get_logger()


class Guarded:
    """A Redis that wants a password."""

    def __init__(self, folder: Path) -> None:
        self.url = redis_server.url(folder)
        self.file = folder / "password"
        self.address = address.with_file(self.url, str(self.file))
        self.server = subprocess.Popen(
            [*redis_server.command("record", folder), "--requirepass", PASSWORD], stdout=subprocess.DEVNULL
        )

    def admin(self, password: str = PASSWORD) -> redis.Redis:
        return redis.Redis.from_url(self.url, password=password)


@pytest.fixture
def guarded() -> Iterator[Guarded]:
    with tempfile.TemporaryDirectory(prefix="tl-") as folder:
        made = Guarded(Path(folder))
        client, deadline = made.admin(), time.monotonic() + 20
        while True:
            try:
                client.ping()
                break
            except redis.ConnectionError:
                assert time.monotonic() < deadline
                time.sleep(0.02)
        client.close()
        yield made
        made.server.kill()
        made.server.wait()


async def test_both_sides_log_in_with_the_file_and_follow_a_changed_one(guarded: Guarded) -> None:
    guarded.file.write_text(PASSWORD + "\n")
    store = Store(guarded.address, "record")
    assert await store.wait(LOG, asyncio.Event())
    assert await store.ping()
    assert await store.hot.call("PING") == b"PONG"
    theirs = operator_connect(guarded.address)
    assert await result(theirs.ping())

    admin = guarded.admin()
    admin.config_set("requirepass", "another")
    admin.client_kill_filter(_type="normal", skipme=True)
    admin.close()
    assert not await store.ping(), "the old password still works"
    with pytest.raises(STORE_ERRORS):
        await store.hot.call("PING")
    guarded.file.write_text("another")
    assert await store.ping()
    assert await store.hot.call("PING") == b"PONG"
    assert await result(theirs.ping())
    await store.close()
    await theirs.aclose()


async def test_a_user_stands_in_the_url_and_its_password_in_the_file(guarded: Guarded) -> None:
    admin = guarded.admin()
    admin.acl_setuser("desk", enabled=True, passwords=["+hers"], keys=["*"], channels=["*"], commands=["+@all"])
    admin.close()
    guarded.file.write_text("hers")
    url = guarded.address.replace("unix://", "unix://desk@")
    store = Store(url, "record")
    assert store.url == guarded.url
    assert (await result(store.client.acl_whoami())) in {b"desk", "desk"}
    assert await store.hot.call("ACL", "WHOAMI") == b"desk"
    await store.close()
    theirs = operator_connect(url)
    assert (await result(theirs.acl_whoami())) in {b"desk", "desk"}
    await theirs.aclose()


@pytest.mark.parametrize(
    ("text", "expected"), [(None, "cannot be read"), ("", "is empty"), ("wrong", "invalid username-password")]
)
async def test_a_bad_file_is_a_store_that_is_away(guarded: Guarded, text: str | None, expected: str) -> None:
    if text is not None:
        guarded.file.write_text(text)
    store = Store(guarded.address, "record")
    with pytest.raises(STORE_ERRORS, match=expected):
        await result(store.client.ping())
    await store.close()
    feed = RedisRiskFeed("n", guarded.address, guarded.address)
    with pytest.raises(RecordUnreachableError, match=expected):
        await feed.facts("house")
    await feed.close()


@pytest.mark.parametrize(
    ("text", "expected"),
    [("wrong", "check the password in {file}"), (None, "it wants a password")],
)
async def test_a_process_says_which_file_to_mend(guarded: Guarded, text: str | None, expected: str) -> None:
    if text is not None:
        guarded.file.write_text(text)
    store = Store(guarded.address if text is not None else guarded.url, "record")
    with pytest.raises(StoreConfigError, match=expected.format(file=guarded.file)):
        await store.wait(LOG, asyncio.Event())
    await store.close()


@pytest.mark.parametrize("url", ["redis://:secret@host:6379", "redis://me:secret@host", "unix://me:secret@/x"])
def test_a_url_with_a_password_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(StoreConfigError, match=r"record Redis: the URL holds a password; put it into a file") as ours:
        Store(url, "record")
    with pytest.raises(RecordUnreachableError, match="the URL holds a password") as theirs:
        operator_connect(url)
    assert "secret" not in f"{ours.value}{theirs.value}"


@pytest.mark.parametrize("secret_in", ["url", "file"])
def test_no_process_shows_a_password(guarded: Guarded, tmp_path: Path, secret_in: str) -> None:
    """A real process on a Redis whose password changed, and one whose URL holds one."""
    guarded.file.write_text("wrong-and-secret")
    url = guarded.address if secret_in == "file" else "redis://:wrong-and-secret@127.0.0.1:1"
    made = config.Consumer(
        process="consumer", namespace="n", redis=config.Redis(url, url),
        health=config.Health(f"unix:{guarded.file.parent}/health.sock"), log_format="json", feed="simulator", event="E",
        sources=(),
    )  # fmt: skip
    (tmp_path / "config.json").write_bytes(msgspec.json.encode(made))
    ended = subprocess.run(
        [sys.executable, "-m", "services.consumer", "--config", str(tmp_path / "config.json")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    assert "password" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert "wrong-and-secret" not in ended.stderr + ended.stdout
