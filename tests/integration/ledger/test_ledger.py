"""The ledger against a real simulator and a real Redis."""

from __future__ import annotations

import asyncio
import random
import resource
import signal
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from services.exchange import models
from services.exchange.errors import PermanentError
from services.runtime.record import Claimed
from services.runtime.store import result
from tests.integration.ledger.conftest import World, until
from trading_logic.contracts import codec
from trading_logic.contracts.messages import Report
from trading_logic.contracts.topics import report
from trading_logic.refusal import Refusal

ADMIN = ("--pregame", "900", "--speed", "30", "--admin")
"""The exchange of every test here, and it takes orders from the test."""


async def some_trades(world: World, seed: int, orders: int) -> None:
    """Orders on both sides that take, rest, flip and are cancelled."""
    rng = random.Random(seed)
    for _ in range(orders):
        market = await world.market()
        side = rng.choice(["yes", "no"])
        ask = market.yes_ask if side == "yes" else 10_000 - market.yes_bid
        count = rng.randrange(100, 900, 50)
        if rng.random() < 0.3:
            resting = await world.trade(market.ticker, side, max(ask - 1_500, 100), count, rest=True)
            if resting.remaining_count:
                await world.rest.cancel_order(resting.order_id, market.ticker)
        else:
            await world.trade(market.ticker, side, min(ask + 200, 9_900), count)


async def reservations(world: World) -> dict[str, str]:
    return await world.hash(world.record.topics.reserved())


async def test_books_equal_the_exchange_and_a_killed_ledger_finds_the_same(world: World) -> None:
    await world.feed()
    world.start()
    await world.ready()
    started = await world.risk()
    assert int(started["cash"]) == (await world.rest.balance()).balance
    await world.take_over()
    for seed in range(3):
        trading = asyncio.create_task(some_trades(world, seed, 6))
        await asyncio.sleep(0.05 + 0.15 * seed)
        world.kill()
        await trading
        # What happens now nobody sees; the next one reads it from the exchange.
        await some_trades(world, seed + 10, 3)
        world.start()
        await world.ready()
    risk = await world.equal_to_venue()

    async def none_reserved() -> bool:
        return not await reservations(world)

    await until(none_reserved, 10, "a reservation stays")
    opened = {
        name.decode() for name in await result(world.record.store.client.smembers(world.record.topics.open_orders()))
    }
    fills = await world.rest.fills()
    assert len(fills) >= 10
    assert set(await world.hash(world.record.topics.booked())) == {fill.fill_id for fill in fills}
    assert int(risk["fees"]) == sum(fill.fee_cost for fill in fills)
    cost = sum(body["cost"] for body in (await world.positions()).values())
    assert int(risk["cash"]) + cost == int(started["cash"]) + int(risk["realized"]) - int(risk["fees"])
    # Orders whose cancel the "executor" never recorded stay open for it to resolve.
    for intent in opened:
        assert (await world.hash(world.record.topics.order(intent)))["state"] == "resting"

    before = await world.risk(), await world.positions()
    resident = int(Path(f"/proc/{world.process.pid}/statm").read_text().split()[1]) * resource.getpagesize()
    print(f"ledger resident: {resident / 1e6:.1f} MB")
    assert resident < 90e6
    assert world.kill(signal.SIGTERM) == 0
    world.start()
    await world.ready()
    after = await world.risk(), await world.positions()
    for name in ("cash", "peak", "day_start", "day", "realized", "fees", "seq", "started_equity"):
        assert after[0][name] == before[0][name], name
    assert {m: (p["count"], p["cost"]) for m, p in after[1].items()} == {
        m: (p["count"], p["cost"]) for m, p in before[1].items()
    }


