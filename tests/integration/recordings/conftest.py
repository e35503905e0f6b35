"""Ingest and consumer as they run, in one process with the test, so that their books can be looked at between two frames."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
import structlog
from prometheus_client import CollectorRegistry

from services.consumer import process as consuming
from services.ingest import process as ingesting
from services.runtime.app import App
from services.runtime.clock import Clock
from services.runtime.health import Heartbeats, Status
from services.runtime.store import Store
from services.simulator.replay.tape import Tape
from trading_logic.contracts import codec, config, topics
from trading_logic.contracts.messages import CatalogEntry, FeedState, MarketInfo

EVENT = "RECORDED"
EVERY = 100
MD = topics.MarketDataTopics("t", "simulator")


@cache
def _tenth_of_a_mill(text: str) -> int:
    """ "0.4200" -> 4200: four digits behind the point, added by hand, not by the product's parser."""
    whole, _, rest = text.partition(".")
    sign = -1 if whole.startswith("-") else 1
    return sign * (abs(int(whole or "0")) * 10_000 + int(rest.ljust(4, "0")))


@cache
def _hundredths(text: str) -> int:
    return _tenth_of_a_mill(text) // 100


class Rebuild:
    """The books as the recorded text says, by the exchange's rules and with none of the product's code."""

    def __init__(self) -> None:
        self.books: dict[str, dict[str, dict[int, int]]] = {}
        self.moved = 0  # frames that are about a book
        self.taken = 0

    def take(self, line: bytes) -> None:
        frame = json.loads(line)
        msg = frame["msg"]
        self.taken += 1
        self.moved += frame["type"] != "trade"
        if frame["type"] == "orderbook_snapshot":
            self.books[msg["market_ticker"]] = {
                side: {_tenth_of_a_mill(p): _hundredths(c) for p, c in msg.get(f"{side}_dollars_fp", [])}
                for side in ("yes", "no")
            }
        elif frame["type"] == "orderbook_delta":
            ladder = self.books[msg["market_ticker"]][msg["side"]]
            price = _tenth_of_a_mill(msg["price_dollars"])
            ladder[price] = ladder.get(price, 0) + _hundredths(msg["delta_fp"])
            if not ladder[price]:
                del ladder[price]

    def copy(self) -> dict[str, dict[str, dict[int, int]]]:
        return {market: {side: dict(ladder) for side, ladder in book.items()} for market, book in self.books.items()}


def books_of(desk: Any) -> dict[str, dict[str, dict[int, int]]]:
    """A desk's books, of the markets that it has seen and does not block."""
    return {
        market: {side: dict(feed.book.levels(side)) for side in ("yes", "no")}
        for market, feed in desk.feed.markets.items()
        if feed.seq and feed.book.status != "gap"
    }


class Desks:
    """The desks of the running ingest and consumer. `applied` is called after every md entry, with its frames about books."""

    def __init__(self) -> None:
        self.ingest: Any = None
        self.consumer: Any = None
        self.seen = 0  # frames about a book that the consumer has applied
        self.states: list[FeedState] = []  # what the consumer was told of the feed
        self.applied: Callable[[int], None] = lambda _: None
        self.make: Any = None  # ingest's desk, for who binds it to another stream


@pytest.fixture
def desks(monkeypatch: pytest.MonkeyPatch) -> Desks:
    found = Desks()

    class Ingest(ingesting.Desk):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            found.ingest = self

    class Consumer(consuming.Desk):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            found.consumer = self

        def apply(self, at: Any, messages: Any) -> None:
            super().apply(at, messages)
            states = [message for message in messages if isinstance(message, FeedState)]
            found.states += states
            moved = len(messages) - len(states)
            found.seen += moved
            found.applied(moved)

    found.make = Ingest
    monkeypatch.setattr(ingesting, "Desk", Ingest)
    monkeypatch.setattr(consuming, "Desk", Consumer)
    return found


def _app(role: str, cfg: Any) -> App[Any]:
    clock, status = Clock(), Status()
    status.clear("start")
    return App(
        role=role, config=cfg, bus=Store(cfg.redis.bus, "bus"), record=Store(cfg.redis.record, "record"), clock=clock,
        log=structlog.get_logger(), stop=asyncio.Event(), beats=Heartbeats(clock), status=status,
        registry=CollectorRegistry(), started_ms=clock.wall_ms(),
    )  # fmt: skip


