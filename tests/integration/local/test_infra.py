"""The two Redis and the guard that ends them when `up` was killed."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import psutil
import pytest
from redis.exceptions import RedisError

from tests.integration.local.test_ports import until
from touchline_operator.adapters.local import infra
from touchline_operator.adapters.local.infra import InfraError, Played, short_folder, start_redis, start_simulator
from touchline_operator.adapters.redis import connect, done


@pytest.fixture
def sockets():
    made = short_folder()
    yield made
    shutil.rmtree(made)


@pytest.fixture
def pipe():
    reading, writing = os.pipe()
    ends = [reading, writing]
    yield ends
    for end in ends:
        os.close(end)


async def test_a_killed_record_comes_back_with_what_it_acknowledged_and_is_guarded_again(tmp_path, sockets, pipe):
    deep = tmp_path / ("a" * 60) / ("b" * 60)
    helper, url = await start_redis("record", deep, sockets, tmp_path, pipe[0])
    helper.follow(lambda _: None, restart=True)
    client = connect(url)
    assert await done(client.set("k", "v"))
    first = helper.pid
    assert first is not None
    os.kill(first, 9)

    async def back():
        try:
            return helper.pid != first and await done(client.get("k"))
        except (RedisError, OSError):
            return None

    assert await until(back) == b"v"
    await client.aclose()
    assert helper._guard is not None
    # The guard still waits on the pipe: it has not begun to count down.
    assert psutil.Process(helper._guard.pid).children() == []
    await helper.stop()
    assert helper.pid is None
    assert not psutil.pid_exists(first)


async def test_the_guard_ends_what_is_left_when_the_pipe_closes(tmp_path, sockets, pipe, monkeypatch):
    monkeypatch.setattr(infra, "ORPHAN_S", 0)
    helper, _ = await start_redis("bus", tmp_path / "bus", sockets, tmp_path, pipe[0])
    os.close(pipe.pop())
    assert helper.process is not None
    async with asyncio.timeout(10):
        assert await helper.process.wait() == 0
    await helper.stop()


async def test_a_helper_that_may_not_restart_says_why_everything_ends(tmp_path, sockets, pipe):
    helper, _ = await start_redis("bus", tmp_path / "bus", sockets, tmp_path, pipe[0])
    told: list[str] = []
    helper.follow(told.append, restart=False)
    assert helper.pid is not None
    os.kill(helper.pid, 9)
    await until(lambda: told)
    assert told[0].startswith("bus Redis ended with exit code -9")
    await helper.stop()


async def test_a_record_whose_file_is_broken_is_refused_with_its_reason(tmp_path, sockets, pipe):
    folder = tmp_path / "record" / "appendonlydir"
    folder.mkdir(parents=True)
    (folder / "appendonly.aof.manifest").write_text("not a manifest\n")
    with pytest.raises(InfraError, match="record Redis ended: "):
        await start_redis("record", tmp_path / "record", sockets, tmp_path, pipe[0])
    assert not [child for child in psutil.Process().children() if "read -r _" in " ".join(child.cmdline())], (
        "a guard left"
    )


async def test_a_simulator_that_cannot_start_is_one_clear_line(tmp_path, pipe):
    (tmp_path / "sim").mkdir()
    with pytest.raises(InfraError, match=r"simulator: .*KXNFLGAME-NONE") as caught:
        await start_simulator(tmp_path / "sim", Played(["KXNFLGAME-NONE"], {}, 1.0), (), tmp_path, pipe[0])
    assert "\n" not in str(caught.value)


def test_socket_folders_are_short_and_new():
    one, two = short_folder(), short_folder()
    assert one != two
    assert len(str(one)) < 30
    for made in (one, two):
        Path(made).rmdir()
