"""Lost answers, halts, frozen executors: what the exchange accepted is what the record says, once."""

from __future__ import annotations

import asyncio
import json
import signal
from typing import Any

import pytest

from services.runtime.record import Record
from trading_logic.contracts import record as shapes
from trading_logic.contracts.messages import TERMINAL_ORDER_STATES
from trading_logic.orders import client_order_id

ORDERS = {"method": "POST", "path_prefix": "/trade-api/v2/portfolio/events/orders"}
REST = {"style": "Rest", "price": 200, "rest_seconds": 120}


async def field(rec: Record, intent: str, name: str) -> str:
    value = await rec.store.client.hget(rec.topics.order(intent), name)
    return value.decode() if value is not None else ""


def accepted(world: Any, name: str) -> list[dict[str, Any]]:
    tag = client_order_id(f"uid-{name}", "0" * 32)[:17]
    return [
        line for line in world.accepts() if line["kind"] == "order_accepted" and line["client_order_id"].startswith(tag)
    ]


async def started(world: Any, helpers: Any, name: str) -> tuple[Record, Any]:
    rec = world.record(name)
    await helpers.ledger_word(rec)
    child = world.start(name)
    await helpers.until(20, f"{name} trades", lambda: world.trading(name))
    return rec, child


async def ends(rec: Record, helpers: Any, intent: str, seconds: float = 30) -> str:
    async def state() -> str:
        now = await field(rec, intent, "state")
        return now if now in TERMINAL_ORDER_STATES else ""

    return await helpers.until(seconds, f"order {intent} ends", state)


@pytest.mark.parametrize("action", ["drop_reply_after_accept", "error_500_after_accept", "empty_2xx_after_accept"])
async def test_a_lost_answer_is_resolved_by_evidence_and_never_sent_again(
    world: Any, helpers: Any, action: str
) -> None:
    rec, _ = await started(world, helpers, "s")
    await world.fault(action=action, match=ORDERS)
    intent = await world.wish(rec, "s", 1)
    assert await ends(rec, helpers, intent.id) == "executed"
    [only] = accepted(world, "s")
    assert await field(rec, intent.id, "order_id") == only["order_id"]
    # And it goes on trading.
    after = await world.wish(rec, "s", 2)
    assert await ends(rec, helpers, after.id) == "executed"


GARBAGE = ("html_200", "html_403", "not_json", "cut_json", "no_order_id", "wrong_type", "cut_reply")


async def test_garbage_after_accepting_is_unknown_and_found_at_the_exchange(world: Any, helpers: Any) -> None:
    rec, _ = await started(world, helpers, "s")
    for n, kind in enumerate(GARBAGE):
        await world.fault(action=f"{kind}_after_accept", match=ORDERS)
        intent = await world.wish(rec, "s", n)
        assert await ends(rec, helpers, intent.id) == "executed", kind
        assert await field(rec, intent.id, "order_id") == accepted(world, "s")[-1]["order_id"]
        events = [json.loads(fields[b"j"]) for _, fields in await rec.store.client.xrange(rec.topics.orders())]
        states = [event["state"] for event in events if event["intent_id"] == intent.id]
        # The private stream may tell of the fill before the garbage is read: what it says stands, and nothing is asked.
        assert states in (["claimed", "unknown", "executed"], ["claimed", "executed"]), kind
        assert len(accepted(world, "s")) == n + 1


async def test_an_answer_that_says_nothing_and_no_order_is_abandoned_only_by_evidence(world: Any, helpers: Any) -> None:
    rec, _ = await started(world, helpers, "s")
    await world.fault(action="status_503", match=ORDERS)
    intent = await world.wish(rec, "s", 1)

    async def unknown() -> bool:
        return await field(rec, intent.id, "state") == "unknown"

    await helpers.until(5, "unknown", unknown)
    assert await rec.store.client.hget(rec.topics.reserved(), intent.id) is not None
    assert await ends(rec, helpers, intent.id) == "abandoned"
    assert accepted(world, "s") == []


async def test_429_is_proof_that_nothing_was_sent(world: Any, helpers: Any) -> None:
    rec, _ = await started(world, helpers, "s")
    await world.fault(action="status_429", match=ORDERS)
    intent = await world.wish(rec, "s", 1)
    assert await ends(rec, helpers, intent.id) == "refused"
    assert (await field(rec, intent.id, "reason")).startswith("not sent")
    assert accepted(world, "s") == []


