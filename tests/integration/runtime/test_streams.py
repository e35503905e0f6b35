"""Abandoned entries are claimed, poison ends in the dead letters: on a real Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import structlog

from services.runtime import streams
from services.runtime.clock import Clock
from services.runtime.store import Store, result
from services.runtime.streams import MAX_DELIVERIES, GroupReader
from trading_logic.contracts import codec
from trading_logic.contracts.messages import DeadLetter


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[Store]:
    made = Store(redis_url, "bus")
    yield made
    await made.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "ABANDONED_AFTER_MS", 0)
    monkeypatch.setattr(streams, "CLAIM_EVERY_MS", 0)


async def reader(store: Store, consumer: str) -> GroupReader:
    made = GroupReader(store, "s", "g", consumer, "dead", Clock(), structlog.get_logger(), start="0")
    await made.open()
    return made


async def put(store: Store, *bodies: bytes) -> None:
    for body in bodies:
        await result(store.client.xadd("s", {codec.FIELD: body}))


async def letters(store: Store) -> list[DeadLetter]:
    rows = await result(store.client.xrange("dead"))
    return [codec.Reader(DeadLetter).one(fields[codec.FIELD]) for _, fields in rows]


@pytest.mark.usefixtures("impatient")
async def test_what_a_dead_consumer_took_is_claimed_by_another(store: Store) -> None:
    dead, living = await reader(store, "dead"), await reader(store, "living")
    await put(store, b"one", b"two")
    assert [entry.body for entry in await dead.read(count=10, block_ms=10)] == [b"one", b"two"]
    claimed = await living.read(count=10, block_ms=10)
    assert [entry.body for entry in claimed] == [b"one", b"two"]
    await living.ack(claimed)
    assert (await result(store.client.xpending("s", "g")))["pending"] == 0
    assert await letters(store) == []


@pytest.mark.usefixtures("impatient")
async def test_poison_that_is_never_acknowledged_is_buried_and_the_rest_flows(store: Store) -> None:
    await put(store, b"poison")
    seen = 0
    for life in range(MAX_DELIVERIES + 2):
        seen += len(await (await reader(store, f"life-{life}")).read(count=10, block_ms=10))
    assert seen == MAX_DELIVERIES
    (letter,) = await letters(store)
    assert (letter.body, letter.stream, letter.deliveries) == (b"poison", "s", MAX_DELIVERIES + 1)
    await put(store, b"good")
    assert [entry.body for entry in await (await reader(store, "next")).read(count=10, block_ms=10)] == [b"good"]


async def test_poison_that_ends_its_process_at_every_start_is_buried(store: Store) -> None:
    """The same consumer name in every life: it meets what it never acknowledged before anything new."""
    await put(store, b"poison", b"good")
    assert len(await (await reader(store, "me")).read(count=1, block_ms=10)) == 1
    lives = 0
    while await (await reader(store, "me")).unfinished(count=10):
        lives += 1
        assert lives <= MAX_DELIVERIES
    assert [letter.body for letter in await letters(store)] == [b"poison"]
    assert [entry.body for entry in await (await reader(store, "me")).read(count=10, block_ms=10)] == [b"good"]


async def test_an_unfinished_entry_that_was_trimmed_has_an_empty_body(store: Store) -> None:
    mine = await reader(store, "mine")
    await put(store, b"one", b"two")
    taken = await mine.read(count=10, block_ms=0)
    await result(store.client.xtrim("s", maxlen=1, approximate=False))
    assert [(entry.id, entry.body) for entry in await mine.unfinished(count=10)] == [
        (taken[0].id, b""),
        (taken[1].id, b"two"),
    ]
