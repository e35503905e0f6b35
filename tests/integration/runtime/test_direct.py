"""The hot path's own connection, on a real Redis: replies to their callers, errors by name, nothing sent twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Connection
from redis.exceptions import ConnectionError, RedisError, ResponseError, TimeoutError  # noqa: A004  - theirs

from services.runtime.direct import Direct
from services.runtime.store import Store, result
from tests.fakes.link import link


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[Store]:
    made = Store(redis_url, "bus")
    yield made
    await made.close()


async def test_callers_at_the_same_time_get_their_own_replies_also_when_some_are_gone(store: Store) -> None:
    tasks = [asyncio.create_task(store.hot.call("ECHO", str(n))) for n in range(100)]
    await asyncio.sleep(0)
    for gone in tasks[::7]:
        gone.cancel()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    for n, one in enumerate(found):
        assert isinstance(one, asyncio.CancelledError) if n % 7 == 0 else one == str(n).encode()
    assert await store.hot.call("ECHO", "after") == b"after"


async def test_a_batch_has_its_replies_in_order_and_an_error_leaves_the_connection_good(store: Store) -> None:
    assert await store.hot.batch([("SET", "a", 1), ("INCRBY", "a", 41), ("GET", "a")]) == [b"OK", 42, b"42"]
    me = await store.hot.call("CLIENT", "ID")
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await store.hot.batch([("SET", "b", 1), ("LPUSH", "a", 1), ("SET", "c", 1)])
    assert await result(store.client.mget("b", "c")) == [b"1", b"1"]
    assert await store.hot.call("CLIENT", "ID") == me


@pytest.mark.parametrize("wrong", [("XADD", "a"), ("NOSUCH",)])
async def test_a_transaction_that_is_refused_happens_not_at_all(store: Store, wrong: tuple[str, ...]) -> None:
    with pytest.raises(ResponseError):
        await store.hot.batch([("SET", "a", 1), wrong], transaction=True)
    assert await result(store.client.exists("a")) == 0
    assert await store.hot.batch([("SET", "a", 1), ("GET", "a")], transaction=True) == [b"OK", b"1"]


async def test_an_error_inside_a_transaction_is_told(store: Store) -> None:
    await result(store.client.set("a", 1))
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await store.hot.batch([("SET", "b", 1), ("LPUSH", "a", 1)], transaction=True)


async def test_a_script_that_the_server_has_forgotten_runs_once_all_the_same(store: Store) -> None:
    text = "return redis.call('INCRBY', KEYS[1], ARGV[1])"
    sha = store.client.register_script(text).sha
    assert await store.hot.script(sha, text, ["n"], [2]) == 2
    await result(store.client.script_flush())
    assert await store.hot.script(sha, text, ["n"], [2]) == 4
    assert await store.hot.script(sha, text, ["n"], [2]) == 6


async def test_what_was_under_way_when_the_connection_broke_fails_and_the_next_call_connects(store: Store) -> None:
    line = store.blocking
    me = await line.call("CLIENT", "ID")
    waiting = asyncio.create_task(line.call("BLPOP", "nothing", 0))
    await asyncio.sleep(0.05)
    await result(store.client.client_kill_filter(_id=str(me)))
    with pytest.raises(ConnectionError, match=r"bus Redis at .*connection lost"):
        await waiting
    assert await line.call("CLIENT", "ID") != me


async def test_a_server_that_hears_nothing_is_given_up_and_asked_anew(redis_url: str) -> None:
    async with link(redis_url) as lossy:
        line = Direct(lambda: Connection(port=lossy.port, protocol=2), "here", 0.3)
        assert await line.call("INCR", "n") == 1
        lossy.silence()
        both = await asyncio.gather(line.call("INCR", "n"), line.call("INCR", "n"), return_exceptions=True)
        assert [type(one) for one in both] == [TimeoutError, TimeoutError]
        assert await line.call("INCR", "n") == 2
        line.close()


async def test_many_calls_in_turn_outlive_the_time_that_each_may_take(store: Store) -> None:
    line = Direct(store.client.connection_pool.make_connection, "here", 0.1)
    for _ in range(8):
        assert await line.call("PING") in {b"PONG", "PONG"}
        await asyncio.sleep(0.04)
    line.close()


async def test_closed_is_closed(store: Store) -> None:
    line = store.blocking
    await line.call("PING")
    waiting = asyncio.create_task(line.call("BLPOP", "nothing", 0))
    await asyncio.sleep(0.01)
    line.close()
    with pytest.raises(ConnectionError, match="closed"):
        await waiting
    with pytest.raises(ConnectionError, match="closed"):
        await line.call("PING")


async def _against(answer: bytes, chunk: int) -> list[object]:
    """What two calls get from a server that answers whatever it is asked with `answer`, in pieces."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)
        while words := await reader.read(1 << 16):
            replies = words.count(b"CLIENT") * [b"+OK\r\n"] or [answer]  # the library introduces itself
            for reply in replies:
                for at in range(0, len(reply), chunk):
                    writer.write(reply[at : at + chunk])
                    await writer.drain()

    held: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    line = Direct(lambda: Connection(port=port, protocol=2), "there", 5.0)
    found: list[object] = []
    for _ in range(2):
        try:
            found.append(await line.call("ASK"))
        except RedisError as error:
            found.append(error)
    line.close()
    server.close()
    for writer in held:
        writer.transport.abort()
    await asyncio.sleep(0.01)
    return found


@pytest.mark.parametrize("chunk", [1, 2, 3, 1000])
async def test_replies_in_pieces_are_whole(chunk: int) -> None:
    assert await _against(b"*3\r\n$3\r\na\r\n\r\n:-7\r\n*1\r\n$-1\r\n", chunk) == [[b"a\r\n", -7, [None]]] * 2


async def test_what_is_no_reply_ends_the_connection() -> None:
    for found in await _against(b"HTTP/1.1 400 Bad Request\r\n\r\n", 1000):
        assert isinstance(found, ConnectionError)
        assert "not the protocol of Redis" in str(found)


async def test_a_reply_that_nobody_waits_for_is_given_to_nobody() -> None:
    assert await _against(b"+OK\r\n+TWICE\r\n", 1000) == [b"OK", b"OK"]