@asynccontextmanager
async def _running(app: App[Any], main: Callable[[App[Any]], Awaitable[None]]) -> AsyncIterator[App[Any]]:
    task = asyncio.ensure_future(main(app))
    try:
        yield app
    finally:
        app.stop.set()
        await asyncio.wait_for(task, 20)
        await app.bus.close()
        await app.record.close()


class Line:
    """Apps of ingest and consumer on one real Redis, for the markets of one tape."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.redis = redis.Redis.from_url(url)
        self._base: dict[str, Any] = {
            "namespace": "t", "feed": "simulator", "redis": config.Redis(url, url), "log_format": "json",
            "health": config.Health("127.0.0.1:0"),
        }  # fmt: skip

    def list_markets(self, tape: Tape) -> None:
        """What a catalog would have written: all markets of the connection as one event."""
        cent = (("0.0000", "1.0000", "0.0100"),)
        entry = CatalogEntry(
            event=EVENT, series="S", feed="simulator", title="t", game="g", sport="football", home="H", away="A",
            home_id="h", away_id="a", start_ms=0, exchange_index=0, fee_type="quadratic", fee_multiplier_ppm=1_000_000,
            exchange_active=True, updated_ms=1,
            markets=tuple(MarketInfo(ticker, "home", "t", "active", cent, 2**50, "") for ticker in tape.tickers),
        )  # fmt: skip
        self.redis.set(MD.catalog(EVENT), codec.encode(entry))

    def ingest_app(self, ready: dict[str, Any]) -> App[Any]:
        key = ready["accounts"][0]
        exchange = config.Exchange(
            "Simulator", ready["rest_url"], ready["ws_url"], key["key_id_file"], key["private_key_path"], 0
        )
        return _app("ingest", config.Ingest(process="ingest", event=EVENT, exchange=exchange, **self._base))

    def ingest(self, ready: dict[str, Any]) -> Any:
        return _running(self.ingest_app(ready), ingesting.main)

    def consumer(self) -> Any:
        return _running(
            _app("consumer", config.Consumer(process="consumer", event=EVENT, sources=(), **self._base)), consuming.main
        )


@pytest.fixture
def line(redis_url: str) -> Iterator[Line]:
    found = Line(redis_url)
    yield found
    found.redis.close()


class Player:
    """The simulator as a process of its own, standing still: it sends as many recorded frames as it is asked for."""

    def __init__(self, ready: dict[str, Any], http: httpx.AsyncClient) -> None:
        self.ready, self._http = ready, http

    async def step(self, frames: int) -> int:
        """How many recorded frames have been sent since the start."""
        answer = await self._http.post("/sim/clock", json={"step_frames": frames})
        answer.raise_for_status()
        return int(answer.json()["replay"]["position"])


@pytest.fixture
async def player(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Player]]]:
    children: list[subprocess.Popen[str]] = []
    async with httpx.AsyncClient(trust_env=False, timeout=60) as http:

        async def start(recording: Path, *options: str) -> Player:
            state = tmp_path / "sim"
            child = subprocess.Popen(
                [sys.executable, "-m", "services.simulator", "--state-dir", str(state), "--admin", "--paused", "--replay",
                 str(recording), *options],
                stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            children.append(child)
            assert child.stdout is not None
            ready = json.loads(await asyncio.to_thread(child.stdout.readline))
            (tmp_path / "key-id").write_text(ready["accounts"][0]["key_id"])
            ready["accounts"][0]["key_id_file"] = str(tmp_path / "key-id")
            http.base_url = httpx.URL(ready["rest_url"].split("/trade-api")[0])
            return Player(ready, http)

        yield start
    for child in children:
        child.terminate()
        child.wait(15)
        assert child.stdout is not None
        child.stdout.close()


async def until(what: str, look: Callable[[], Any], within_s: float = 30.0) -> Any:
    """Look until something true is seen."""
    deadline = time.monotonic() + within_s
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        await asyncio.sleep(0.0005)
    return found


@pytest.fixture(scope="session")
def tools() -> Any:
    """What the tests share: test folders are no packages."""

    class Tools:
        rebuild, event, every, md = Rebuild, EVENT, EVERY, MD
        until, books_of = staticmethod(until), staticmethod(books_of)

    return Tools
