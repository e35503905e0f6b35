"""A real simulator, a real ledger process, and a trader that does what an executor does, step by step."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from services.exchange import models
from services.exchange.budget import TIERS, Budget
from services.exchange.clock import SystemClock
from services.exchange.rest import ExchangeRest
from services.exchange.signing import Signer
from services.runtime.record import Claimed, Fence, Record
from services.runtime.store import Store, result
from trading_logic.contracts import codec, config
from trading_logic.contracts.messages import CatalogEntry, ExitPlan, Intent, MarketInfo, RiskEvent, TopOfBook
from trading_logic.contracts.record import OrderGroupRecord, encode
from trading_logic.contracts.topics import MarketDataTopics, RecordTopics
from trading_logic.orders import client_order_id, intent_id
from trading_logic.refusal import Refusal
from trading_logic.risk.drawdown import trading_day

DAY = config.TradingDay(time_zone="America/New_York", starts_at="06:00")
EVENT = "KXNFLGAME-25SEP04DALPHI"
UID = "uid-1"
STRATEGY = "sunday"
LIMITS = config.Limits(
    max_drawdown_ppm=250_000,
    max_daily_loss_ppm=200_000,
    max_position_fraction_ppm=1_000_000,
    min_position_cash=0,
    max_position_cash=900_000_000,
    max_exposure_fraction_ppm=1_000_000,
    max_game_fraction_ppm=1_000_000,
    max_orders_per_minute=600,
    max_trades_per_day=200,
    stale_after_ms=10_000,
    degraded_kelly_ppm=500_000,
)


@dataclass
class Venue:
    """One running simulator."""

    rest_url: str
    ws_url: str
    keys: list[tuple[str, Path]]
    process: subprocess.Popen[bytes]


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="tl-ledger-"))
    yield made
    shutil.rmtree(made)


@pytest.fixture
def simulator(folder: Path) -> Iterator[Callable[..., Venue]]:
    started: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str) -> Venue:
        command = [sys.executable, "-m", "services.simulator", "--port", "0", "--state-dir", str(folder / "sim")]
        process = subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        keys = [(account["key_id"], Path(account["private_key_path"])) for account in ready["accounts"]]
        return Venue(ready["rest_url"], ready["ws_url"], keys, process)

    yield start
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


async def until(what: Callable[[], Awaitable[Any]], seconds: float, told: str) -> Any:
    """Poll until `what` is true; its value."""
    deadline = time.monotonic() + seconds
    while True:
        found = await what()
        if found:
            return found
        assert time.monotonic() < deadline, told
        await asyncio.sleep(0.05)


@dataclass
class World:
    """What a test holds: the record, the account's client, the ledger process."""

    venue: Venue
    rest: ExchangeRest
    record: Record
    redis_url: str
    folder: Path
    limits: config.Limits = LIMITS
    webhook_folder: str = ""
    log: Path | None = None
    process: subprocess.Popen[bytes] | None = None
    started_ms: int = 0
    fence: Fence | None = None
    feeding: asyncio.Task[None] | None = None
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    # -- the ledger

    def config(self) -> config.LedgerConfig:
        key_id, key_path = self.venue.keys[0]
        (self.folder / "key-id").write_text(key_id)
        return config.LedgerConfig(
            process="ledger-house",
            namespace="test",
            redis=config.Redis(bus=self.redis_url, record=self.redis_url),
            health=config.Health(listen=f"unix:{self.folder}/health.sock"),
            log_format="console",
            feed="simulator",
            policy="house",
            events=(EVENT,),
            exchange=config.Exchange(
                environment="Simulator",
                rest_url=self.venue.rest_url,
                ws_url=self.venue.ws_url,
                key_id_file=str(self.folder / "key-id"),
                private_key_file=str(key_path),
                subaccount=0,
            ),
            limits=self.limits,
            trading_day=DAY,
            spec_file=str(self.folder / "spec.json"),
            mode="Paper",
            webhook_folder=self.webhook_folder,
        )

    def start(self) -> None:
        path = self.folder / "ledger.json"
        path.write_bytes(msgspec.json.encode(self.config()))
        self.started_ms = time.time_ns() // 1_000_000
        command = [sys.executable, "-m", "services.ledger", "--config", str(path)]
        with contextlib.ExitStack() as files:
            log = files.enter_context(self.log.open("ab")) if self.log is not None else None
            self.process = subprocess.Popen(command, stderr=log)

    def kill(self, number: int = signal.SIGKILL) -> int:
        assert self.process is not None
        os.kill(self.process.pid, number)
        code = self.process.wait(20)
        self.process = None
        return code

    async def ready(self) -> None:
        """Started, reconciled, and granting."""

        async def granted() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, "the ledger ended"
            body = await result(self.record.store.client.get(self.record.topics.trading_lease()))
            # A lease of the ledger before this one may still live.
            return body is not None and json.loads(body)["at_ms"] >= self.started_ms

        await until(granted, 20, "no trading lease")

    async def admin(self, method: str, path: str, body: dict[str, Any]) -> None:
        """Order the simulator about; it must have been started with --admin."""
        url = self.venue.rest_url.replace("/trade-api/v2", f"/sim/{path}")
        async with httpx.AsyncClient(trust_env=False) as client:
            (await client.request(method, url, json=body)).raise_for_status()

    def spec(self, **fields: Any) -> None:
        temporary = self.folder / "spec.json.new"
        temporary.write_text(json.dumps(fields))
        temporary.rename(self.folder / "spec.json")

    # -- what the record says

    async def hash(self, key: str) -> dict[str, str]:
        rows = await result(self.record.store.client.hgetall(key))
        return {name.decode(): value.decode() for name, value in rows.items()}

    async def risk(self) -> dict[str, str]:
        return await self.hash(self.record.topics.risk())

    async def positions(self) -> dict[str, dict[str, Any]]:
        return {name: json.loads(body) for name, body in (await self.hash(self.record.topics.positions())).items()}

    async def halt(self) -> dict[str, str]:
        return await self.hash(self.record.topics.halt())

    async def events(self) -> list[RiskEvent]:
        rows = await result(self.record.store.client.xrange(self.record.topics.risk_events()))
        return [msgspec.json.decode(fields[b"j"], type=RiskEvent) for _, fields in rows]

    async def equal_to_venue(self, seconds: float = 10) -> dict[str, str]:
        """Wait until the books are the exchange's to the micro-dollar; the risk hash."""

        async def same() -> dict[str, str] | None:
            risk = await self.risk()
            balance = await self.rest.balance()
            theirs = {p.ticker: p for p in await self.rest.positions() if p.position}
            ours = await self.positions()
            if "cash" not in risk or int(risk["cash"]) != balance.balance:
                return None
            same_counts = {name: body["count"] for name, body in ours.items()} == {
                name: found.position for name, found in theirs.items()
            }
            same_costs = all(body["cost"] == theirs[name].market_exposure for name, body in ours.items() if same_counts)
            return risk if same_counts and same_costs else None

        return await until(same, seconds, "the books differ from the exchange")

    # -- trading as an executor does

    async def take_over(self) -> None:
        """Writer lease, term, order group under the present epoch."""
        term, _ = await self.record.take_over(STRATEGY, UID, "token", 60_000)
        assert term
        await self.new_group(term)

    async def new_group(self, term: int) -> None:
        epoch = await self.record.epoch()
        group = await self.rest.create_order_group(1_000_000)
        body = OrderGroupRecord(epoch=epoch, term=term, exchange_index=0, state="open")
        await result(self.record.store.client.hset(self.record.topics.groups(STRATEGY), group, encode(body)))
        self.fence = Fence(epoch=epoch, term=term, token="token", group=group)

    async def acknowledge(self) -> None:
        await result(
            self.record.store.client.hset(
                self.record.topics.ack(STRATEGY), mapping={"epoch": await self.record.epoch(), "in_flight": 0}
            )
        )

    def intent(self, market: str, side: str, price: int, count: int) -> Intent:
        now = time.time_ns() // 1_000_000
        made = intent_id(UID, f"signal-{next(self.numbers)}-{now}", "entry")
        return Intent(
            id=made, strategy=STRATEGY, strategy_uid=UID, policy="house", event=market.rpartition("-")[0], game="g",
            market=market, exchange_index=0, kind="entry", side=side, price=price, count=count, style="Take",
            rest_seconds=0, cost=price * count + 2_000_000 * count // 10_000,
            exit_plan=ExitPlan(stop_price=1, take_price=9_999, flatten_at_ms=0), signal_id="s", received_ms=now,
            created_ms=now, trace="",
        )  # fmt: skip

    async def claim(self, intent: Intent) -> Claimed | Refusal:
        assert self.fence is not None
        now = time.time_ns() // 1_000_000
        day = trading_day(now, DAY.time_zone, DAY.starts_at)
        client_id = client_order_id(UID, intent.id)
        return await self.record.claim(
            intent, msgspec.json.encode(intent), client_id, self.fence, self.limits, day, now
        )

    async def send(self, intent: Intent, *, rest: bool = False, tell: bool = True) -> models.CreateAck:
        """Place a claimed order; `tell` writes the outcome as an executor would."""
        assert self.fence is not None
        order = models.CreateOrder(
            ticker=intent.market,
            client_order_id=client_order_id(UID, intent.id),
            side="bid" if intent.side == "yes" else "ask",
            price=intent.price if intent.side == "yes" else 10_000 - intent.price,
            count=intent.count,
            time_in_force="good_till_canceled" if rest else "immediate_or_cancel",
            order_group_id=self.fence.group,
        )
        ack = await self.rest.create_order(order)
        if tell:
            state = "resting" if ack.remaining_count else "executed" if ack.fill_count >= intent.count else "canceled"
            answer = await self.record.outcome(
                intent.id, state, order_id=ack.order_id, filled=ack.fill_count, remaining=ack.remaining_count,
                reason="", now_ms=time.time_ns() // 1_000_000,
            )  # fmt: skip
            assert answer == "ok"
        return ack

    async def trade(self, market: str, side: str, price: int, count: int, **more: bool) -> models.CreateAck:
        """Claim and place one order."""
        intent = self.intent(market, side, price, count)
        claimed = await self.claim(intent)
        assert isinstance(claimed, Claimed), claimed
        return await self.send(intent, **more)

    # -- what catalog and ingest write

    async def feed(self) -> None:
        """Begin to publish the event's catalog entry and, four times a second, its tops."""
        self.feeding = asyncio.create_task(self._feed())
        topics = MarketDataTopics("test", "simulator")

        async def fed() -> bool:
            return bool(await result(self.record.store.client.hlen(topics.tops(EVENT))))

        await until(fed, 10, "no tops")

    async def _feed(self) -> None:
        topics, client = MarketDataTopics("test", "simulator"), self.record.store.client
        while True:
            markets = await self.rest.markets(event_ticker=EVENT)
            now = time.time_ns() // 1_000_000
            infos = tuple(
                MarketInfo(
                    market=found.ticker, outcome="home" if found.ticker.endswith("PHI") else "away", title="",
                    status=found.status.value, price_ranges=(), close_ms=0, result=found.result,
                )
                for found in markets
            )  # fmt: skip
            entry = CatalogEntry(
                event=EVENT, series="KXNFLGAME", feed="simulator", title="", game="g", sport="football", home="PHI",
                away="DAL", home_id="h", away_id="a", start_ms=now, exchange_index=0, fee_type="quadratic",
                fee_multiplier_ppm=1_000_000, exchange_active=True, markets=infos, updated_ms=now,
            )  # fmt: skip
            await result(client.set(topics.catalog(EVENT), codec.encode(entry)))
            for found in markets:
                top = TopOfBook(
                    market=found.ticker, status="valid", yes_bid=found.yes_bid, yes_bid_size=found.yes_bid_size,
                    yes_ask=found.yes_ask, yes_ask_size=found.yes_ask_size, session="s", sid=1, seq=1,
                    received_ms=now, alive_ms=now,
                )  # fmt: skip
                await result(client.hset(topics.tops(EVENT), found.ticker, codec.encode(top)))
                await result(client.publish(topics.top(EVENT), codec.encode(top)))
            await asyncio.sleep(0.25)

    async def market(self) -> models.Market:
        """A market with both sides quoted."""

        async def quoted() -> models.Market | None:
            for market in await self.rest.markets(event_ticker=EVENT):
                if market.yes_bid_size and market.yes_ask_size and market.status == "active":
                    return market
            return None

        return await until(quoted, 20, "no market is quoted")


@pytest.fixture
async def world(
    simulator: Callable[..., Venue], redis_url: str, folder: Path, request: pytest.FixtureRequest
) -> AsyncIterator[World]:
    """A simulator before its game, an empty record, no ledger yet. Parameters are the simulator's arguments."""
    arguments = getattr(request, "param", ("--pregame", "900", "--speed", "30"))
    venue = simulator(*arguments, "--tier", "premier")
    store = Store(redis_url, "record")
    clock = SystemClock()
    key_id, key_path = venue.keys[0]
    signer = Signer(key_id, key_path.read_bytes())
    async with ExchangeRest(venue.rest_url, signer, Budget(TIERS["premier"], clock), clock) as rest:
        made = World(venue, rest, Record(store, RecordTopics("test", "house")), redis_url, folder)
        yield made
        if made.feeding is not None:
            made.feeding.cancel()
        if made.process is not None:
            made.kill()
        await store.close()
