"""The client against the project's own exchange, as a separate process over real sockets."""

import asyncio
import contextlib
import itertools
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from services.exchange.budget import TIERS, Budget
from services.exchange.clock import SystemClock
from services.exchange.errors import AuthenticationError, NotFound, PermanentError
from services.exchange.frames import (
    Connected,
    DeltaFrame,
    FillFrame,
    GapFrame,
    OrderGroupFrame,
    SnapshotFrame,
    UserOrderFrame,
)
from services.exchange.keys import KeySource
from services.exchange.models import CreateOrder, Market, OrderRef
from services.exchange.rest import ExchangeRest
from services.exchange.signing import Presigner
from services.exchange.stream import ExchangeStream

CLOCK = SystemClock()


@pytest.fixture(scope="module")
def simulator(tmp_path_factory) -> Iterator[dict]:
    state = tmp_path_factory.mktemp("sim")
    process = subprocess.Popen(
        [sys.executable, "-m", "services.simulator", "--port", "0", "--state-dir", str(state), "--seed", "7"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


def _signer(simulator, number: int = 0) -> KeySource:
    account = simulator["accounts"][number]
    return KeySource(account["key_id"], Path(account["private_key_path"]))


@pytest.fixture(scope="module")
def budget() -> Budget:
    """One for all tests: the exchange counts what they take together."""
    return Budget(TIERS["basic"], CLOCK)


@pytest.fixture
async def rest(simulator, budget) -> AsyncIterator[ExchangeRest]:
    async with ExchangeRest(simulator["rest_url"], _signer(simulator), budget, CLOCK) as client:
        yield client


@pytest.fixture
async def market(rest) -> Market:
    for event in await rest.events(series_ticker="KXNFLGAME", status="open", with_markets=True):
        for market in event.markets:
            if market.status == "active":
                return market
    raise AssertionError("the simulator has no open market")


_numbers = itertools.count(time.time_ns())


def _order(market: Market, price: int, count: int = 100, **fields) -> CreateOrder:
    defaults = {"side": "bid", "time_in_force": "good_till_canceled"}
    return CreateOrder(
        ticker=market.ticker,
        client_order_id=f"t-{next(_numbers)}",
        price=price,
        count=count,
        **(defaults | fields),
    )


async def test_every_public_read(rest, market) -> None:
    status = await rest.exchange_status()
    assert status.exchange_active
    assert status.trading_active
    event = await rest.event(market.event_ticker)
    assert {found.ticker for found in await rest.markets(event_ticker=event.event_ticker)} == {
        found.ticker for found in event.markets
    }
    assert (await rest.series(event.series_ticker)).fee_multiplier > 0
    again = await rest.market(market.ticker)
    assert again.price_ranges[0].step > 0
    book = await rest.orderbook(market.ticker)
    assert all(0 < price < 10_000 and count > 0 for price, count in book.yes + book.no)
    assert book.yes == sorted(book.yes)
    for trade in await rest.trades(market.ticker, limit=3):
        assert trade.yes_price + trade.no_price == 10_000
    milestones = await rest.milestones(related_event_ticker=event.event_ticker)
    live = await rest.live_data(milestones[0].id)
    assert {"home_points", "away_points"} <= live.details.keys()
    (batched,) = await rest.live_data_batch([milestones[0].id])
    assert batched.milestone_id == live.milestone_id
    with pytest.raises(NotFound):
        await rest.market("KXNOSUCH-1")


async def test_every_account_read(rest) -> None:
    assert (await rest.balance()).balance > 0
    limits = await rest.account_limits()
    assert limits.write.refill_rate > 0
    for rows in (
        await rest.positions(),
        await rest.fills(),
        await rest.settlements(),
        await rest.deposits(),
        await rest.withdrawals(),
        await rest.order_groups(),
        await rest.orders(status="resting"),
    ):
        assert isinstance(rows, list)


async def test_place_read_and_cancel(rest, market) -> None:
    order = _order(market, 100, 250)
    ack = await rest.create_order(order)
    assert (ack.fill_count, ack.remaining_count) == (0, 250)
    found = await rest.order(ack.order_id)
    assert (found.client_order_id, found.status, found.yes_price, found.remaining_count) == (
        order.client_order_id,
        "resting",
        100,
        250,
    )
    assert ack.order_id in {resting.order_id for resting in await rest.orders(status="resting")}
    with pytest.raises(PermanentError) as refused:
        await rest.create_order(order)
    assert refused.value.code == "order_already_exists"
    assert (await rest.cancel_order(ack.order_id, market.ticker)).reduced_by == 250
    with pytest.raises(NotFound):
        await rest.cancel_order(ack.order_id, market.ticker)
    second = await rest.create_order(_order(market, 100))
    gone, unknown = await rest.batch_cancel(
        [OrderRef(second.order_id, market.ticker), OrderRef("no-such-order", market.ticker)]
    )
    assert (gone.reduced_by, gone.error) == (100, None)
    assert unknown.error is not None
    assert await rest.orders(status="resting") == []


async def test_a_fill_costs_what_the_venue_says(rest, market) -> None:
    # The world moves: a maker may have pulled its quotes in this instant, so the order may need another try.
    for _ in range(50):
        before = (await rest.balance()).balance
        ack = await rest.create_order(_order(market, 9900, time_in_force="immediate_or_cancel"))
        if ack.fill_count:
            break
        await asyncio.sleep(0.1)
    fills = await rest.fills(order_id=ack.order_id)
    assert sum(fill.count for fill in fills) == ack.fill_count > 0
    cost = sum(fill.yes_price * fill.count + fill.fee_cost for fill in fills)
    assert before - (await rest.balance()).balance == cost
    assert {position.ticker for position in await rest.positions()} == {market.ticker}


async def test_a_triggered_group_cancels_and_refuses(rest, market) -> None:
    group = await rest.create_order_group(100_00)
    resting = await rest.create_order(_order(market, 100, order_group_id=group))
    assert group in {found.id for found in await rest.order_groups()}
    await rest.trigger_order_group(group)
    assert (await rest.order(resting.order_id)).status == "canceled"
    with pytest.raises(PermanentError):
        await rest.create_order(_order(market, 100, order_group_id=group))
    await rest.delete_order_group(group)
    assert group not in {found.id for found in await rest.order_groups()}


async def test_a_presigned_order_is_accepted(simulator, budget, market) -> None:
    presigner = Presigner(_signer(simulator), CLOCK)
    async with ExchangeRest(simulator["rest_url"], presigner, budget, CLOCK) as rest:
        presigner.presign("POST", rest.create_order_path)
        await asyncio.sleep(0.2)
        ack = await rest.create_order(_order(market, 100))
        await rest.cancel_order(ack.order_id, market.ticker)


async def test_a_key_of_another_account_is_refused(simulator, budget) -> None:
    wrong = KeySource(simulator["accounts"][0]["key_id"], Path(simulator["accounts"][1]["private_key_path"]))
    async with ExchangeRest(simulator["rest_url"], wrong, budget, CLOCK) as rest:
        with pytest.raises(AuthenticationError, match="Check the key id"):
            await rest.balance()


@contextlib.asynccontextmanager
async def _frames(simulator, channels: list[tuple[str, list[str] | None]]):
    sessions = itertools.count(1)
    stream = ExchangeStream(simulator["ws_url"], _signer(simulator), CLOCK, lambda: f"s{next(sessions)}")
    for channel, markets in channels:
        await stream.subscribe([channel], markets)
    async with stream:

        async def frames():
            async for batch in stream.batches():
                for frame in batch:
                    yield frame

        async with contextlib.aclosing(frames()) as flow, asyncio.timeout(60):
            yield stream, flow


async def test_the_rebuilt_book_equals_the_rest_book(simulator, rest, market) -> None:
    sides: dict[str, dict[int, int]] = {"yes": {}, "no": {}}
    deltas = 0
    async with _frames(simulator, [("orderbook_delta", [market.ticker])]) as (stream, flow):
        async for frame in flow:
            assert not isinstance(frame, GapFrame)
            if isinstance(frame, SnapshotFrame):
                sides = {"yes": dict(frame.yes), "no": dict(frame.no)}
            if isinstance(frame, DeltaFrame):
                deltas += 1
                side = sides[frame.side]
                side[frame.price] = side.get(frame.price, 0) + frame.delta
                assert side[frame.price] >= 0
                if side[frame.price] == 0:
                    del side[frame.price]
                if deltas >= 10:
                    # The world moves on between a frame and a read: the books must meet, not at every moment.
                    book = await rest.orderbook(market.ticker)
                    if (sides["yes"], sides["no"]) == (dict(book.yes), dict(book.no)):
                        break
    assert deltas >= 10
    assert stream.counters.bad == 0


async def test_private_frames_tell_of_our_own_orders(simulator, rest, market) -> None:
    channels = [("fill", None), ("user_orders", None), ("order_group_updates", None)]
    async with _frames(simulator, channels) as (stream, flow):
        subscribed = 0
        async for frame in flow:
            subscribed += type(frame).__name__ == "Subscribed"
            if subscribed == 3:
                break
            assert isinstance(frame, Connected) or subscribed
        group = await rest.create_order_group(100_00)
        resting = await rest.create_order(_order(market, 100, order_group_id=group))
        filled = await rest.create_order(_order(market, 9900, time_in_force="immediate_or_cancel"))
        await rest.trigger_order_group(group)
        fill, statuses, group_events = None, {}, []
        async for frame in flow:
            if isinstance(frame, FillFrame) and frame.order_id == filled.order_id:
                fill = frame
            if isinstance(frame, UserOrderFrame):
                statuses[frame.order_id] = frame.status
            if isinstance(frame, OrderGroupFrame) and frame.order_group_id == group:
                group_events.append(frame.event_type)
            if fill and statuses.get(resting.order_id) == "canceled" and "triggered" in group_events:
                break
    (booked,) = await rest.fills(order_id=filled.order_id)
    assert (fill.count, fill.yes_price, fill.fee_cost) == (booked.count, booked.yes_price, booked.fee_cost)
    assert statuses[filled.order_id] == "executed"
    assert stream.counters.bad == 0
