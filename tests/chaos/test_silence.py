"""Packets that vanish between an executor and what it talks to: no reset, no end, only silence."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from services.runtime.record import Record
from tests.chaos.conftest import World
from tests.chaos.test_executor_faults import ORDERS, accepted, ends, field
from tests.fakes.link import Link, link
from trading_logic.contracts.messages import Intent
from trading_logic.orders import intent_id


@pytest.fixture
async def exchange(world: World) -> AsyncIterator[Link]:
    """Between the executor and the exchange, both of its protocols."""
    parts = urlsplit(world.rest_url)
    async with link(parts.netloc) as made:
        world.rest_url = world.rest_url.replace(parts.netloc, f"127.0.0.1:{made.port}")
        world.ws_url = world.ws_url.replace(parts.netloc, f"127.0.0.1:{made.port}")
        assert str(made.port) in world.ws_url
        yield made


@pytest.fixture
async def redis(world: World) -> AsyncIterator[dict[str, Link]]:
    """Between the executor and each role of Redis."""
    async with contextlib.AsyncExitStack() as stack:
        links = {role: await stack.enter_async_context(link(world.redis_url)) for role in ("bus", "record")}
        world.bus_url, world.record_url = (f"redis://127.0.0.1:{links[role].port}" for role in ("bus", "record"))
        yield links


async def started(world: World, helpers: Any) -> Record:
    rec = world.record("s")
    await helpers.ledger_word(rec)
    world.start("s")
    await helpers.until(20, "s trades", lambda: world.trading("s"))
    return rec


async def comes_to(rec: Record, helpers: Any, intent: Intent, *states: str, seconds: float = 30) -> None:
    async def there() -> bool:
        return await field(rec, intent.id, "state") in states

    await helpers.until(seconds, f"order {intent.id} is {' or '.join(states)}", there)


async def trades_on(world: World, rec: Record, helpers: Any, known: int) -> None:
    """Wishes until one is an order: by then exactly that one is new at the exchange, and it is executed."""
    numbers = iter(range(1_000, 1_100))

    async def one() -> bool:
        wish = await world.wish(rec, "s", next(numbers))
        with contextlib.suppress(AssertionError):
            return await ends(rec, helpers, wish.id, 3) == "executed"
        return False

    await helpers.until(60, "trades on", one)
    found = accepted(world, "s")
    assert len(found) == known + 1
    assert len({line["client_order_id"] for line in found}) == len(found)


async def test_an_answer_lost_in_silence_is_found_at_the_exchange(world: World, exchange: Link, helpers: Any) -> None:
    rec = await started(world, helpers)
    exchange.lost = "answers"
    wish = await world.wish(rec, "s", 1)
    await comes_to(rec, helpers, wish, "unknown")
    assert await rec.store.client.hget(rec.topics.reserved(), wish.id) is not None
    [only] = accepted(world, "s")
    exchange.lost = ""
    await comes_to(rec, helpers, wish, "executed")
    assert await field(rec, wish.id, "order_id") == only["order_id"]
    await trades_on(world, rec, helpers, 1)


async def test_an_order_lost_in_silence_is_abandoned_by_evidence(world: World, exchange: Link, helpers: Any) -> None:
    rec = await started(world, helpers)
    exchange.lost = "both"
    wish = await world.wish(rec, "s", 1)
    await comes_to(rec, helpers, wish, "unknown")
    exchange.lost = ""
    await comes_to(rec, helpers, wish, "abandoned")
    assert accepted(world, "s") == []
    await trades_on(world, rec, helpers, 0)


def said(world: World, event: str) -> Any:
    """Whether the executor has logged it."""

    async def look() -> bool:
        return f'"event": "{event}"' in (world.folder / "s.log").read_text()

    return look


async def test_a_silent_record_lets_nothing_out(world: World, redis: dict[str, Link], helpers: Any) -> None:
    rec = await started(world, helpers)
    redis["record"].lost = "both"
    wish = await world.wish(rec, "s", 1)
    await helpers.until(20, "it noticed", said(world, "not-trading"))
    assert accepted(world, "s") == []
    redis["record"].lost = ""
    await trades_on(world, rec, helpers, 0)
    assert await field(rec, wish.id, "state") == ""


async def test_a_claim_whose_answer_is_lost_in_silence_is_no_order(
    world: World, redis: dict[str, Link], helpers: Any
) -> None:
    rec = await started(world, helpers)
    await comes_to(rec, helpers, await world.wish(rec, "s", 0), "executed")  # by now the record knows the script
    redis["record"].mark = intent_id("uid-s", "signal-1", "entry").encode()
    wish = await world.wish(rec, "s", 1)
    await comes_to(rec, helpers, wish, "claimed")
    await helpers.until(20, "it noticed", said(world, "not-trading"))
    redis["record"].lost = ""
    await comes_to(rec, helpers, wish, "abandoned")
    assert len(accepted(world, "s")) == 1
    await trades_on(world, rec, helpers, 1)


async def test_an_outcome_that_a_silent_record_never_got_is_found(
    world: World, redis: dict[str, Link], helpers: Any
) -> None:
    rec = await started(world, helpers)
    await world.fault(action="delay_ms", ms=1_500, match=ORDERS)
    wish = await world.wish(rec, "s", 1)
    await comes_to(rec, helpers, wish, "claimed")
    redis["record"].lost = "both"

    async def taken() -> bool:
        return len(accepted(world, "s")) == 1

    await helpers.until(10, "accepted", taken)
    await helpers.until(20, "the outcome was not written", said(world, "intent-interrupted"))
    assert await field(rec, wish.id, "state") == "claimed"
    redis["record"].lost = ""
    await comes_to(rec, helpers, wish, "executed")
    await trades_on(world, rec, helpers, 1)


async def test_a_silent_bus_delays_no_wish_into_an_order(world: World, redis: dict[str, Link], helpers: Any) -> None:
    rec = await started(world, helpers)
    redis["bus"].lost = "both"
    wish = await world.wish(rec, "s", 1)
    await helpers.until(20, "it noticed", said(world, "intents-not-read"))
    redis["bus"].lost = ""
    await trades_on(world, rec, helpers, 0)
    assert await field(rec, wish.id, "state") == ""
