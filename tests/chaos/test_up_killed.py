"""kill -9 of executors and of the ledger while `touchline up` trades a recorded game: books equal the exchange's."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from services.exchange.budget import TIERS, Budget
from services.exchange.clock import SystemClock
from services.exchange.keys import KeySource
from services.exchange.reads import ExchangeReads
from services.runtime.store import Store
from trading_logic.contracts import config
from trading_logic.contracts.messages import TERMINAL_ORDER_STATES
from trading_logic.contracts.record import PositionRecord
from trading_logic.contracts.topics import RecordTopics

SAMPLES = Path(__file__).parents[2] / "manifests" / "samples"
UP = [sys.executable, "-m", "touchline_operator"]
KILLS = 10


def of_role(where: Path, role: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if f"services.{role}" in line and any(str(where) in word for word in line):
            found.append(process)
    return found


def ledger_config(where: Path) -> config.LedgerConfig | None:
    for file in sorted((where / ".touchline" / "runs").glob("*/config/house-ledger*/config.json")):
        return config.decode(file.read_bytes(), config.LedgerConfig)
    return None


async def books(store: Store, topics: RecordTopics) -> dict[str, Any]:
    client = store.client
    risk = {k.decode(): v.decode() for k, v in (await client.hgetall(topics.risk())).items()}
    rows = (await client.hgetall(topics.positions())).values()
    held = [msgspec.json.decode(row, type=PositionRecord) for row in rows]
    counts = {k.decode(): int(v) for k, v in (await client.hgetall(topics.counts())).items()}
    orders = {}
    async for key in client.scan_iter(match=topics.order("*").replace("{", "\\{").replace("}", "\\}")):
        state, cid, order_id = await client.hmget(key, "state", "client_order_id", "order_id")
        orders[cid.decode()] = (state.decode(), order_id.decode())
    return {"risk": risk, "held": {p.market: p.count for p in held if p.count}, "counts": counts, "orders": orders}


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_books_equal_the_exchange_after_ten_kills(tmp_path: Path, helpers: Any) -> None:
    files = [str(SAMPLES / name) for name in ("policy.yaml", "taking.yaml", "resting.yaml")]
    up = subprocess.Popen(
        [*UP, "up", *files, "--json"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:

        async def configured() -> config.LedgerConfig | None:
            assert up.poll() is None, up.stderr.read()
            return ledger_config(tmp_path)

        cfg = await helpers.until(30, "the ledger is configured", configured)
        store, topics = Store(cfg.redis.record, "record"), RecordTopics(cfg.namespace, cfg.policy)

        async def accepted() -> bool:
            return int(await store.client.hget(topics.counts(), "accepted") or 0) > 0

        await helpers.until(60, "a first order", accepted)

        async def claimed() -> int:
            return int(await store.client.hget(topics.counts(), "claimed") or 0)

        dice, killed = random.Random(20250904), {"executor": 0, "ledger": 0}
        while killed["executor"] < KILLS:
            before = await claimed()
            for role, every in (("executor", 1), ("ledger", 4)):
                victims = of_role(tmp_path, role)
                if victims and killed["executor"] % every == 0:
                    dice.choice(victims).kill()
                    killed[role] += 1
            # Long enough for somebody to trade again, so that the next kill has something to hit.
            for _ in range(70):
                await asyncio.sleep(0.1)
                if await claimed() > before:
                    break
            await asyncio.sleep(dice.uniform(0, 0.3))
        halted = await asyncio.to_thread(
            subprocess.run,
            [*UP, "halt", "house", "--reason", "compare"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert halted.returncode == 0, halted.stderr
        keys = KeySource(Path(cfg.exchange.key_id_file), Path(cfg.exchange.private_key_file))
        clock = SystemClock()
        async with ExchangeReads(cfg.exchange.rest_url, keys, Budget(TIERS["basic"].share(0.2), clock), clock) as venue:

            async def agree() -> bool:
                mine = await books(store, topics)
                balance, positions = await venue.balance(), await venue.positions()
                theirs = {p.ticker: p.position for p in positions if p.position}
                return mine["held"] == theirs and int(mine["risk"]["cash"]) == balance.balance

            await helpers.until(15, "cash and positions equal the exchange's", agree)
            assert await venue.orders(status="resting") == []
        mine = await books(store, topics)
        await store.close()
        lines = [
            json.loads(line)
            for line in next(tmp_path.glob(".touchline/runs/*/sim/accepts.jsonl")).read_text().splitlines()
        ]
        sent = [line["client_order_id"] for line in lines if line["kind"] == "order_accepted"]
        assert len(sent) == len(set(sent)), "an order was sent twice"
        assert set(sent) == {cid for cid, (_, order_id) in mine["orders"].items() if order_id}, "an order was lost"
        assert {state for state, _ in mine["orders"].values()} <= TERMINAL_ORDER_STATES
        dropped = sum(n for name, n in mine["counts"].items() if name.startswith("dropped:"))
        assert mine["counts"]["intents"] == mine["counts"]["claimed"] + dropped
        print(f"killed {killed}, orders {len(sent)}, counts {mine['counts']}")
    finally:
        up.send_signal(signal.SIGINT)
        out, err = await asyncio.to_thread(up.communicate, timeout=90)
    assert up.returncode == 0, err
    summary = json.loads(out.splitlines()[-1])
    assert summary["orders"] == summary["venue_accepted_orders"]
    assert summary["resting_orders"] == 0
