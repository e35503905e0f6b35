"""A run's evidence on a real Redis: bounded, counted over restarts, and never the end of the run."""

from __future__ import annotations

import msgspec
import pytest
import redis

from touchline_operator.adapters.local.evidence import (
    FILE,
    FILLS_KEPT,
    KEPT,
    Chronicle,
    Desk,
    EvidenceError,
    Traded,
    read_evidence,
)
from touchline_operator.adapters.local.view import View
from touchline_operator.adapters.redis import RedisRiskFeed
from touchline_operator.cli.why.answer import event_answer, gate_checks
from touchline_operator.desired.world import PolicyFacts
from touchline_operator.ports import RecordUnreachableError
from trading_logic.contracts import codec, topics
from trading_logic.contracts.messages import FillReport, OrderEvent, Report

NAMES = topics.RecordTopics("default", "house")
EVENT, MARKET = "KXNFLGAME-25SEP04DALPHI", "KXNFLGAME-25SEP04DALPHI-PHI"


def step(intent, state, **fields):
    base = {
        "intent_id": intent, "client_order_id": "c", "order_id": "", "strategy": "s", "market": MARKET, "state": state,
        "filled": 0, "remaining": 0, "reason": "", "epoch": 1, "term": 1, "at_ms": 5, "trace": "",
    }  # fmt: skip
    return msgspec.json.encode(OrderEvent(**(base | fields)))


def report(started, **counters):
    return Report(
        "c",
        "consumer",
        EVENT,
        ready=True,
        reason="",
        message="",
        counters=counters,
        resident_bytes=1,
        started_ms=started,
        at_ms=1,
    )


def view(**fields):
    return View(facts={"house": PolicyFacts()}, booked={"house": 0}, **fields)


@pytest.fixture
async def run(redis_url, tmp_path):
    folder = tmp_path / "20260917T170000.000"
    folder.mkdir()
    feed = RedisRiskFeed("default", redis_url, redis_url)
    with redis.Redis.from_url(redis_url) as client:
        made = Chronicle(feed, "default", folder, 1)
        made.folder, made.client = folder, client
        yield made
    await feed.close()


async def test_counters_add_up_over_restarts(run):
    for made in (report(1, signals=10), report(1, signals=25), report(2, signals=3)):
        await run.look(view(reports={"c": made}), 1, last=True)
    counted = read_evidence(run.folder).counted["c"]
    assert (counted.role, counted.subject, counted.counters) == ("consumer", EVENT, {"signals": 28})


async def test_stories_are_bounded_and_counts_go_on(run):
    more = KEPT + 50
    for n in range(more):
        dropped = step(f"i{n}", "dropped", kind="entry", rule="maxTradesPerDay", value=str(n), limit="1")
        run.client.xadd(NAMES.orders(), {codec.JSON_FIELD: dropped})
    await run.look(view(), 1)
    await run.look(view(), 2, last=True)
    found = read_evidence(run.folder)
    assert list(found.stories) == [f"i{n}" for n in range(more - KEPT, more)]
    assert found.orders == {f"s/{EVENT}": {"dropped:maxTradesPerDay": more}}
    assert found.dropped[f"s/{EVENT}/maxTradesPerDay"].value == str(more - 1)


def refused():
    """One order that the exchange refused and one that the last look stopped."""
    return (
        step("r", "claimed", kind="entry"),
        step("r", "refused", reason="400 bad"),
        step("l", "claimed", kind="entry"),
        step("l", "refused", reason="maxPrice: 1, limit 2", rule="maxPrice", value="1", limit="2"),
    )


