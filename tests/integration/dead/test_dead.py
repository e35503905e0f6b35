"""Dead letters on a real Redis: poisoned by a real reader, listed, shown, put back once."""

from __future__ import annotations

import asyncio
import json
import time
from types import SimpleNamespace

import pytest
import redis
import structlog

from services.runtime.clock import Clock
from services.runtime.store import Store
from services.runtime.streams import MAX_DELIVERIES, GroupReader
from touchline_operator.cli.main import main
from trading_logic.contracts import codec, topics
from trading_logic.contracts.messages import BookDelta, Intent

MD = topics.MarketDataTopics("default", "simulator")
RECORD = topics.RecordTopics("default", "house")
QUIET = structlog.wrap_logger(None, processors=[structlog.testing.LogCapture()], wrapper_class=structlog.BoundLogger)
EVENT = "KXNFLGAME-25SEP04DALPHI"


def intent(received_ms):
    return Intent(
        id="i", strategy="s", strategy_uid="u", policy="house", event=EVENT, game="g", market=f"{EVENT}-PHI", exchange_index=0,
        kind="entry", side="yes", price=5_000, count=100, style="Take", rest_seconds=0, cost=500_000, exit_plan=None,
        signal_id="", received_ms=received_ms, created_ms=received_ms, trace="",
    )  # fmt: skip


@pytest.fixture
def tool(redis_url, capsys):
    client = redis.Redis.from_url(redis_url)

    def run(*words):
        try:
            code = main(["dead", *words, "--bus-url", redis_url, "--record-url", redis_url])
        except SystemExit as ended:
            code = ended.code
        told = capsys.readouterr()
        return SimpleNamespace(code=code, out=told.out, err=told.err)

    yield SimpleNamespace(run=run, client=client, url=redis_url)
    client.close()


async def _bury(url, stream, dead, body, reason="no message"):
    store = Store(url, "bus")
    reader = GroupReader(store, stream, "g", "c", dead, Clock(), QUIET, start="0")
    await reader.open()
    await store.client.xadd(stream, {codec.FIELD: body})
    (entry,) = await reader.read(count=1, block_ms=100)
    await reader.bury(entry, reason)
    await store.close()


def bury(*words):
    asyncio.run(_bury(*words))


def listed(tool):
    told = tool.run("list", "--json")
    assert told.code == 0, told.err
    return json.loads(told.out)


async def _poison(tool):
    stream, dead = MD.md(EVENT), MD.dead(EVENT)
    store = Store(tool.url, "bus")
    clock = SimpleNamespace(now=0, mono_ms=lambda: clock.now, wall_ms=Clock().wall_ms)
    reader = GroupReader(store, stream, "g", "c", dead, clock, QUIET, start="0")
    await reader.open()
    tool.client.xadd(stream, {codec.FIELD: b"poison"})
    assert len(await reader.read(count=1, block_ms=100)) == 1
    for turn in range(MAX_DELIVERIES + 1):
        # As if it had been left for long: the claim counts as a delivery.
        waiting = tool.client.xpending_range(stream, "g", "-", "+", 1)
        if not waiting:
            break
        entry, times = waiting[0]["message_id"], waiting[0]["times_delivered"]
        tool.client.xclaim(stream, "g", "c", 0, [entry], idle=60_000, retrycount=times, justid=True)
        clock.now += 10_000 * (turn + 1)
        await reader.read(count=1, block_ms=10)
    await store.close()


def test_poison_is_listed_after_its_last_delivery(tool):
    asyncio.run(_poison(tool))
    stream = MD.md(EVENT)
    (one,) = listed(tool)
    assert (one["stream"], one["group"], one["bytes"]) == (stream, "g", len(b"poison"))
    assert one["deliveries"] > MAX_DELIVERIES
    assert str(MAX_DELIVERIES) in one["reason"]
    assert tool.client.xpending(stream, "g")["pending"] == 0