async def test_a_reservation_shrinks_with_its_fills_and_an_unfilled_entry_is_no_trade(world: World) -> None:
    await world.feed()
    world.start()
    await world.ready()
    await world.take_over()
    market = await world.market()
    trades = await result(world.record.store.client.keys("*trades*"))
    assert trades == []
    intent = world.intent(market.ticker, "yes", 100, 1_000)
    assert isinstance(await world.claim(intent), Claimed)
    assert (await reservations(world))[intent.id].endswith(str(intent.cost))
    ack = await world.send(intent, rest=True)
    assert ack.remaining_count == 1_000
    await world.rest.cancel_order(ack.order_id, market.ticker)

    async def released() -> bool:
        return intent.id not in await reservations(world)

    await until(released, 6, "the reservation of a cancelled order stays")
    (key,) = await result(world.record.store.client.keys("*trades*")) or [b"gone"]
    assert key == b"gone" or intent.id.encode() not in await result(world.record.store.client.smembers(key))

    # Refused: the executor's word is enough, nothing is at the exchange.
    second = world.intent(market.ticker, "yes", 100, 1_000)
    assert isinstance(await world.claim(second), Claimed)
    await world.record.outcome(second.id, "refused", order_id="", filled=0, remaining=0, reason="no", now_ms=0)

    async def second_gone() -> bool:
        is_open = await result(world.record.store.client.sismember(world.record.topics.open_orders(), second.id))
        return second.id not in await reservations(world) and not is_open

    await until(second_gone, 6, "the reservation of a refused order stays")

    # Unknown keeps its reservation, until the exchange shows the order.
    third = world.intent(market.ticker, "yes", min(market.yes_ask + 200, 9_900), 500)
    assert isinstance(await world.claim(third), Claimed)
    await world.record.outcome(third.id, "unknown", order_id="", filled=0, remaining=500, reason="time-out", now_ms=0)
    await asyncio.sleep(2.5)
    assert third.id in await reservations(world)
    sent = await world.send(third, tell=False)
    assert sent.fill_count == 500

    async def third_gone() -> bool:
        return third.id not in await reservations(world)

    await until(third_gone, 6, "the reservation of a filled order stays")
    await world.equal_to_venue()
    assert (await world.positions())[market.ticker]["strategy"] == "sunday"


async def test_an_order_that_no_executor_recorded_is_found_told_and_cancelled_by_a_halt(world: World) -> None:
    world.start()
    await world.ready()
    market = await world.market()
    placed = time.monotonic()
    ack = await world.rest.create_order(
        models.CreateOrder(
            ticker=market.ticker, client_order_id="somebody-else", side="bid", price=100, count=1_000,
            time_in_force="good_till_canceled",
        )
    )  # fmt: skip

    async def told() -> bool:
        events = await world.events()
        return any(event.rule == "unmanagedOrder" and event.value == ack.order_id for event in events)

    await until(told, 6, "an unmanaged order was not found")
    assert time.monotonic() - placed <= 5

    async def counted() -> bool:
        exposure = await world.hash(world.record.topics.exposure())
        return (await world.risk())["unmanaged"] == "1" and exposure.get(f"m:{market.ticker}") == "100000"

    await until(counted, 3, "an unmanaged order does not count as exposure")

    world.spec(halt=True, haltReason="test")

    async def confirmed() -> bool:
        return (await world.halt()).get("state") == "confirmed"

    await until(confirmed, 10, "the halt is not confirmed")
    assert await world.rest.orders(status="resting") == []
    assert [event.kind for event in await world.events()][-2:] == ["latched", "halted"]


