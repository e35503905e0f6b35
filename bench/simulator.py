"""The simulator alone: its matching core in process, and signed orders over HTTP against its own process."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

from bench.figures import Figure, Part, median, percentile
from services.simulator.engine import lifecycle
from services.simulator.engine.errors import Refused
from services.simulator.engine.exchange import Exchange
from services.simulator.engine.fees import FeePlan
from services.simulator.engine.model import Market, NewOrder

ROUNDS = 5
PATH = "/trade-api/v2/portfolio/events/orders"
CONNECTIONS = 4
"""At once and per account, when it is about orders a second."""
MARKETS = 20
ACCOUNTS = 10


async def run(*, short: bool) -> Part:
    """Core and HTTP; medians of rounds, the core beside the same steps on bare dictionaries."""
    part = Part(f"simulator, medians of {ROUNDS} rounds")
    plan = _plan(20_000 if short else 60_000)
    both = [(_core(plan), _bare(plan)) for _ in range(ROUNDS)]
    core = median([ours for ours, _ in both])
    ratio = median([ours / bare for ours, bare in both])
    part.figures.append(
        Figure("matching core: create, cancel, take", core, "/s", ratio, "of bare dictionaries", "100,000/s")
    )
    part.required["matching core"] = ("100,000 operations/s", f"{core:,.0f}")
    async with _served() as ready:
        await _http(part, ready, 500 if short else 1_500)
    return part


Step = tuple[str, int, int, str, int, int]


def _plan(number: int) -> list[Step]:
    """(what, account, market, side, price, count): half are placed, most of them cancelled, one in twelve takes."""
    random = Random(1)
    steps: list[Step] = []
    for _ in range(number):
        dice, side, away = random.random(), random.choice(("bid", "ask")), random.randint(1, 5)
        what = "place" if dice < 0.5 else "cancel" if dice < 0.92 else "take"
        cents = 50 + (5 if what == "take" else -away) * (1 if side == "bid" else -1)
        where = random.randrange(ACCOUNTS), random.randrange(MARKETS)
        steps.append((what, *where, side, cents * 100, random.randint(1, 200) * 100))
    return steps


def _core(plan: list[Step]) -> float:
    ids = count(1)
    exchange = Exchange(lambda: f"{next(ids):032x}", lambda _: None)
    for number in range(MARKETS):
        fees = FeePlan("quadratic_with_maker_fees")
        market = Market(f"M{number}", "E", f"id-{number}", ((0, 10_000, 100),), fees, 10**13)
        exchange.add_market(market)
        lifecycle.activate(exchange, market, 0)
    accounts = [exchange.add_account(f"a{number}", 10**12) for number in range(ACCOUNTS)]
    live: list[list[str]] = [[] for _ in accounts]
    start = time.perf_counter()
    for now_ms, (what, who, market_number, side, price, size) in enumerate(plan):
        account = accounts[who]
        if what == "cancel" and live[who]:
            try:
                exchange.cancel(account, live[who].pop(0), now_ms)
            except Refused:
                continue  # it has traded away
        else:
            tif = "immediate_or_cancel" if what == "take" else "good_till_canceled"
            done = exchange.create(account, NewOrder(f"M{market_number}", side, price, size, tif), now_ms)  # type: ignore[arg-type]
            if what != "take":
                live[who].append(done.order.order_id)
    return len(plan) / (time.perf_counter() - start)


def _bare(plan: list[Step]) -> float:
    """The least such a program could do: an order put into one dictionary, a level counted in another."""
    orders: dict[int, Step] = {}
    levels: dict[tuple[int, str, int], int] = {}
    live: list[list[int]] = [[] for _ in range(ACCOUNTS)]
    start = time.perf_counter()
    for number, step in enumerate(plan):
        what, who, market, side, price, size = step
        if what == "cancel" and live[who]:
            _, _, market, side, price, size = orders.pop(live[who].pop(0))
            levels[market, side, price] -= size
        else:
            orders[number] = step
            levels[market, side, price] = levels.get((market, side, price), 0) + size
            live[who].append(number)
    return len(plan) / (time.perf_counter() - start)


@asynccontextmanager
async def _served() -> Any:
    """A simulator process of the highest tier whose game starts in an hour."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["--state-dir", folder, "--tier", "prestige", "--pregame", "3600", "--speed", "60"]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.simulator", *words, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        try:
            yield json.loads(await process.stdout.readline())
        finally:
            process.terminate()
            await process.wait()


