"""Single steps, each beside the plainest thing that could do its work, in the same run."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from random import Random

import msgspec

from bench.figures import Figure, Part, median
from bench.market import BEST, MARKETS, STEP, Books, Change, Flow, delta_text
from bench.rig import LIMITS, POLICY, STRATEGY
from bench.servers import record_only
from services.exchange.frame_codec import decode_frame
from services.runtime.record import Claimed, Fence, Record
from services.runtime.store import Store, result
from trading_logic.book import OrderBook
from trading_logic.contracts.messages import ExitPlan, Intent
from trading_logic.contracts.record import TradingLease, encode
from trading_logic.contracts.topics import RecordTopics

ROUNDS = 5
DAY = "2026-09-17"
NOW_MS = 1_789_676_100_000
RESERVATIONS = 4


async def run(*, short: bool) -> Part:
    """Book, decoder and gate; medians of interleaved rounds."""
    part = Part(f"micro, medians of {ROUNDS} rounds")
    changes = list(Flow(Books(), 7).flood(20_000 if short else 100_000))
    texts = [delta_text(1, number, change) for number, change in enumerate(changes, start=1)]
    _pair(part, "book delta", lambda: _book(changes), "of a bare dict update", lambda: _bare(changes))
    _pair(part, "decode one delta", lambda: _decode(texts), "of json.loads", lambda: _loads(texts))
    with record_only() as url:
        store = Store(url, "record")
        gate = Gate(store)
        await gate.open()
        ours: list[float] = []
        bare: list[float] = []
        count = 200 if short else 1_000
        for _ in range(ROUNDS):
            ours.append(await _rate(gate.claim, count))
            bare.append(await _rate(gate.set_nx, count))
        await store.close()
    value = median(ours)
    part.figures.append(
        Figure("gate: one claim (Lua, fsync always)", value, "/s", value / median(bare), "of a bare SET NX")
    )
    part.figures.append(Figure("bare SET NX, same server and client", median(bare), "/s"))
    return part


def _pair(part: Part, name: str, ours: Callable[[], float], of: str, plain: Callable[[], float]) -> None:
    both = [(ours(), plain()) for _ in range(ROUNDS)]
    part.figures.append(Figure(name, median([o for o, _ in both]), "/s", median([o / p for o, p in both]), of))


def _book(changes: list[Change]) -> float:
    books = {market: OrderBook(market) for market in MARKETS}
    for market, ladders in Books().ladders.items():
        books[market].apply_snapshot(ladders["yes"].items(), ladders["no"].items())
    start = time.perf_counter()
    for market, side, price, delta in changes:
        books[market].apply_delta(side, price, delta)
    return len(changes) / (time.perf_counter() - start)


def _bare(changes: list[Change]) -> float:
    held: dict[int, int] = {}
    start = time.perf_counter()
    for _, _, price, delta in changes:
        held[price] = held.get(price, 0) + delta
    return len(changes) / (time.perf_counter() - start)


def _decode(texts: list[bytes]) -> float:
    start = time.perf_counter()
    for text in texts:
        decode_frame(text, "session", NOW_MS)
    return len(texts) / (time.perf_counter() - start)


def _loads(texts: list[bytes]) -> float:
    start = time.perf_counter()
    for text in texts:
        json.loads(text)
    return len(texts) / (time.perf_counter() - start)


async def _rate(step: Callable[[], Awaitable[None]], count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        await step()
    return count / (time.perf_counter() - start)


class Gate:
    """A record on which every claim passes, with up to four open reservations as a busy strategy has them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._topics = RecordTopics("bench", POLICY)
        self._record = Record(store, self._topics)
        self._fence = Fence(epoch=1, term=1, token="bench", group="group")
        self._random = Random(1)
        self._claims = 0

    async def open(self) -> None:
        """What ledger and executor would have written."""
        t, client = self._topics, self._store.client
        lease = encode(TradingLease(1, 1, "bench", NOW_MS))
        await result(client.mset({t.epoch(): 1, t.term(STRATEGY): 1, t.writer_lease(STRATEGY): "bench"}))
        await result(client.set(t.trading_lease(), lease, px=600_000))
        risk = {"reconciled": "1", "equity": 10_000_000_000, "exposure": 0, "marks": ""}
        await result(client.hset(t.risk(), mapping={name: str(value) for name, value in risk.items()}))

    async def claim(self) -> None:
        """One claim, and the room that it took given back, as the ledger does."""
        intent = self._intent()
        body = msgspec.json.encode(intent)
        answer = await self._record.claim(intent, body, f"c-{intent.id}", self._fence, LIMITS, DAY, NOW_MS)
        if not isinstance(answer, Claimed):
            raise TypeError(f"the gate refused the bench: {answer}")
        self._claims += 1
        if self._claims % RESERVATIONS == 0:
            await result(self._store.client.delete(self._topics.reserved(), self._topics.rate()))

    async def set_nx(self) -> None:
        """The least that a claim could be."""
        await result(self._store.client.set(f"bench:nx:{self._random.getrandbits(64):x}", b"1", nx=True))

    def _intent(self) -> Intent:
        made = f"{self._random.getrandbits(128):032x}"
        return Intent(
            id=made, strategy=STRATEGY, strategy_uid="00000000-bench", policy=POLICY, event="bench", game="game",
            market=MARKETS[0], exchange_index=0, kind="entry", side="yes", price=BEST + STEP, count=5_000, style="Take",
            rest_seconds=0, cost=20_000_000, exit_plan=ExitPlan(BEST - STEP, BEST + 10 * STEP, 0), signal_id="signal",
            received_ms=NOW_MS, created_ms=NOW_MS, trace="",
        )  # fmt: skip
