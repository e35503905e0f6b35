"""A real simulator process, executors as real processes, and a ledger's word laid into the record by hand."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from services.runtime.record import Record
from services.runtime.store import Store
from trading_logic.contracts import codec, config
from trading_logic.contracts import record as shapes
from trading_logic.contracts.messages import ExitPlan, Intent
from trading_logic.contracts.topics import RecordTopics
from trading_logic.orders import intent_id

HERE = Path(__file__).parent
EVENT = "KXNFLGAME-25SEP04DALPHI"
MARKET = f"{EVENT}-PHI"
LIMITS = config.Limits(
    max_drawdown_ppm=250_000, max_daily_loss_ppm=200_000, max_position_fraction_ppm=500_000, min_position_cash=100_000,
    max_position_cash=250_000_000, max_exposure_fraction_ppm=900_000, max_game_fraction_ppm=900_000,
    max_orders_per_minute=120, max_trades_per_day=500, stale_after_ms=10_000, degraded_kelly_ppm=500_000,
)  # fmt: skip


class World:
    """One simulator and one record."""

    def __init__(self, folder: Path, sim: subprocess.Popen[str], ready: dict[str, Any], redis_url: str) -> None:
        self.folder, self.sim, self.ready, self.redis_url = folder, sim, ready, redis_url
        # What executors get to see of the exchange and of both Redis; a test may put something in between.
        self.rest_url, self.ws_url = ready["rest_url"], ready["ws_url"]
        self.bus_url = self.record_url = redis_url
        self.children: list[subprocess.Popen[bytes]] = []
        self.stores: list[Store] = []

    def accepts(self) -> list[dict[str, Any]]:
        lines = (self.folder / "sim" / "accepts.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    async def fault(self, **body: Any) -> None:
        base = self.ready["rest_url"].removesuffix("/trade-api/v2")
        async with httpx.AsyncClient(trust_env=False) as client:
            (await client.post(f"{base}/sim/faults", json=body)).raise_for_status()

    def record(self, policy: str) -> Record:
        store = Store(self.redis_url, "record")
        self.stores.append(store)
        return Record(store, RecordTopics("t", policy))

    def executor_config(self, name: str) -> Path:
        account = self.ready["accounts"][0]
        key_id = self.folder / "key-id"
        key_id.write_text(account["key_id"])
        cfg = config.ExecutorConfig(
            process=f"{name}-executor", namespace="t", redis=config.Redis(self.bus_url, self.record_url),
            health=config.Health("127.0.0.1:0"), log_format="json", feed="simulator", strategy=name, strategy_uid=f"uid-{name}",
            policy=name, events=(EVENT,),
            exchange=config.Exchange(
                "Simulator", self.rest_url, self.ws_url, str(key_id), account["private_key_path"], 0
            ),
            limits=LIMITS, trading_day=config.TradingDay("America/New_York", "06:00"),
            entry=config.Entry("Take", 0, 0, 0, 10_000, 100, 9_900),
        )  # fmt: skip
        path = self.folder / f"{name}.json"
        path.write_bytes(msgspec.json.encode(cfg))
        return path

    def start(self, name: str, *, kill_at: int | None = None) -> subprocess.Popen[bytes]:
        """An executor; `kill_at` N kills it at the N-th line of an order's way, 0 counts the lines."""
        args = ["--config", str(self.executor_config(name))]
        command = [sys.executable, "-m", "services.executor", *args]
        if kill_at is not None:
            command = [
                sys.executable,
                str(HERE / "kill_at.py"),
                str(kill_at),
                str(self.folder / f"{name}.lines"),
                *args,
            ]
        with (self.folder / f"{name}.log").open("ab") as log:
            child = subprocess.Popen(command, stderr=log, cwd=HERE.parents[1])
        self.children.append(child)
        return child

    async def trading(self, name: str, times: int = 1) -> bool:
        """Whether the executor has said so in its log, at least `times` times."""
        log = self.folder / f"{name}.log"
        return log.exists() and log.read_text().count('"event": "trading"') >= times

    async def wish(self, rec: Record, name: str, n: int, **changes: Any) -> Intent:
        """Put an entry intent on the stream, as a decision would: buy two contracts at any price."""
        now = rec_now()
        intent = Intent(
            id=intent_id(f"uid-{name}", f"signal-{n}", "entry"), strategy=name, strategy_uid=f"uid-{name}", policy=name,
            event=EVENT, game="g", market=MARKET, exchange_index=0, kind="entry", side="yes", price=9_900, count=200,
            style="Take", rest_seconds=0, cost=2_000_000, exit_plan=ExitPlan(100, 9_999, 0), signal_id=f"signal-{n}",
            received_ms=now, created_ms=now, trace="",
        )  # fmt: skip
        intent = msgspec.structs.replace(intent, **changes)
        await rec.store.client.xadd(rec.topics.intents(name), {codec.FIELD: codec.encode(intent)})
        return intent


def rec_now() -> int:
    from services.runtime.clock import Clock

    return Clock().wall_ms()


async def ledger_word(rec: Record, *, epoch: int = 1) -> None:
    """What a reconciled ledger would have written, for long enough."""
    t, client = rec.topics, rec.store.client
    await client.set(t.epoch(), epoch)
    await client.set(t.incarnation(), "one")
    lease = shapes.TradingLease(epoch=epoch, seq=1, incarnation="one", at_ms=rec_now())
    await client.set(t.trading_lease(), shapes.encode(lease), px=600_000)
    await client.hset(t.risk(), mapping={"equity": 1_000_000_000, "exposure": 0, "reconciled": "1", "marks": ""})


async def until(seconds: float, what: str, condition: Any) -> Any:
    """Poll an async condition until it is truthy."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        value = await condition()
        if value:
            return value
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        await asyncio.sleep(0.05)


@pytest.fixture
async def world(tmp_path: Path, redis_url: str) -> AsyncIterator[World]:
    state = tmp_path / "sim"
    state.mkdir()
    sim = subprocess.Popen(
        [sys.executable, "-m", "services.simulator", "--port", "0", "--state-dir", str(state), "--admin", "--pregame", "600",
         "--tier", "prestige"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert sim.stdout is not None
    ready = json.loads(await asyncio.to_thread(sim.stdout.readline))
    world = World(tmp_path, sim, ready, redis_url)
    yield world
    for store in world.stores:
        await store.close()
    for child in world.children:
        child.kill()
        child.wait()
    sim.terminate()
    sim.wait()
    sim.stdout.close()


@pytest.fixture
def helpers() -> Any:
    """The functions above, for tests (test modules are not importable from one another)."""
    import types

    return types.SimpleNamespace(ledger_word=ledger_word, until=until, now=rec_now)