def test_list_and_show_for_people(tool):
    assert tool.run("list").out == "no dead letters\n"
    delta = BookDelta("s", 1, 2, f"{EVENT}-PHI", "yes", 5_000, -100, 1)
    bury(tool.url, MD.md(EVENT), MD.dead(EVENT), codec.encode_batch([delta]))
    bury(tool.url, RECORD.intents("s"), RECORD.dead(), b"\x63nonsense", "message version 99")
    rows = tool.run("list").out.splitlines()
    assert rows[0].split() == ["ID", "STREAM", "GROUP", "ENTRY", "AGE", "DELIVERIES", "BYTES", "REASON"]
    assert len(rows) == 3
    market, money = (row.split()[0] for row in rows[1:])
    assert market.startswith(f"{EVENT}/")
    assert money.startswith("house/")
    shown = json.loads(tool.run("show", market).out)
    assert shown["body"][0]["market"] == f"{EVENT}-PHI"
    assert shown["body"][0]["delta"] == -100
    broken = json.loads(tool.run("show", money, "--json").out)
    assert broken["hex"] == b"\x63nonsense".hex()
    assert "version 99" in broken["notReadable"]


def test_a_requeued_entry_is_read_again_and_its_letter_is_gone(tool):
    body = codec.encode_batch([BookDelta("s", 1, 2, f"{EVENT}-PHI", "yes", 5_000, -100, 1)])
    bury(tool.url, MD.md(EVENT), MD.dead(EVENT), body)
    (one,) = listed(tool)
    told = tool.run("requeue", one["id"])
    assert told.code == 0, told.err
    [(_, [(entry, fields)])] = tool.client.xreadgroup("g", "c", {MD.md(EVENT): ">"})
    assert fields == {codec.FIELD: body}
    assert entry.decode() in told.out
    assert listed(tool) == []
    again = tool.run("requeue", one["id"])
    assert (again.code, again.out) == (2, "")
    assert again.err == f"touchline: dead: no dead letter {one['id']}; there is: none\n"


def test_an_old_intent_never_goes_back_and_a_young_one_does(tool):
    now = time.time_ns() // 1_000_000
    bury(tool.url, RECORD.intents("s"), RECORD.dead(), codec.encode(intent(now - 5_000)))
    (old,) = listed(tool)
    told = tool.run("requeue", old["id"], "--json")
    assert told.code == 1
    assert json.loads(told.out)["refused"]["rule"] == "intentAge"
    assert "limit 1000 ms: the gate would drop it" in told.err
    assert [one["id"] for one in listed(tool)] == [old["id"]]
    length = tool.client.xlen(RECORD.intents("s"))
    bury(tool.url, RECORD.intents("s"), RECORD.dead(), codec.encode(intent(now + 3_600_000)))
    future = listed(tool)[1]["id"]
    assert tool.run("requeue", future).code == 1
    bury(tool.url, RECORD.intents("s"), RECORD.dead(), b"\x63")
    broken = listed(tool)[2]["id"]
    assert tool.run("requeue", broken).code == 1
    assert tool.client.xlen(RECORD.intents("s")) == length + 2  # what bury itself wrote, nothing more


def test_a_young_intent_goes_back(tool, monkeypatch):
    now = 1_790_000_000_000
    monkeypatch.setattr("touchline_operator.adapters.local.clock.SystemClock.wall_ms", lambda _: now)
    bury(tool.url, RECORD.intents("s"), RECORD.dead(), codec.encode(intent(now - 900)))
    (one,) = listed(tool)
    assert tool.run("requeue", one["id"]).code == 0
    assert tool.client.xlen(RECORD.intents("s")) == 2


def test_without_a_run_and_without_an_address_it_says_what_to_name(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["dead", "list"]) == 2
    assert capsys.readouterr().err.endswith("start it, or name --bus-url and --record-url\n")
    assert main(["dead", "list", "--bus-url", f"unix://{tmp_path}/none.sock"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
