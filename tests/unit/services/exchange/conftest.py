"""A clock that only tests move, keys, and two venues: one speaks raw HTTP, one WebSocket."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from services.exchange.budget import TIERS, Budget
from services.exchange.clock import SystemClock
from services.exchange.rest import ExchangeRest
from services.exchange.signing import Signer


class FakeClock:
    """Sleeping moves it."""

    def __init__(self) -> None:
        self.seconds = 1_000.0
        self.slept: list[float] = []

    def now_ms(self) -> int:
        return int(self.seconds * 1000)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds
        await asyncio.sleep(0)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def _pem(key, layout=serialization.PrivateFormat.PKCS8) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, layout, serialization.NoEncryption())


@pytest.fixture(scope="session")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="session")
def rsa_pem(rsa_key) -> bytes:
    return _pem(rsa_key, serialization.PrivateFormat.TraditionalOpenSSL)


@pytest.fixture(scope="session")
def ed_key() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


@pytest.fixture(scope="session")
def ed_pem(ed_key) -> bytes:
    return _pem(ed_key)


@pytest.fixture
def signer(ed_pem) -> Signer:
    return Signer("11111111-2222-3333-4444-555555555555", ed_pem)


@dataclass
class Seen:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class FakeVenue:
    """Answers requests from a list: (status, body), all bytes as they go out, or "hang", or "reset". The last repeats."""

    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    answers: list[tuple[int, bytes] | bytes | str] = field(default_factory=list)

    def then(self, *answers) -> None:
        self.answers = [
            (a[0], json.dumps(a[1]).encode() if not isinstance(a[1], bytes) else a[1]) if isinstance(a, tuple) else a
            for a in answers
        ]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                method, path, _ = head[0].split(" ")
                headers = {
                    name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)
                }
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.seen.append(Seen(method, path, headers, body))
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if answer == "hang":
                    await reader.read()
                if isinstance(answer, str):
                    writer.transport.abort()
                    return
                if isinstance(answer, bytes):
                    writer.write(answer)
                    break
                status, content = answer
                writer.write(
                    f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n".encode()
                    + content
                )
        writer.close()


@pytest.fixture
async def venue() -> AsyncIterator[FakeVenue]:
    fake = FakeVenue()
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    fake.url = f"http://127.0.0.1:{port}/trade-api/v2"
    yield fake
    server.close()


@pytest.fixture
async def rest(venue, signer, clock) -> AsyncIterator[ExchangeRest]:
    budget = Budget(TIERS["prestige"], clock)
    async with ExchangeRest(venue.url, signer, budget, clock, timeout_s=0.3, jitter=lambda: 0.5) as client:
        yield client


class FakeStreamVenue:
    """A WebSocket venue: records commands, and lets the test write frames."""

    def __init__(self) -> None:
        self.url = ""
        self.commands: list[dict] = []
        self.connections: list[ServerConnection] = []
        self.on_command: Callable[[dict], list[dict | str]] = lambda _: []

    async def handle(self, connection: ServerConnection) -> None:
        self.connections.append(connection)
        with contextlib.suppress(ConnectionClosed):
            async for text in connection:
                command = json.loads(text)
                self.commands.append(command)
                await self.write(*self.on_command(command))

    async def write(self, *frames: dict | str) -> None:
        for frame in frames:
            text = frame if isinstance(frame, str) else json.dumps(frame)
            await self.connections[-1].send(text + "\n")

    def actions(self) -> list[str]:
        return [c["params"].get("action", c["cmd"]) for c in self.commands]


@pytest.fixture
async def stream_venue() -> AsyncIterator[FakeStreamVenue]:
    fake = FakeStreamVenue()
    async with serve(fake.handle, "127.0.0.1", 0, close_timeout=0.1, ping_interval=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        fake.url = f"ws://127.0.0.1:{port}/trade-api/ws/v2"
        yield fake


@pytest.fixture
def system_clock() -> SystemClock:
    return SystemClock()