class Account:
    """One account's connections; a signature holds for every order of the next seconds, as it leaves the body out."""

    def __init__(self, ready: dict[str, Any], number: int) -> None:
        self.key_id = ready["accounts"][number]["key_id"]
        pem = Path(ready["accounts"][number]["private_key_path"]).read_bytes()
        self._key: Any = serialization.load_pem_private_key(pem, password=None)
        self._address = ready["rest_url"].split("/")[2].split(":")
        self.head = b""

    def sign(self) -> None:
        stamp = str(time.time_ns() // 1_000_000)
        pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
        signature = base64.b64encode(self._key.sign(f"{stamp}POST{PATH}".encode(), pss, hashes.SHA256())).decode()
        self.head = (
            f"POST {PATH} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
            f"KALSHI-ACCESS-KEY: {self.key_id}\r\nKALSHI-ACCESS-TIMESTAMP: {stamp}\r\n"
            f"KALSHI-ACCESS-SIGNATURE: {signature}\r\n"
        ).encode()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self._address[0], int(self._address[1]))

    async def order(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes) -> float:
        """Send one order; seconds until its whole 201 is here. Raises RuntimeError for another answer."""
        start = time.perf_counter()
        writer.write(self.head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        answer = await reader.readexactly(length)
        took = time.perf_counter() - start
        if not head.startswith(b"HTTP/1.1 201"):
            raise RuntimeError(f"{head.splitlines()[0].decode()}: {answer.decode()}")
        return took


def _bodies(market: str, name: str) -> Iterator[bytes]:
    """Orders of one contract at a cent, each with a client id of its own."""
    for number in count():
        yield (
            f'{{"ticker":"{market}","side":"bid","count":"1","price":"0.01","time_in_force":"good_till_canceled",'
            f'"self_trade_prevention_type":"maker","client_order_id":"{name}-{number}"}}'
        ).encode()


async def _http(part: Part, ready: dict[str, Any], number: int) -> None:
    accounts = [Account(ready, 0), Account(ready, 1)]
    market = "KXNFLGAME-25SEP04DALPHI-PHI"
    bodies = _bodies(market, "bench")
    alone: list[float] = []
    rates: list[float] = []
    for _ in range(ROUNDS):
        for account in accounts:
            account.sign()
        reader, writer = await accounts[0].connect()
        alone += [await accounts[0].order(reader, writer, next(bodies)) for _ in range(number // 5)]
        writer.close()
        links = [(account, *await account.connect()) for account in accounts for _ in range(CONNECTIONS)]

        async def drive(account: Account, reader: Any, writer: Any, each: int) -> None:
            for _ in range(each):
                await account.order(reader, writer, next(bodies))
            writer.close()

        start = time.perf_counter()
        await asyncio.gather(*(drive(*link, number // len(links)) for link in links))
        rates.append(number // len(links) * len(links) / (time.perf_counter() - start))
        await asyncio.sleep(1.0)  # the write budget of the tier fills up again
    p50 = percentile(alone, 0.5) * 1_000
    rate = median(rates)
    part.figures += [
        Figure("create to 201, p50", p50, "ms", aim="2 ms"),
        Figure("create to 201, p99", percentile(alone, 0.99) * 1_000, "ms"),
        Figure("signed orders over HTTP", rate, "/s", aim="1,000/s"),
    ]
    part.required["create to 201, p50"] = ("2 ms", f"{p50:.2f} ms")
    part.required["signed orders over HTTP, one process"] = ("1,000/s", f"{rate:,.0f}/s")
