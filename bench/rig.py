"""The real processes on two real Redis against the bench venue: start, wait until they trade, ask, stop."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Self

import httpx
import msgspec
import redis.asyncio as redis
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bench.market import EVENT
from bench.stamped import WRAPPED
from touchline_operator.adapters.local import redis_server
from touchline_operator.adapters.local.redis_server import Role
from trading_logic.contracts import codec, config, topics
from trading_logic.contracts.messages import Report

ROOT = Path(__file__).resolve().parent.parent
NAMESPACE, FEED, POLICY, STRATEGY = "bench", "simulator", "house", "bench"
SOURCE = "kalshi-live-data"
READY_S = 40.0
STOP_S = 10.0

# The envelope is wide where the bench needs many orders from a flat account, and every check still runs.
LIMITS = config.Limits(
    max_drawdown_ppm=250_000, max_daily_loss_ppm=200_000, max_position_fraction_ppm=50_000,
    min_position_cash=1_000_000, max_position_cash=250_000_000, max_exposure_fraction_ppm=500_000,
    max_game_fraction_ppm=100_000, max_orders_per_minute=100_000, max_trades_per_day=1_000_000,
    stale_after_ms=10_000, degraded_kelly_ppm=500_000,
)  # fmt: skip
ENTRY = config.Entry(
    order_style="Take", rest_seconds=0, min_edge=200, min_liquidity=2_000, max_spread=4_000, min_price=500,
    max_price=9_500,
)  # fmt: skip
DAY = config.TradingDay(time_zone="America/New_York", starts_at="06:00")


class RigError(Exception):
    """The bench's own set-up does not work; the message says where to look."""


