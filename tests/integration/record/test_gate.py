"""The gate on a real Redis: each rule, its value and limit, and what a yes writes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import structlog

from services.runtime.clock import Clock
from services.runtime.record import Claimed, Fence, Record
from services.runtime.store import Store
from services.runtime.streams import GroupReader
from trading_logic.contracts import codec
from trading_logic.contracts import record as shapes
from trading_logic.contracts.config import Limits
from trading_logic.contracts.messages import ExitPlan, Intent, OrderEvent
from trading_logic.contracts.topics import RecordTopics
from trading_logic.refusal import Refusal

NOW = 1_790_000_000_000
LIMITS = Limits(
    max_drawdown_ppm=250_000,
    max_daily_loss_ppm=200_000,
    max_position_fraction_ppm=50_000,
    min_position_cash=1_000_000,
    max_position_cash=250_000_000,
    max_exposure_fraction_ppm=500_000,
    max_game_fraction_ppm=100_000,
    max_orders_per_minute=10,
    max_trades_per_day=3,
    stale_after_ms=10_000,
    degraded_kelly_ppm=500_000,
)
FENCE = Fence(epoch=1, term=1, token="me", group="g1")
DAY = "2026-09-21"


def intent(**changes: Any) -> Intent:
    base = Intent(
        id="i1",
        strategy="s",
        strategy_uid="uid",
        policy="house",
        event="E",
        game="G",
        market="M",
        exchange_index=0,
        kind="entry",
        side="yes",
        price=5_000,
        count=1_000,
        style="Take",
        rest_seconds=0,
        cost=5_200_000,
        exit_plan=ExitPlan(4_000, 6_500, 0),
        signal_id="sig",
        received_ms=NOW,
        created_ms=NOW,
        trace="",
    )
    return msgspec.structs.replace(base, **changes)


@pytest.fixture
async def rec(redis_url: str) -> AsyncIterator[Record]:
    store = Store(redis_url, "record")
    record = Record(store, RecordTopics("t", "house"))
    await open_for_trading(record)
    yield record
    await store.close()


async def open_for_trading(rec: Record, *, equity: int = 1_000_000_000) -> None:
    t, client = rec.topics, rec.store.client
    await client.set(t.epoch(), 1)
    assert await rec.take_over("s", "uid", "me", 60_000) == (1, 0)
    lease = shapes.TradingLease(epoch=1, seq=1, incarnation="x", at_ms=NOW)
    await client.set(t.trading_lease(), shapes.encode(lease), px=10_000)
    await client.hset(t.risk(), mapping={"equity": equity, "exposure": 0, "reconciled": "1", "marks": ""})


async def ask(
    rec: Record, wish: Intent | None = None, *, fence: Fence = FENCE, limits: Limits = LIMITS, now: int = NOW
):
    wish = wish or intent()
    return await rec.claim(wish, msgspec.json.encode(wish), f"c-{wish.id}", fence, limits, DAY, now)


async def test_a_yes_reserves_and_writes_the_claim_before_anything_leaves(rec: Record) -> None:
    answer = await ask(rec)
    assert isinstance(answer, Claimed)
    assert 0 < answer.lease_ms <= 10_000
    t, client = rec.topics, rec.store.client
    order = {k.decode(): v.decode() for k, v in (await client.hgetall(t.order("i1"))).items()}
    assert (order["state"], order["client_order_id"], order["group"], order["day"]) == ("claimed", "c-i1", "g1", DAY)
    assert msgspec.json.decode(order["intent"], type=Intent) == intent()
    assert await client.hgetall(t.reserved()) == {b"i1": b"M|G|5200000"}
    assert await client.smembers(t.open_orders()) == {b"i1"}
    assert await client.smembers(t.trades(DAY)) == {b"i1"}
    plan = msgspec.json.decode(await client.hget(t.exit_plans("s"), "M"), type=shapes.ExitPlanRecord)
    assert (plan.stop_price, plan.take_price, plan.side) == (4_000, 6_500, "yes")


async def test_the_same_intent_is_claimed_once_and_its_order_is_not_touched_again(rec: Record) -> None:
    await ask(rec)
    before = await rec.store.client.xlen(rec.topics.orders())
    # Redelivered after a take-over: whatever else has changed, the answer is that it is known.
    answer = await ask(rec, fence=Fence(9, 9, "other", "g9"), now=NOW + 60_000)
    assert answer == Refusal("duplicate", "i1", "once")
    assert await rec.store.client.xlen(rec.topics.orders()) == before
    assert await rec.store.client.hget(rec.topics.order("i1"), "state") == b"claimed"


async def test_every_fence_refuses_by_name(rec: Record) -> None:
    t, client = rec.topics, rec.store.client
    assert await ask(rec, fence=Fence(2, 1, "me", "g1")) == Refusal("epoch", "2", "1")
    assert await ask(rec, fence=Fence(1, 2, "me", "g1")) == Refusal("term", "2", "1")
    assert await ask(rec, fence=Fence(1, 1, "you", "g1")) == Refusal("writerLease", "me", "you")
    assert await ask(rec, now=NOW + 1_001) == Refusal("intentAge", "1001", "1000")
    assert await ask(rec, intent(received_ms=NOW + 1_001)) == Refusal("intentAge", "-1001", "1000")
    await client.hset(t.risk(), "reconciled", "0")
    assert await ask(rec) == Refusal("reconciled", "no", "yes")
    await client.hset(t.risk(), mapping={"reconciled": "1", "marks": "M has no book"})
    assert await ask(rec) == Refusal("marks", "M has no book", "fresh")
    assert isinstance(await ask(rec, intent(id="x", kind="exit", cost=0, exit_plan=None)), Claimed)
    await client.delete(t.trading_lease())
    assert await ask(rec) == Refusal("tradingLease", "0", "> 0")
    await client.delete(t.writer_lease("s"))
    assert await ask(rec) == Refusal("writerLease", "none", "me")
    await client.delete(t.epoch())
    assert await ask(rec) == Refusal("epoch", "1", "0")


async def test_a_latch_refuses_everything_and_raises_the_epoch_once(rec: Record) -> None:
    cause = shapes.Cause(id="manual", source="Manual", reason="stop", by="me", time_ms=NOW)
    assert await rec.latch(cause, NOW) == (True, 2)
    assert await rec.latch(cause, NOW) == (False, 2)
    assert await rec.latch(shapes.Cause(id="d1", source="Drawdown", reason="r", by="l", time_ms=NOW), NOW) == (True, 2)
    for kind in ("entry", "exit"):
        assert await ask(rec, intent(id=kind, kind=kind)) == Refusal("latch", "d1,manual", "none")
    assert await rec.unlatch("d1", NOW) == (True, 2, 1)
    assert await rec.unlatch("manual", NOW) == (True, 3, 0)
    # The lease of the old epoch still lives: it must not be good again.
    assert await ask(rec, fence=Fence(3, 1, "me", "g1")) == Refusal("tradingLease", "0", "> 0")


@pytest.mark.parametrize(
    ("limits", "cost", "refusal"),
    [
        ({"min_position_cash": 5_200_001}, 5_200_000, Refusal("minPositionDollars", "5.200000", "5.200001")),
        ({"max_position_cash": 5_199_999}, 5_200_000, Refusal("maxPositionDollars", "5.200000", "5.199999")),
        ({"max_position_fraction_ppm": 5_000}, 5_000_001, Refusal("maxPositionFraction", "5.000001", "5.000000")),
        ({"max_game_fraction_ppm": 5_000}, 5_000_001, Refusal("maxGameFraction", "5.000001", "5.000000")),
        ({"max_exposure_fraction_ppm": 5_000}, 5_000_001, Refusal("maxExposureFraction", "5.000001", "5.000000")),
    ],
)
async def test_a_limit_refuses_exactly_beyond_it(
    rec: Record, limits: dict[str, int], cost: int, refusal: Refusal
) -> None:
    own = msgspec.structs.replace(LIMITS, **limits)
    assert await ask(rec, intent(cost=cost), limits=own) == refusal
    if refusal.rule != "minPositionDollars":
        assert isinstance(
            await ask(rec, intent(id="ok", cost=int(refusal.limit.replace(".", ""))), limits=own), Claimed
        )


async def test_reservations_and_positions_count_against_every_limit(rec: Record) -> None:
    t, client = rec.topics, rec.store.client
    await client.hset(t.exposure(), mapping={"m:M": 20_000_000, "g:G": 60_000_000})
    await client.hset(t.risk(), "exposure", 60_000_000)
    await client.hset(t.reserved(), "other", "M|G|20000000")
    assert await ask(rec, intent(cost=10_000_001)) == Refusal("maxPositionFraction", "50.000001", "50.000000")
    assert isinstance(await ask(rec, intent(cost=10_000_000)), Claimed)
    assert await ask(rec, intent(id="i2", market="N", cost=10_000_001)) == Refusal(
        "maxGameFraction", "100.000001", "100.000000"
    )


async def test_rates_keep_a_share_for_exits_and_trades_count_only_entries(rec: Record) -> None:
    loose = msgspec.structs.replace(
        LIMITS, max_trades_per_day=100, max_position_fraction_ppm=1_000_000, max_game_fraction_ppm=1_000_000
    )
    for n in range(8):
        assert isinstance(await ask(rec, intent(id=f"e{n}", cost=1_000_000), limits=loose), Claimed)
    assert await ask(rec, intent(id="e8", cost=1_000_000), limits=loose) == Refusal("maxOrdersPerMinute", "8", "8")
    for n in range(2):
        assert isinstance(
            await ask(rec, intent(id=f"x{n}", kind="exit", cost=0, exit_plan=None), limits=loose), Claimed
        )
    assert await ask(rec, intent(id="x2", kind="exit"), limits=loose) == Refusal("maxOrdersPerMinute", "10", "10")
    later = NOW + 60_001
    assert isinstance(
        await ask(rec, intent(id="e9", received_ms=later, cost=1_000_000), limits=loose, now=later), Claimed
    )
    assert await ask(rec, intent(id="e10", received_ms=later), now=later) == Refusal("maxTradesPerDay", "9", "3")


async def test_a_refusal_is_counted_and_stands_in_the_orders_stream(rec: Record) -> None:
    await ask(rec, intent(cost=1))
    counts = await rec.store.client.hgetall(rec.topics.counts())
    assert counts == {b"intents": b"1", b"dropped:minPositionDollars": b"1"}
    [(_, fields)] = await rec.store.client.xrange(rec.topics.orders())
    event = msgspec.json.decode(fields[b"j"])
    assert (event["intent_id"], event["state"], event["reason"]) == (
        "i1",
        "dropped",
        "minPositionDollars: 0.000001, limit 1.000000",
    )


async def test_outcomes_only_follow_the_states_they_may(rec: Record) -> None:
    await ask(rec)
    args = {"order_id": "o1", "filled": 400, "remaining": 600, "reason": "", "now_ms": NOW}
    assert await rec.outcome("i1", "resting", **args) == "ok"
    assert await rec.outcome("i1", "refused", **args) == "no:resting"
    # Filled never falls back, and what the claim reserved stays until the ledger books.
    args |= {"filled": 100, "remaining": 0}
    assert await rec.outcome("i1", "canceled", **args) == "ok"
    order = await rec.store.client.hgetall(rec.topics.order("i1"))
    assert (order[b"state"], order[b"filled"], order[b"order_id"]) == (b"canceled", b"400", b"o1")
    assert await rec.outcome("i1", "executed", **args) == "no:canceled"
    assert await rec.store.client.hget(rec.topics.reserved(), "i1") == b"M|G|5200000"
    assert await rec.store.client.hget(rec.topics.by_order_id(), "o1") == b"i1"
    assert await rec.outcome("nobody", "refused", **args) == "no:absent"


async def test_a_no_after_the_claim_stands_in_the_orders_stream_with_rule_value_and_limit(rec: Record) -> None:
    args = {"order_id": "", "filled": 0, "remaining": 0, "reason": "r", "now_ms": NOW}
    await ask(rec)
    assert await rec.outcome("i1", "refused", no=Refusal("maxPrice", "9950", "100 to 9900"), **args) == "ok"
    await ask(rec, intent(id="i2"))
    assert await rec.outcome("i2", "refused", **args) == "ok"
    steps = [fields[b"j"] for _, fields in await rec.store.client.xrange(rec.topics.orders())]
    read = codec.Reader(OrderEvent)
    said = [(e.state, e.rule, e.value, e.limit) for e in map(read.json, steps)]
    assert said == [
        ("claimed", "", "", ""), ("refused", "maxPrice", "9950", "100 to 9900"),
        ("claimed", "", "", ""), ("refused", "", "", ""),
    ]  # fmt: skip
    # As written before steps had these fields.
    older = {
        name: value for name, value in msgspec.json.decode(steps[1]).items() if name not in {"rule", "value", "limit"}
    }
    assert read.json(msgspec.json.encode(older)).rule == ""


async def test_one_writer_per_strategy_and_every_take_over_is_a_new_term(rec: Record) -> None:
    won, left = await rec.take_over("s", "uid", "you", 60_000)
    assert won == 0
    assert left > 0
    assert not await rec.renew(rec.topics.writer_lease("s"), "you", 60_000)
    assert await rec.renew(rec.topics.writer_lease("s"), "me", 0)
    assert await rec.take_over("s", "uid", "you", 60_000) == (2, 0)


async def test_a_stream_of_intents_is_trimmed_to_what_is_not_acknowledged(rec: Record) -> None:
    stream, client = rec.topics.intents("s"), rec.store.client
    reader = GroupReader(
        rec.store, stream, "executor", "me", rec.topics.dead(), Clock(), structlog.get_logger(), start="0"
    )
    await reader.open()
    await reader.trim()
    for n in range(6):
        await client.xadd(stream, {codec.FIELD: bytes([n])})
    taken = await reader.read(count=4, block_ms=10)
    await reader.ack([taken[0], taken[1], taken[3]])
    await reader.trim()
    left = [fields[codec.FIELD][0] for _, fields in await client.xrange(stream)]
    assert left == [2, 3, 4, 5], "the oldest that waits for its acknowledgement, and all after it"
    await reader.ack([taken[2]])
    await reader.trim()
    assert [fields[codec.FIELD][0] for _, fields in await client.xrange(stream)] == [3, 4, 5]