async def test_exits_are_counted_apart_and_each_order_once(run):
    for body in (
        step("e", "claimed", kind="entry", remaining=100),
        step("e", "resting", order_id="o1", remaining=100),
        step("e", "resting", order_id="o1", filled=50, remaining=50),
        step("e", "executed", order_id="o1", filled=100),
        step("x", "claimed", kind="exit", remaining=100),
        step("x", "canceled", order_id="o2"),
        *refused(),
    ):
        run.client.xadd(NAMES.orders(), {codec.JSON_FIELD: body})
    await run.look(view(), 1, last=True)
    assert read_evidence(run.folder).orders[f"s/{EVENT}"] == {
        "claimed": 3, "accepted": 1, "filled": 1, "refused": 2, "refused:maxPrice": 1, "exit:claimed": 1,
        "exit:accepted": 1,
    }  # fmt: skip


async def test_why_tells_a_no_of_the_last_look_from_one_of_the_exchange(run):
    for body in refused():
        run.client.xadd(NAMES.orders(), {codec.JSON_FIELD: body})
    await run.look(view(), 1, last=True)
    found = read_evidence(run.folder)
    found.desks["d"] = Desk("s", "house", EVENT)
    assert [(c.rule, c.value, c.limit, c.answer) for c in gate_checks(found.stories["l"])] == [
        ("last look: maxPrice", "1", "2", "NO")
    ]
    [funnel] = event_answer(found, EVENT, running=False, now_ms=1).funnels
    [accepted] = [stage for stage in funnel.stages if stage.stage == "accepted"]
    said = {(no.rule, no.count, no.value, no.limit) for no in accepted.refused}
    assert said == {("maxPrice", 1, "1", "2"), ("exchange", 1, "400 bad", "accepted")}


async def test_fills_are_kept_and_what_else_guards_bookings_is_not(run):
    fill = FillReport("f1", "o1", MARKET, "yes", 5_000, 100, is_taker=True, fee=17_500, at_ms=3)
    run.client.hset(NAMES.booked(), mapping={"f1": msgspec.json.encode(fill), "transfer:9": b'{"id": "9"}'})
    await run.look(View(facts={"house": PolicyFacts()}, booked={"house": 2}), 1, last=True)
    assert read_evidence(run.folder).fills == {"f1": fill}


async def test_fills_are_bounded_and_what_they_come_to_goes_on(run):
    def fill(n):
        side = "yes" if n % 2 else "no"
        return FillReport(
            f"f{n}", f"o{n}", MARKET, side, 5_000 + n % 7, 100 * (n % 3 + 1), is_taker=True, fee=n, at_ms=n
        )

    made = [fill(n) for n in range(FILLS_KEPT + 40)]
    for part in (made[:700], made[700:]):
        run.client.hset(NAMES.booked(), mapping={one.fill_id: msgspec.json.encode(one) for one in part})
        booked = run.client.hlen(NAMES.booked())
        await run.look(View(facts={"house": PolicyFacts()}, booked={"house": booked}), 1, last=True)
    found = read_evidence(run.folder)
    assert sorted(found.fills) == sorted(one.fill_id for one in made[-FILLS_KEPT:])
    signed = [one.count if one.side == "yes" else -one.count for one in made]
    cost = sum(n * one.yes_price for n, one in zip(signed, made, strict=True))
    assert found.traded == {MARKET: Traded(sum(signed), cost, sum(one.fee for one in made))}


async def test_what_cannot_be_read_or_written_is_said_and_no_more(run):
    run.client.xadd(NAMES.orders(), {codec.JSON_FIELD: b"{"})
    with pytest.raises(RecordUnreachableError, match="unreadable"):
        await run.look(view(), 1, last=True)
    run.client.delete(NAMES.orders())
    (run.folder / FILE).unlink()
    (run.folder / FILE).mkdir()
    (run.folder / FILE / "in-the-way").touch()
    with pytest.raises(EvidenceError, match="cannot be written"):
        await run.look(view(), 2, last=True)


async def test_evidence_of_another_version_says_what_to_do(run):
    (run.folder / FILE).write_text('{"version": 1}')
    with pytest.raises(EvidenceError, match="another version: run touchline up again"):
        read_evidence(run.folder)
