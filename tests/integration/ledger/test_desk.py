"""The desk and its writer on a real Redis, without an exchange."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import structlog
from redis.exceptions import ConnectionError as RedisConnectionError

from services.exchange.models import Balance
from services.ledger.audit import Audit
from services.ledger.books import Holding
from services.ledger.desk import Desk
from services.ledger.writer import LeaseLost, Writer
from services.runtime.record import Record
from services.runtime.store import Store, result
from trading_logic.contracts import config
from trading_logic.contracts.messages import FillReport, TopOfBook
from trading_logic.contracts.topics import RecordTopics

DAY_MS = 86_400_000
NOON = 1_790_000_000_000
numbers = itertools.count(1)


class HandClock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = NOON

    def wall_ms(self) -> int:
        return self.now

    def mono_ms(self) -> int:
        return self.now

    def new_id(self) -> str:
        return "id"


LIMITS = config.Limits(
    max_drawdown_ppm=250_000,
    max_daily_loss_ppm=200_000,
    max_position_fraction_ppm=0,
    min_position_cash=0,
    max_position_cash=0,
    max_exposure_fraction_ppm=0,
    max_game_fraction_ppm=0,
    max_orders_per_minute=1,
    max_trades_per_day=1,
    stale_after_ms=10_000,
    degraded_kelly_ppm=0,
)


def configured() -> config.LedgerConfig:
    return config.LedgerConfig(
        process="ledger", namespace="test", redis=config.Redis("", ""), health=config.Health(""), log_format="json",
        feed="simulator", policy="house", events=(), exchange=config.Exchange("Simulator", "", "", "", "", 0),
        limits=LIMITS, trading_day=config.TradingDay("America/New_York", "06:00"), spec_file="", mode="Paper", webhook_folder="",
    )  # fmt: skip


def fill(side: str, yes_price: int, count: int, fee: int = 0, market: str = "M") -> FillReport:
    return FillReport(f"fill-{next(numbers)}", "o", market, side, yes_price, count, is_taker=True, fee=fee, at_ms=0)  # type: ignore[arg-type]


@pytest.fixture
async def record(redis_url: str) -> AsyncIterator[Record]:
    store = Store(redis_url, "record")
    made = Record(store, RecordTopics("test", "house"))
    await result(store.client.set(made.topics.ledger_lease(), "me"))
    yield made
    await store.close()


@pytest.fixture
async def desk(record: Record) -> Desk:
    """Opened with 100 dollars."""
    made = Desk(configured(), Writer(record, "me"), HandClock(), structlog.get_logger())  # type: ignore[arg-type]
    await made.load()
    await made.open_books(100_000_000, {}, {}, {})
    return made


async def again(desk: Desk) -> Desk:
    """Another ledger that finds the same record."""
    made = Desk(configured(), Writer(desk.writer.record, "me"), desk._clock, structlog.get_logger())
    await made.load()
    return made


async def risk(record: Record) -> dict[str, str]:
    rows = await result(record.store.client.hgetall(record.topics.risk()))
    return {key.decode(): value.decode() for key, value in rows.items()}


def top(bid: int, at: int) -> TopOfBook:
    return TopOfBook("M", "valid", bid, 100, bid + 100, 100, "s", 1, 1, at, at)


async def test_a_doubled_fill_is_harmless(desk: Desk, record: Record) -> None:
    one = fill("yes", 5_000, 1_000, 7)
    assert await desk.book_fill(one, None)
    before = await risk(record)
    assert not await desk.book_fill(one, None)
    assert not await (await again(desk)).book_fill(one, None)
    assert await risk(record) == before
    assert before["cash"] == str(100_000_000 - 5_000_007)


async def test_a_lost_answer_is_read_again_and_not_booked_twice(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    book = desk.writer.book

    async def losing(*args: Any, **kwargs: Any) -> Any:
        await book(*args, **kwargs)
        raise RedisConnectionError("the answer is lost")

    one = fill("yes", 5_000, 1_000)
    monkeypatch.setattr(desk.writer, "book", losing)
    with pytest.raises(RedisConnectionError):
        await desk.book_fill(one, None)
    monkeypatch.setattr(desk.writer, "book", book)
    assert not await desk.book_fill(one, None)
    assert desk.books.cash == 95_000_000
    assert await desk.book_fill(fill("no", 5_000, 1_000), None)
    assert (desk.books.cash, dict(desk.books.holdings)) == (100_000_000, {})


async def test_a_record_that_came_back_older_is_not_booked_on(desk: Desk, record: Record) -> None:
    before = await result(record.store.client.dump(record.topics.risk()))
    await desk.book_fill(fill("yes", 5_000, 1_000), None)
    # The lease of this ledger is younger than its life: it alone would not tell.
    await result(record.store.client.restore(record.topics.risk(), 0, before, replace=True))
    older = await risk(record)
    with pytest.raises(LeaseLost, match="came back as it was earlier"):
        await desk.book_fill(fill("yes", 5_000, 1_000), None)
    assert await risk(record) == older
    (cause,) = (await record.causes()).values()
    assert cause.source == "RedisChanged"


async def test_the_first_fill_that_crosses_latches(desk: Desk, record: Record) -> None:
    # Exactly the limit is still within it: fees take 20 of 100 dollars.
    await desk.book_fill(fill("yes", 5_000, 100, 20_000_000), None)
    assert await record.causes() == {}
    await desk.book_fill(fill("yes", 5_000, 100, 1), None)
    (cause,) = (await record.causes()).values()
    assert (cause.source, cause.rule, cause.value, cause.limit) == ("DailyLoss", "maxDailyLoss", "0.200001", "0.2")
    assert await record.epoch() == 1


async def test_the_first_mark_that_crosses_latches_and_only_once(desk: Desk, record: Record) -> None:
    await desk.book_fill(fill("yes", 8_000, 10_000), None)
    desk.tops["M"] = top(5_500, NOON)
    await desk.refresh()
    (cause,) = [c for c in (await record.causes()).values() if c.source == "DailyLoss"]
    assert cause.value == "0.25"
    desk.tops["M"] = top(5_499, NOON)
    await desk.refresh()
    await desk.refresh()
    causes = await record.causes()
    assert sorted(c.source for c in causes.values()) == ["DailyLoss", "Drawdown"]
    assert (await risk(record))["drawdown_ppm"] == "250100"


async def test_a_settlement_that_crosses_latches(desk: Desk, record: Record) -> None:
    await desk.book_fill(fill("yes", 3_000, 10_000), None)
    assert await record.causes() == {}
    assert await desk.book_settlement("M", 0, "{}")
    assert not await desk.book_settlement("M", 0, "{}")
    assert {c.source for c in (await record.causes()).values()} == {"DailyLoss", "Drawdown"}
    assert (await risk(record))["equity"] == "70000000"


async def test_peak_and_day_survive_a_restart_and_the_day_rolls(desk: Desk, record: Record) -> None:
    await desk.book_fill(fill("yes", 5_000, 1_000), None)
    desk.tops["M"] = top(6_000, NOON)
    await desk.refresh()
    assert desk.track.peak == 101_000_000
    desk.tops["M"] = top(5_800, NOON)
    desk._clock.now += 1_000  # type: ignore[attr-defined]
    await desk.refresh()
    other = await again(desk)
    assert other.track == desk.track
    assert other.books == desk.books
    other._clock.now += DAY_MS  # type: ignore[attr-defined]
    await other.refresh()
    assert other.track.day > desk.track.day
    # The new day begins with what was last seen before it.
    assert (await risk(record))["day_start"] == str(100_800_000)
    assert (await risk(record))["peak"] == str(101_000_000)


async def test_a_deposit_is_no_gain_and_is_booked_once(desk: Desk, record: Record) -> None:
    await desk.book_fill(fill("yes", 5_000, 1_000, 10_000_000), None)
    assert await desk.book_transfer("transfer:1", 50_000_000, "{}")
    assert not await desk.book_transfer("transfer:1", 50_000_000, "{}")
    found = await risk(record)
    assert (found["equity"], found["peak"], found["day_start"]) == ("140000000", "150000000", "150000000")
    assert found["daily_loss_ppm"] == str(-(-10_000_000 * 1_000_000 // 150_000_000))


async def test_a_fenced_ledger_writes_nothing(desk: Desk, record: Record) -> None:
    await result(record.store.client.set(record.topics.ledger_lease(), "another"))
    before = await risk(record)
    with pytest.raises(LeaseLost):
        await desk.book_fill(fill("yes", 5_000, 1_000), None)
    assert await risk(record) == before


async def test_opening_adopts_what_was_there(record: Record) -> None:
    made = Desk(configured(), Writer(record, "me"), HandClock(), structlog.get_logger())  # type: ignore[arg-type]
    await made.load()
    old = fill("yes", 5_000, 1_000)
    await made.open_books(
        100_000_000, {"M": Holding(1_000, 5_000_000)}, {old.fill_id: msgspec.json.encode(old).decode()}, {"S": "{}"}
    )
    other = await again(made)
    assert not await other.book_fill(old, None)
    assert not await other.book_settlement("S", 10_000, "{}")
    assert other.track.equity == 105_000_000
    assert (await risk(record))["started_equity"] == "105000000"


async def test_money_that_nobody_explains_stops_entries_then_the_account_then_is_taken_over(
    desk: Desk, record: Record
) -> None:
    clock = desk._clock
    app = SimpleNamespace(clock=clock, log=structlog.get_logger(), config=configured())
    audit = Audit(app, desk, None)  # type: ignore[arg-type]
    balance = Balance(balance=90_000_000, portfolio_value=0, updated=0)
    seen = []
    for _ in range(17):
        clock.now += 2_000  # type: ignore[attr-defined]
        await audit.reconcile(balance, [], 0)
        found = await risk(record)
        seen.append((found["marks"], found["reconciled"]))
    assert seen[:3] == [("", "1")] * 3
    assert seen[3:16] == [("cash", "1")] * 13
    assert seen[16] == ("cash", "0")
    (cause,) = (await record.causes()).values()
    assert (cause.source, cause.value, cause.limit) == ("Reconciliation", "100.000000", "90.000000")
    rows = await result(record.store.client.xrange(record.topics.risk_events()))
    kinds = [msgspec.json.decode(fields[b"j"])["kind"] for _, fields in rows]
    assert kinds == ["gap", "latched"]

    await desk.rebase(desk.track, accept_cash=True, once=cause.id)
    clock.now += 2_000  # type: ignore[attr-defined]
    await audit.reconcile(balance, [], 0)
    found = await risk(record)
    assert (found["cash"], found["reconciled"], found["marks"]) == ("90000000", "1", "")
    assert (found["peak"], found["drawdown_ppm"], found["resumed"]) == ("90000000", "0", cause.id)


@pytest.mark.parametrize("end", ["refused", "abandoned"])
async def test_an_order_that_ended_while_no_ledger_ran_frees_its_reservation(
    desk: Desk, record: Record, end: str
) -> None:
    """The exchange never had it, so no reading will ever speak of it: what the record says is all there is."""
    t, client = record.topics, record.store.client
    fields = {
        "state": end, "strategy": "sunday", "market": "M", "game": "G", "kind": "entry", "day": "2026-09-21",
        "order_id": "", "client_order_id": "c", "cost": 5_000_000, "count": 1_000, "booked": 0, "claimed_ms": NOON,
    }  # fmt: skip
    await result(client.hset(t.order("i1"), mapping=fields))
    await result(client.sadd(t.open_orders(), "i1"))
    await result(client.sadd(t.trades("2026-09-21"), "i1"))
    await result(client.hset(t.reserved(), "i1", "M|G|5000000"))
    other = await again(desk)
    assert other.rows == {}
    assert await result(client.smembers(t.open_orders())) == set()
    assert await result(client.hgetall(t.reserved())) == {}
    assert await result(client.smembers(t.trades("2026-09-21"))) == set()
