"""A running simulator on a clock that the test moves, and clients that sign for its accounts."""

import base64
import dataclasses
import io
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

from services.simulator.accept_log import AcceptLog
from services.simulator.app import Simulator
from services.simulator.keys import AccountKey, load_or_make
from services.simulator.replay.exchange import RecordedExchange
from services.simulator.replay.player import Replay, ReplaySettings
from services.simulator.replay.tape import load
from services.simulator.venue import build_venue
from services.simulator.world.flow import FlowSettings
from services.simulator.world.games import find_games
from services.simulator.world.world import WorldSettings

EVENT = "KXNFLGAME-25SEP04DALPHI"
PHI, DAL = f"{EVENT}-PHI", f"{EVENT}-DAL"
START = 1_750_000_000_000
QUIET = WorldSettings(makers=0, flow=FlowSettings(noise_rate=1e-6, informed_rate=1e-6))
"""Nobody trades but the test, once the first two seconds are over."""


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now


@dataclass
class Answer:
    status: int
    body: Any


class Client:
    """Signs as one account."""

    def __init__(self, running: "Running", key: AccountKey) -> None:
        self.running = running
        self.key_id = key.key_id
        self._private = serialization.load_pem_private_key(key.private_key_path.read_bytes(), password=None)

    def headers(self, method: str, path: str, stamp: int | None = None) -> dict[str, str]:
        at = str(self.running.clock.now if stamp is None else stamp)
        pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
        signature = self._private.sign(f"{at}{method}{path}".encode(), pss, hashes.SHA256())
        return {
            "KALSHI-ACCESS-KEY": self.key_id,
            "KALSHI-ACCESS-TIMESTAMP": at,
            "KALSHI-ACCESS-SIGNATURE": base64.b64encode(signature).decode(),
        }

    async def call(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        signed = headers if headers is not None else self.headers(method, "/trade-api/v2" + path.partition("?")[0])
        return await self.running.call(method, path, body, signed)

    async def order(self, side: str, price: str, count: str, tif: str = "good_till_canceled", **rest: Any) -> Answer:
        body = {
            "ticker": PHI,
            "side": side,
            "price": price,
            "count": count,
            "time_in_force": tif,
            "self_trade_prevention_type": "taker_at_cross",
        }
        return await self.call("POST", "/portfolio/events/orders", body | rest)


class Stream:
    """A WebSocket that reads frames in order."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def send(self, **command: Any) -> None:
        await self.socket.send_str(json.dumps(command))

    async def next(self, seconds: float = 5.0) -> dict[str, Any]:
        text = await self.socket.receive_str(timeout=seconds)
        assert text.endswith("\n")
        return json.loads(text)

    async def take(self, number: int) -> list[dict[str, Any]]:
        return [await self.next() for _ in range(number)]

    async def until(self, kind: str) -> dict[str, Any]:
        while True:
            frame = await self.next()
            if frame["type"] == kind:
                return frame


class Running:
    """One simulator, its clock and its clients."""

    def __init__(
        self, simulator: Simulator, clock: Clock, keys: list[AccountKey], state_dir: Path, http: aiohttp.ClientSession
    ) -> None:
        self.simulator = simulator
        self.clock = clock
        self.state_dir = state_dir
        self.http = http
        self.one, self.two = (Client(self, key) for key in keys)

    @property
    def venue(self):
        return self.simulator.venue

    def pass_time(self, seconds: float) -> None:
        self.clock.now += round(seconds * 1000)
        self.venue.advance()

    async def call(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        data = None if body is None else io.BytesIO(raw)
        async with self.http.request(method, self.simulator.rest_url + path, data=data, headers=headers) as response:
            if response.status == 204:
                return Answer(204, None)
            assert response.content_type == "application/json"
            return Answer(response.status, await response.json())

    async def admin(self, method: str, path: str, body: Any = None) -> Answer:
        async with self.http.request(
            method, f"http://127.0.0.1:{self.simulator.port}/sim{path}", json=body
        ) as response:
            return Answer(response.status, await response.json())

    @asynccontextmanager
    async def stream(self, client: Client) -> AsyncIterator[Stream]:
        headers = client.headers("GET", "/trade-api/ws/v2")
        async with self.http.ws_connect(self.simulator.ws_url, headers=headers, autoping=True) as socket:
            yield Stream(socket)

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.state_dir / "accepts.jsonl").read_text().splitlines()]


@pytest.fixture(scope="session")
def key_dir(tmp_path_factory):
    """Keys are slow to make: one pair for all tests."""
    folder = tmp_path_factory.mktemp("keys")
    return folder, load_or_make(folder)


@pytest.fixture
async def launch(key_dir, tmp_path):
    """``await launch(settings, games=…, tier=…, recording=…)`` starts a simulator that ends with the test."""
    _, keys = key_dir
    async with AsyncExitStack() as stack:

        async def start(
            settings: WorldSettings = QUIET,
            *,
            games: str = EVENT,
            tier: str = "prestige",
            recording: Path | None = None,
            **played: Any,
        ) -> Running:
            clock = Clock()
            log = AcceptLog(tmp_path, clock)
            stack.callback(log.close)
            if recording is not None:
                settings = dataclasses.replace(settings, exchange=RecordedExchange)
            infos = find_games(games) if games else []
            venue = build_venue(settings, infos, keys, log, cash=1_000_000_000, tier=tier, wall_ms=clock)
            replay = None
            if recording is not None:
                replay = Replay(load(recording), venue.world, ReplaySettings(**played))
            simulated = Simulator(venue, host="127.0.0.1", port=0, admin=True, replay=replay)
            simulator = await stack.enter_async_context(simulated)
            http = await stack.enter_async_context(aiohttp.ClientSession())
            running = Running(simulator, clock, keys, tmp_path, http)
            if settings is QUIET:
                running.pass_time(2)
            return running

        yield start


@pytest.fixture
async def quiet(launch):
    return await launch()
