"""Nothing leaves after the right to send has ended, however long the order had to wait for rate budget."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from prometheus_client import Histogram

from services.exchange.budget import Budget, Limits
from services.exchange.errors import PermanentError, TemporaryError
from services.exchange.rest import ExchangeRest
from services.executor.sender import Sender
from services.executor.session import Session
from services.runtime.record import Claimed
from trading_logic.contracts import config
from trading_logic.contracts.messages import ExitPlan, Intent
from trading_logic.orders import intent_id
from trading_logic.refusal import Refusal

NOW_S = 1_000.0


class _Clock:
    """One time for both clocks of the executor; sleeping moves it."""

    def __init__(self) -> None:
        self.seconds = NOW_S

    def now_ms(self) -> int:
        return int(self.seconds * 1000)

    wall_ms = mono_ms = now_ms

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        await asyncio.sleep(0)


class _Record:
    """Says yes, with a trading lease of `lease_ms`, and keeps what it is told."""

    def __init__(self, lease_ms: int) -> None:
        self.lease_ms = lease_ms
        self.outcomes: list[tuple[str, str]] = []
        self.noes: list[Refusal | None] = []

    async def claim(self, *_: Any) -> Claimed:
        return Claimed(self.lease_ms)

    async def outcome(self, _intent: str, state: str, *, reason: str, no: Refusal | None, **_: Any) -> str:
        self.outcomes.append((state, reason))
        self.noes.append(no)
        return "ok"


class _Venue:
    """Takes every order."""

    def __init__(self) -> None:
        self.orders: list[dict[str, Any]] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        size = int(head.split("content-length: ")[1].split("\r\n")[0])
        asked = json.loads(await reader.readexactly(size))
        self.orders.append(asked)
        body = json.dumps(
            {"order_id": "o", "client_order_id": asked["client_order_id"], "fill_count": asked["count"],
             "remaining_count": "0.00", "ts_ms": 1}
        ).encode()  # fmt: skip
        writer.write(
            b"HTTP/1.1 201 X\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
            % len(body)
            + body
        )
        writer.close()


@pytest.fixture
async def venue() -> AsyncIterator[_Venue]:
    fake = _Venue()
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/trade-api/v2"
    yield fake
    server.close()


LIMITS = config.Limits(0, 0, 0, 0, 1_000_000_000, 0, 0, 30, 20, 10_000, 0)


def _app(clock: _Clock) -> Any:
    quiet = SimpleNamespace(info=lambda *_, **__: None, warning=lambda *_, **__: None, error=lambda *_, **__: None)
    day = config.TradingDay("America/New_York", "06:00")
    entry = config.Entry("Take", 0, 0, 0, 10_000, 100, 9_900)
    return SimpleNamespace(
        clock=clock, log=quiet, count=lambda *_: None, histogram=lambda name, text: Histogram(name, text, registry=None),
        config=SimpleNamespace(limits=LIMITS, trading_day=day, entry=entry),
    )  # fmt: skip


def _intent(received_ms: int) -> Intent:
    return Intent(
        id=intent_id("uid", "signal", "entry"), strategy="s", strategy_uid="uid", policy="p", event="E", game="g",
        market="M", exchange_index=0, kind="entry", side="yes", price=5_000, count=200, style="Take", rest_seconds=0,
        cost=1_000_000, exit_plan=ExitPlan(100, 9_999, 0), signal_id="signal", received_ms=received_ms,
        created_ms=received_ms, trace="",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("lease_ms", "writer_ms", "age_ms", "leaves"),
    [
        (10_000, 10_000, 0, True),
        (200, 10_000, 0, False),  # the trading lease ends while the order waits for budget
        (10_000, 200, 0, False),  # the writer lease does
        (10_000, 10_000, 800, False),  # the tick is older than a second by then
    ],
)
async def test_an_order_that_must_wait_for_budget_leaves_only_while_it_may(
    venue: _Venue, lease_ms: int, writer_ms: int, age_ms: int, *, leaves: bool
) -> None:
    clock = _Clock()
    budget = Budget(Limits(100, 100, 25, 12.5), clock)  # ten tokens of the order: 0.4 s after the bucket was emptied
    await budget.acquire("write")
    now = clock.mono_ms()
    session = Session("t", term=1, epoch=1, group="g", trading=True, writer_until_ms=now + writer_ms)
    rec = _Record(lease_ms)
    async with ExchangeRest(venue.url, None, budget, clock) as rest:
        sender = Sender(_app(clock), rec, rest, session, asyncio.Event())  # type: ignore[arg-type]  # a fake record
        state = await sender.carry(_intent(now - age_ms))
    assert (state, len(venue.orders)) == (("executed", 1) if leaves else ("refused", 0))
    if not leaves:
        assert "nothing was sent" in rec.outcomes[0][1]
        left = min(0.5, (min(lease_ms, writer_ms, 1_000 - age_ms)) / 1000)
        assert rec.noes == [Refusal("rateBudget", "0.500 s", f"{left:.3f} s")]


class _Unreachable:
    async def create_order(self, *_: Any, **__: Any) -> None:
        raise AssertionError("the last look let it pass")


@pytest.mark.parametrize(
    ("change", "session", "no"),
    [
        ({"price": 9_950}, {}, Refusal("maxPrice", "9950", "100 to 9900")),
        ({"cost": 1}, {}, Refusal("cost", "1000000", "1")),
        ({}, {"trading": False}, Refusal("trading", "stopped", "trading")),
        ({}, {"writer_until_ms": 999_000}, Refusal("writerLease", "-1000", "> 0")),
    ],
)
async def test_a_no_of_the_last_look_reaches_the_record_with_rule_value_and_limit(
    change: dict[str, Any], session: dict[str, Any], no: Refusal
) -> None:
    clock, rec = _Clock(), _Record(10_000)
    now = clock.mono_ms()
    held = Session("t", term=1, epoch=1, group="g", **{"trading": True, "writer_until_ms": now + 10_000} | session)
    sender = Sender(_app(clock), rec, _Unreachable(), held, asyncio.Event())  # type: ignore[arg-type]  # fakes
    assert await sender.carry(msgspec.structs.replace(_intent(now), **change)) == "refused"
    assert rec.outcomes == [("refused", f"{no.rule}: {no.value}, limit {no.limit}")]
    assert rec.noes == [no]


class _Refusing:
    def __init__(self, error: Exception) -> None:
        self._error = error

    async def create_order(self, *_: Any, **__: Any) -> None:
        raise self._error


@pytest.mark.parametrize(
    ("error", "no"),
    [
        (
            PermanentError("POST /orders", status=400, code="insufficient_balance", message="too little"),
            Refusal("exchange", "insufficient_balance", "accepted"),
        ),
        (
            TemporaryError("too many", status=429, no=Refusal("rateLimit", "429", "2xx")),
            Refusal("rateLimit", "429", "2xx"),
        ),
    ],
)
async def test_a_no_on_the_way_to_the_exchange_or_of_it_has_rule_value_and_limit(error: Exception, no: Refusal) -> None:
    clock, rec = _Clock(), _Record(10_000)
    now = clock.mono_ms()
    session = Session("t", term=1, epoch=1, group="g", trading=True, writer_until_ms=now + 10_000)
    sender = Sender(_app(clock), rec, _Refusing(error), session, asyncio.Event())  # type: ignore[arg-type]  # fakes
    assert await sender.carry(_intent(now)) == "refused"
    assert rec.noes == [no]
    assert str(error) in rec.outcomes[0][1]