class Rig:
    """Everything that runs while a part measures. `async with Rig() as rig`."""

    def __init__(self, *, stamped: bool = False) -> None:
        self._stamped = stamped
        # Not under a deep path: a Unix socket's path must stay under about 100 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="tl-bench-"))
        self.market_data = topics.MarketDataTopics(NAMESPACE, FEED)
        self.money = topics.RecordTopics(NAMESPACE, POLICY)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._alive, self._held = os.pipe()  # children follow the reading end: they end when the bench does
        self._reports = codec.Reader(Report)
        self._clients: list[Any] = []
        self.processes: tuple[str, ...] = ()

    async def __aenter__(self) -> Self:
        try:
            self.bus = await self._redis("bus")
            self.record = await self._redis("record")
            self.venue = httpx.AsyncClient(base_url=await self._venue(), timeout=600, trust_env=False)
            self._clients.append(self.venue)
            self._start_services()
            await self._ready()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        # The processes first: they leave with a clean stop only while the stores and the venue are there.
        await self.stop()
        for client in self._clients:
            await client.aclose()
        self._end(tuple(name for name in self._running if name not in self.processes))
        os.close(self._alive)
        os.close(self._held)
        shutil.rmtree(self.folder, ignore_errors=True)

    async def stop(self) -> None:
        """End our processes, and wait for it; stores and venue stay."""
        await asyncio.to_thread(self._end, self.processes)

    def _end(self, names: tuple[str, ...]) -> None:
        for name in names:
            self._running[name].terminate()
        for name in names:
            self._reap(name)

    def _reap(self, name: str) -> None:
        process = self._running[name]
        try:
            process.wait(timeout=STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.returncode not in {0, -signal.SIGTERM}:
            print(f"bench: {name} ended with {process.returncode}: {self._log_tail(name)}", file=sys.stderr)

    def socket(self, role: Role) -> Path:
        return redis_server.socket(self.folder / role)

    # -- asking

    async def ask(self, path: str, **body: Any) -> Any:
        """POST to the venue's own bench calls."""
        answer = await self.venue.post(f"/bench/{path}", json=body)
        answer.raise_for_status()
        return answer.json()

    async def report(self, process: str) -> Report | None:
        body = await self.bus.get(topics.report(NAMESPACE, process))
        return None if body is None else self._reports.one(body)

    async def counters(self, process: str) -> dict[str, int]:
        """The process' counters, not older than its last report: wait one period for exact ones."""
        found = await self.report(process)
        if found is None:
            raise RigError(f"{process} does not report any more: {self._log_tail(process)}")
        return found.counters

    def check_alive(self) -> None:
        """Raises RigError when a process has ended."""
        for name, process in self._running.items():
            if process.poll() is not None:
                raise RigError(f"{name} ended with {process.returncode}: {self._log_tail(name)}")

    # -- starting

    def _spawn(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        env = {**os.environ, "TOUCHLINE_PARENT_FD": str(self._alive)}
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT, env=env, pass_fds=(self._alive,))
        self._running[name] = process
        return process

    async def _redis(self, role: Role) -> Any:
        """A started server's client; untyped, because its stubs call each command awaitable or not."""
        folder = self.folder / role
        folder.mkdir()
        self._spawn(role, redis_server.command(role, folder))
        client = redis.Redis.from_url(redis_server.url(folder), socket_timeout=10)
        self._clients.append(client)
        deadline = time.monotonic() + 10
        while True:
            try:
                await client.ping()
            except redis.RedisError:
                self.check_alive()
                if time.monotonic() > deadline:
                    raise RigError(f"{role} Redis does not answer: {self._log_tail(role)}") from None
                await asyncio.sleep(0.02)
            else:
                return client

    async def _venue(self) -> str:
        self._spawn("venue", [sys.executable, "-m", "bench.venue"])
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            self.check_alive()
            text = (self.folder / "venue.log").read_text()
            if text.endswith("\n"):
                self.port = int(json.loads(text)["port"])
                return f"http://127.0.0.1:{self.port}"
            await asyncio.sleep(0.02)
        raise RigError("the bench venue did not start in 10 s")

    def _start_services(self) -> None:
        key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (self.folder / "key.pem").write_bytes(pem)
        (self.folder / "key-id").write_text("bench")
        for module, cfg in self._configs().items():
            path = self.folder / f"{cfg.process}.json"
            path.write_bytes(msgspec.json.encode(cfg))
            self._spawn(cfg.process, [*self._module(module), "--config", str(path)])
            self.processes = (*self.processes, cfg.process)

    def _module(self, role: str) -> list[str]:
        if self._stamped and role in WRAPPED:
            return [sys.executable, "-m", "bench.stamped", role, str(self.folder / f"{role}.stamps")]
        return [sys.executable, "-m", f"services.{role}"]

    def _configs(self) -> dict[str, config.Process]:
        base = {
            "namespace": NAMESPACE,
            "redis": config.Redis(*(redis_server.url(self.folder / role) for role in ("bus", "record"))),
            "log_format": "json",
        }
        exchange = config.Exchange(
            environment="Simulator", rest_url=f"http://127.0.0.1:{self.port}/trade-api/v2",
            ws_url=f"ws://127.0.0.1:{self.port}/trade-api/ws/v2", key_id_file=str(self.folder / "key-id"),
            private_key_file=str(self.folder / "key.pem"), subaccount=0,
        )  # fmt: skip
        strategy: dict[str, Any] = {"strategy": STRATEGY, "strategy_uid": "00000000-bench", "policy": POLICY}

        def of(role: str) -> dict[str, Any]:
            listen = config.Health(listen=f"unix:{self.folder}/{role}.sock")
            return {**base, "process": role, "health": listen, "feed": FEED}

        events = (EVENT,)
        return {
            "catalog": config.Catalog(**of("catalog"), exchange=exchange, events=events, series=(), poll_seconds=5.0),
            "ingest": config.Ingest(**of("ingest"), event=EVENT, exchange=exchange),
            "sources": config.Source(
                **of("source"), name=SOURCE, plugin=SOURCE, config={}, events=events, exchange=exchange
            ),
            "consumer": config.Consumer(**of("consumer"), event=EVENT, sources=(SOURCE,)),
            "decision": config.DecisionConfig(
                **of("decision"), **strategy, event=EVENT, market="", models=(config.Model("game-state", 1_000_000),),
                entry=ENTRY, kelly_ppm=250_000, exit=config.Exit(1_000, 1_500, 0), limits=LIMITS,
            ),
            "ledger": config.LedgerConfig(
                **of("ledger"), policy=POLICY, events=events, exchange=exchange, limits=LIMITS, trading_day=DAY,
                spec_file=str(self.folder / "policy.json"),
                mode="Paper",
                webhook_folder="",
            ),
            "executor": config.ExecutorConfig(
                **of("executor"), **strategy, events=events, exchange=exchange, limits=LIMITS, trading_day=DAY,
                entry=ENTRY,
            ),
        }  # fmt: skip

    async def _ready(self) -> None:
        """Wait until every process says that it can do its work and the trading lease is there."""
        deadline = time.monotonic() + READY_S
        why = ""
        while time.monotonic() < deadline:
            self.check_alive()
            reports = {name: await self.report(name) for name in self.processes}
            late = [
                f"{n}: {r.reason} {r.message}" if r else f"{n}: no report"
                for n, r in reports.items()
                if not r or not r.ready
            ]
            if not late and await self.record.exists(self.money.trading_lease()):
                return
            why = "; ".join(late) or "no trading lease"
            await asyncio.sleep(0.2)
        raise RigError(f"not trading after {READY_S:.0f} s: {why}")

    def _log_tail(self, name: str) -> str:
        path = self.folder / f"{name}.log"
        return path.read_text(errors="replace")[-1_500:] if path.exists() else "no log"