@pytest.mark.parametrize("world", [ADMIN], indirect=True)
async def test_a_breach_latches_and_the_halt_ends_with_nothing_resting(world: World) -> None:
    world.limits = msgspec.structs.replace(world.limits, max_drawdown_ppm=1_000, max_daily_loss_ppm=900_000)
    await world.feed()
    world.start()
    await world.ready()
    await world.take_over()
    market = await world.market()
    resting = await world.trade(market.ticker, "yes", 100, 1_000, rest=True)
    assert resting.remaining_count == 1_000
    epoch = await world.record.epoch()
    # The spread and the fee of this order are more than 0.1 % of 1,000 dollars.
    await world.trade(market.ticker, "yes", min(market.yes_ask + 500, 9_900), 20_000)

    async def latched() -> Any:
        return await world.record.causes()

    (cause,) = (await until(latched, 6, "no cause")).values()
    assert (cause.source, cause.rule, cause.limit) == ("Drawdown", "maxDrawdown", "0.001")
    assert cause.id.startswith("drawdown-")
    assert float(cause.value) > 0.001
    assert await world.record.epoch() == epoch + 1
    assert isinstance(await world.claim(world.intent(market.ticker, "yes", 100, 1_000)), Refusal)

    async def group_fenced() -> bool:
        return await world.rest.orders(status="resting") == []

    await until(group_fenced, 3, "the group was not triggered")
    assert (await world.halt())["state"] == "draining"  # the executor has not spoken
    await world.acknowledge()

    async def confirmed() -> bool:
        return (await world.halt()).get("state") == "confirmed"

    await until(confirmed, 6, "the halt is not confirmed")
    assert not await result(world.record.store.client.exists(world.record.topics.trading_lease()))

    # Resumed by name: the peak is the equity, a new epoch, and the lease is back. The crowd stands still meanwhile: one
    # cent of the position is more than the limit.
    await world.admin("PUT", "exchange", {"exchange_active": True, "trading_active": False})
    world.spec(resume={"haltID": cause.id})

    async def empty() -> bool:
        return not await world.record.causes()

    await until(empty, 10, "the cause stays")
    await world.ready()
    risk = await world.risk()
    assert abs(int(risk["peak"]) - int(risk["equity"])) < 1_000_000
    assert await world.record.epoch() == epoch + 2
    assert any(event.kind == "rebased" and "before" in event.reason for event in await world.events())


async def test_the_trading_lease_ends_with_the_ledger(world: World) -> None:
    world.limits = msgspec.structs.replace(world.limits, stale_after_ms=2_000)
    world.start()
    await world.ready()
    await world.take_over()
    world.kill()

    async def gone() -> bool:
        return not await result(world.record.store.client.exists(world.record.topics.trading_lease()))

    await until(gone, 3, "the lease outlives the ledger")
    market = await world.market()
    dropped = await world.claim(world.intent(market.ticker, "yes", 100, 1_000))
    assert isinstance(dropped, Refusal)
    assert dropped.rule == "tradingLease"


async def test_a_wiped_record_is_noticed_and_latched(world: World) -> None:
    world.start()
    await world.ready()
    assert world.process is not None
    await result(world.record.store.client.flushall())
    assert world.process.wait(20) == 1
    world.process = None
    (cause,) = (await world.record.causes()).values()
    assert cause.source == "RedisChanged"
    world.start()
    await asyncio.sleep(3)
    assert not await result(world.record.store.client.exists(world.record.topics.trading_lease()))


async def test_the_exchange_out_of_reach_leaves_the_halt_pending(world: World) -> None:
    world.start()
    await world.ready()
    world.venue.process.send_signal(signal.SIGSTOP)
    world.spec(halt=True, haltReason="no exchange")

    async def pending() -> bool:
        return (await world.halt()).get("state") == "pending-venue"

    try:
        await until(pending, 15, "the halt does not say that the exchange is away")
    finally:
        world.venue.process.send_signal(signal.SIGCONT)

    async def confirmed() -> bool:
        return (await world.halt()).get("state") == "confirmed"

    await until(confirmed, 20, "the halt is not confirmed once the exchange is back")
    world.spec(halt=False)

    async def resumed() -> bool:
        return not await world.record.causes()

    await until(resumed, 10, "halt: false does not resume")
    await world.ready()