async def test_a_halt_leaves_nothing_resting_and_a_resume_trades_under_a_new_epoch(world: Any, helpers: Any) -> None:
    rec, _ = await started(world, helpers, "s")
    resting = [await world.wish(rec, "s", n, **REST) for n in range(5)]

    async def all_rest() -> bool:
        return all([await field(rec, intent.id, "state") == "resting" for intent in resting])

    await helpers.until(10, "five rest", all_rest)
    cause = shapes.Cause(id="manual", source="Manual", reason="test", by="test", time_ms=helpers.now())
    latched_ms = helpers.now()
    assert await rec.latch(cause, latched_ms) == (True, 2)
    late = await world.wish(rec, "s", 99)

    async def acknowledged() -> bool:
        ack = await rec.store.client.hgetall(rec.topics.ack("s"))
        return ack.get(b"epoch") == b"2" and ack[b"in_flight"] == b"0" and ack[b"resting"] == b"0"

    await helpers.until(10, "acknowledged", acknowledged)
    assert [await field(rec, intent.id, "state") for intent in resting] == ["canceled"] * 5
    assert await field(rec, late.id, "state") == ""
    assert await rec.store.client.hget(rec.topics.counts(), "dropped:latch") == b"1"
    assert max(line["wall_ms"] for line in accepted(world, "s")) <= latched_ms
    await rec.unlatch("manual", helpers.now())
    await helpers.ledger_word(rec, epoch=3)
    await helpers.until(15, "trades again", lambda: world.trading("s", 2))
    again = await world.wish(rec, "s", 100)
    assert await ends(rec, helpers, again.id) == "executed"


async def test_an_executor_whose_group_somebody_closed_opens_another(world: Any, helpers: Any) -> None:
    """As when a halt that was resumed in the same moment triggers a group of the time after it."""
    rec, _ = await started(world, helpers, "s")
    [(group, body)] = (await rec.store.client.hgetall(rec.topics.groups("s"))).items()
    closed = body.replace(b'"open"', b'"triggered"')
    assert closed != body
    await rec.store.client.hset(rec.topics.groups("s"), group, closed)
    await helpers.until(20, "trades under another group", lambda: world.trading("s", 2))
    intent = await world.wish(rec, "s", 1)
    assert await ends(rec, helpers, intent.id) == "executed"
    assert [line["group"] for line in accepted(world, "s")] != [group.decode()]


async def test_a_frozen_executor_is_fenced_by_its_successor(world: Any, helpers: Any) -> None:
    rec, zombie = await started(world, helpers, "s")
    rests = await world.wish(rec, "s", 1, **REST)

    async def resting() -> bool:
        return await field(rec, rests.id, "state") == "resting"

    await helpers.until(10, "one rests", resting)
    zombie.send_signal(signal.SIGSTOP)
    world.start("s")
    await helpers.until(30, "successor trades", lambda: world.trading("s", 2))
    assert await field(rec, rests.id, "state") == "canceled"
    zombie.send_signal(signal.SIGCONT)
    wishes = [await world.wish(rec, "s", n) for n in range(2, 12)]
    for wish in wishes:

        async def known(wish: Any = wish) -> bool:
            if await field(rec, wish.id, "state") in TERMINAL_ORDER_STATES:
                return True
            events = await rec.store.client.xrange(rec.topics.orders())
            return any(wish.id.encode() in fields[b"j"] and b'"dropped"' in fields[b"j"] for _, fields in events)

        await helpers.until(20, f"{wish.id} has an end", known)
    groups = {line["group"] for line in accepted(world, "s")[1:]}
    assert len(groups) <= 1, "orders under two fences after the take-over"


async def test_sigterm_drains_and_gives_the_lease_back(world: Any, helpers: Any) -> None:
    rec, child = await started(world, helpers, "s")
    rests = await world.wish(rec, "s", 1, **REST)

    async def resting() -> bool:
        return await field(rec, rests.id, "state") == "resting"

    await helpers.until(10, "one rests", resting)
    child.terminate()
    assert await asyncio.to_thread(child.wait, 30) == 0
    assert await field(rec, rests.id, "state") == "canceled"
    assert await rec.store.client.get(rec.topics.writer_lease("s")) is None


async def test_without_a_ledger_or_a_record_nothing_leaves(world: Any, helpers: Any) -> None:
    rec, _ = await started(world, helpers, "s")
    await rec.store.client.delete(rec.topics.trading_lease())
    await world.wish(rec, "s", 1)

    async def dropped() -> bool:
        return await rec.store.client.hget(rec.topics.counts(), "dropped:tradingLease") == b"1"

    await helpers.until(5, "dropped for want of a lease", dropped)
    # A record that lost everything: the executor sees another identity and latches it.
    await rec.store.client.flushall()
    await rec.store.client.set(rec.topics.incarnation(), "two")

    async def latched() -> bool:
        causes = await rec.causes()
        return any(cause.source == "RedisChanged" for cause in causes.values())

    await helpers.until(10, "RedisChanged latched", latched)
    assert accepted(world, "s") == []