@pytest.mark.parametrize("world", [ADMIN], indirect=True)
async def test_a_404_page_does_not_pass_for_a_fenced_group(world: World) -> None:
    world.start()
    await world.ready()
    await world.take_over()
    market = await world.market()
    late = world.intent(market.ticker, "yes", 100, 1_000)
    assert isinstance(await world.claim(late), Claimed)
    match = {"method": "PUT", "path_prefix": "/trade-api/v2/portfolio/order_groups"}
    await world.admin("POST", "faults", {"action": "page_404", "times": 4, "match": match})
    world.spec(halt=True, haltReason="a page in between")
    await until(world.record.causes, 6, "not latched")
    await world.acknowledge()

    async def confirmed() -> bool:
        return (await world.halt()).get("state") == "confirmed"

    await until(confirmed, 40, "the halt is not confirmed")
    with pytest.raises(PermanentError, match="order group triggered"):
        await world.send(late, rest=True, tell=False)
    assert await world.rest.orders(status="resting") == []


@pytest.mark.slow
@pytest.mark.parametrize("world", [("--pregame", "5", "--speed", "1500", "--settlement-seconds", "1")], indirect=True)
async def test_a_settlement_is_paid_once_and_the_books_are_flat(world: World) -> None:
    world.start()
    await world.ready()
    await world.take_over()
    market = await world.market()
    await world.trade(market.ticker, "yes", min(market.yes_ask + 300, 9_900), 1_000)

    async def held() -> bool:
        return market.ticker in await world.positions()

    await until(held, 6, "the position is not booked")

    async def settled() -> bool:
        return market.ticker in await world.hash(world.record.topics.settled())

    await until(settled, 60, "not settled")
    risk = await world.equal_to_venue()
    assert await world.positions() == {}
    assert risk["exposure"] == "0"
    assert [event.kind for event in await world.events()].count("settled") == 1
    world.kill()
    world.start()
    await world.ready()
    assert (await world.equal_to_venue())["cash"] == risk["cash"]


async def test_a_group_that_nobody_of_ours_triggered_latches(world: World) -> None:
    world.start()
    await world.ready()
    await world.take_over()
    await world.rest.trigger_order_group(world.fence.group)

    async def latched() -> Any:
        return await world.record.causes()

    (cause,) = (await until(latched, 5, "a tripped group is not noticed")).values()
    assert cause.source == "GroupTripped"
    assert world.fence.group in cause.reason


async def test_a_group_triggered_while_nobody_listened_latches(world: World) -> None:
    world.start()
    await world.ready()
    await world.take_over()

    async def seen() -> Any:
        return await result(world.record.store.client.sismember(world.record.topics.armed(), world.fence.group))

    await until(seen, 10, "the armed group is not seen")
    world.kill()
    await world.rest.trigger_order_group(world.fence.group)
    world.start()

    async def latched() -> Any:
        return await world.record.causes()

    (cause,) = (await until(latched, 15, "a group that tripped unseen is not noticed")).values()
    assert cause.source == "GroupTripped"


async def test_a_group_that_was_never_seen_armed_is_no_cause(world: World) -> None:
    """An exchange that shows every group without auto-cancel must not halt everybody at once."""
    world.start()
    await world.ready()
    world.kill()
    await world.take_over()
    await world.rest.trigger_order_group(world.fence.group)
    world.start()
    await world.ready()
    await asyncio.sleep(1)
    assert await world.record.causes() == {}


async def test_what_a_dead_executor_left_is_fenced_and_brought_to_its_end(world: World) -> None:
    world.start()
    await world.ready()
    await world.take_over()
    market = await world.market()
    resting = world.intent(market.ticker, "yes", 100, 1_000)
    never_sent = world.intent(market.ticker, "yes", 100, 1_000)
    for intent in (resting, never_sent):
        assert isinstance(await world.claim(intent), Claimed)
    await world.send(resting, rest=True)
    await asyncio.sleep(2)
    assert len(await world.rest.orders(status="resting")) == 1
    # Its lease runs out, and nobody follows.
    await result(world.record.store.client.delete(world.record.topics.writer_lease("sunday")))

    async def ended() -> bool:
        states = [(await world.hash(world.record.topics.order(i.id)))["state"] for i in (resting, never_sent)]
        return states == ["canceled", "abandoned"]

    await until(ended, 15, "an orphan is not brought to its end")

    async def freed() -> bool:
        is_open = await result(world.record.store.client.scard(world.record.topics.open_orders()))
        return not is_open and not await reservations(world)

    await until(freed, 6, "an orphan's reservation stays")
    assert await world.rest.orders(status="resting") == []
    assert await world.record.causes() == {}


async def test_a_record_without_the_steps_that_were_read_latches(world: World) -> None:
    world.start()
    await world.ready()
    await world.take_over()
    client, topics = world.record.store.client, world.record.topics
    before = await result(client.dump(topics.orders()))
    assert before is None
    assert isinstance(await world.claim(world.intent((await world.market()).ticker, "yes", 100, 1_000)), Claimed)
    await asyncio.sleep(1)
    # Back as it was before the claim: the ledger is cut off, as by the restart that brings an older file.
    pipe = world.record.store.pipeline(transaction=True)
    pipe.delete(topics.orders())
    await pipe.execute()
    await result(client.client_kill_filter(_type="normal", skipme=True))

    async def latched() -> Any:
        return await world.record.causes()

    (cause,) = (await until(latched, 10, "an older record is not noticed")).values()
    assert (cause.source, "came back as it was earlier" in cause.reason) == ("RedisChanged", True)
    assert world.process.wait(20) == 1
    world.process = None


async def test_an_order_whose_claim_the_record_lost_latches(world: World) -> None:
    world.start()
    await world.ready()
    await world.take_over()
    market = await world.market()
    intent = world.intent(market.ticker, "yes", 100, 1_000)
    # As after a rollback of the record: sent by our executor, and no trace of its claim.
    ack = await world.send(intent, rest=True, tell=False)

    async def latched() -> Any:
        return await world.record.causes()

    (cause,) = (await until(latched, 10, "an order without its claim is not noticed")).values()
    assert (cause.source, cause.id) == ("RedisChanged", f"redis-changed-order-{ack.order_id}")


async def test_a_halt_fences_groups_that_the_record_does_not_know(world: World) -> None:
    world.start()
    await world.ready()
    stray = await world.rest.create_order_group(1_000)
    world.spec(halt=True, haltReason="test")

    async def confirmed() -> bool:
        return (await world.halt()).get("state") == "confirmed"

    await until(confirmed, 15, "the halt is not confirmed")
    groups = {found.id: found.is_auto_cancel_enabled for found in await world.rest.order_groups()}
    assert groups[stray] is False


async def test_a_group_that_its_executor_closed_is_no_cause(world: World) -> None:
    world.start()
    await world.ready()
    await world.take_over()
    topics = world.record.topics
    body = msgspec.json.decode(await result(world.record.store.client.hget(topics.groups("sunday"), world.fence.group)))
    marked = msgspec.json.encode({**body, "state": "triggered"})
    await result(world.record.store.client.hset(topics.groups("sunday"), world.fence.group, marked))
    await world.rest.trigger_order_group(world.fence.group)
    await asyncio.sleep(1)
    assert await world.record.causes() == {}


async def test_a_key_that_the_exchange_does_not_know_is_reported(world: World) -> None:
    _, key_path = world.venue.keys[0]
    world.venue.keys[0] = ("00000000-0000-4000-8000-000000000000", key_path)
    world.start()

    async def refused() -> Any:
        body = await result(world.record.store.client.get(report("test", "ledger-house")))
        faults = codec.Reader(Report).one(body).faults if body else ()
        return [fault for fault in faults if fault.reason == "KeyRefused"]

    (fault,) = await until(refused, 10, "the report does not say so")
    assert fault.spec
    assert world.process.poll() is None, "it waits for the key to be mended"
