"""A real `touchline up` that trades, and hands on all of it: its processes, its Redis, its exchange, its judge."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psutil
import redis.asyncio as redis

from trading_logic.contracts import codec, config, topics
from trading_logic.contracts.messages import Report, RiskEvent
from trading_logic.contracts.record import Cause, PositionRecord
from trading_logic.contracts.topics import RecordTopics

SAMPLES = Path(__file__).parents[2] / "manifests" / "samples"
TOUCHLINE = [sys.executable, "-m", "touchline_operator"]
POLICY = "house"
SERVICES = ("catalog", "ingest", "sources", "consumer", "decision", "executor", "ledger")
REDIS = ("bus", "record")
EAGER = {
    "maxOrdersPerMinute: 30": "maxOrdersPerMinute: 600",
    "maxTradesPerDay: 20": "maxTradesPerDay: 10000",
    'minPositionDollars: "1.00"': 'minPositionDollars: "0.10"',
    'maxDrawdown: "0.25"': 'maxDrawdown: "0.95"',
    'maxDailyLoss: "0.20"': 'maxDailyLoss: "0.90"',
    'minEdge: "0.02"': 'minEdge: "0.01"',
    'maxSpread: "0.06"': 'maxSpread: "0.20"',
    'maxSpread: "0.10"': 'maxSpread: "0.20"',
    'kellyFraction: "0.25"': 'kellyFraction: "0.05"',
    'kellyFraction: "0.15"': 'kellyFraction: "0.05"',
    'stopLoss: "0.10"': 'stopLoss: "0.02"',
    'stopLoss: "0.12"': 'stopLoss: "0.02"',
    'takeProfit: "0.15"': 'takeProfit: "0.01"',
    'takeProfit: "0.10"': 'takeProfit: "0.01"',
    "restSeconds: 8": "restSeconds: 2",
}
"""The samples, but always at it: a fault that hits nobody at work proves nothing."""


_REPORT = codec.Reader(Report)


async def until(seconds: float, what: str, condition: Callable[[], Awaitable[Any]]) -> Any:
    """Poll an async condition until it is truthy; a store that is away is not an answer."""
    deadline = time.monotonic() + seconds
    while True:
        value = None
        with contextlib.suppress(redis.RedisError, OSError):
            value = await condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        await asyncio.sleep(0.05)


def shim(folder: Path) -> Path | None:
    """The library that moves clocks, compiled; None on a machine without a C compiler."""
    made = folder / "clock_shim.so"
    command = ["cc", "-O2", "-shared", "-fPIC", "-o", str(made), str(Path(__file__).with_name("clock_shim.c")), "-ldl"]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return made


class Running:
    """One `touchline up` in its own folder."""

    def __init__(self, folder: Path, *, speed: str = "30", seed: str = "1") -> None:
        self.folder = folder
        files = []
        for name in ("policy.yaml", "taking.yaml", "resting.yaml"):
            text = (SAMPLES / name).read_text()
            for sample, eager in EAGER.items():
                text = text.replace(sample, eager)
            (folder / name).write_text(text)
            files.append(name)
        self.clocks = folder / "clocks"
        self.clocks.mkdir()
        for role in SERVICES:
            self.move_clock(role, 0)
        library = shim(folder)
        self.can_move_clocks = library is not None
        more = {"LD_PRELOAD": str(library), "DRILL_CLOCKS": str(self.clocks)} if library else {}
        self.log = (folder / "up.log").open("w+")
        self.up = subprocess.Popen(
            [*TOUCHLINE, "up", *files, "--json", "--sim-admin", "--speed", speed, "--seed", seed],
            cwd=folder, stdout=subprocess.PIPE, stderr=self.log, text=True, env={**os.environ, **more},
        )  # fmt: skip
        self.record: Any = None
        self.bus: Any = None
        self.topics = RecordTopics("default", POLICY)
        self.halts: list[tuple[int, int]] = []
        """When each halt was confirmed and when it was resumed, in ms of this machine's clock."""

    async def trades(self) -> None:
        """Wait for the first order."""

        async def told() -> Any:
            assert self.up.poll() is None, self.said()
            file = self.folder / ".touchline" / "run.json"
            return json.loads(file.read_text()) if file.exists() else None

        info = await until(60, "up says where it runs", told)
        self.bus, self.record = (redis.Redis.from_url(info[f"{role}_url"], socket_timeout=3) for role in REDIS)

        async def first() -> bool:
            assert self.up.poll() is None, self.said()
            return bool(self.accepted())

        await until(90, "a first order", first)

    def said(self) -> str:
        return (self.folder / "up.log").read_text()[-3000:]

    @property
    def run(self) -> Path:
        return self.folder / ".touchline" / "last"

    def ledger_config(self) -> config.LedgerConfig:
        [file] = self.run.glob("config/house-ledger*/config.json")
        return config.decode(file.read_bytes(), config.LedgerConfig)

    # -- what runs

    def of(self, role: str) -> list[psutil.Process]:
        """The processes of a role; empty while its supervisor waits."""
        found = []
        mark = f"/{role}/redis.sock" if role in REDIS else f"services.{role}"
        for child in psutil.Process(self.up.pid).children():
            with contextlib.suppress(psutil.Error):
                line = child.cmdline()
                if line and "/bin/sh" not in line[0] and any(mark in word for word in line):
                    found.append(child)
        return found

    def kill(self, *roles: str) -> None:
        """kill -9 of all processes of these roles, found first and hit together."""
        victims = [process for role in roles for process in self.of(role)]
        for process in victims:
            with contextlib.suppress(psutil.Error):
                process.kill()

    @contextlib.contextmanager
    def stopped(self, role: str) -> Any:
        """SIGSTOP: its sockets stay open and nobody answers."""
        victims = self.of(role)
        for process in victims:
            process.suspend()
        try:
            yield
        finally:
            for process in victims:
                with contextlib.suppress(psutil.Error):
                    process.resume()

    def move_clock(self, role: str, seconds: float) -> None:
        # In place: the processes have the file mapped.
        with (self.clocks / role).open("r+b" if (self.clocks / role).exists() else "w+b") as file:
            file.write(struct.pack("q", int(seconds * 1e9)))

    # -- the exchange

    def lines(self) -> list[dict[str, Any]]:
        """The simulator's own log of what it accepted."""
        return [json.loads(line) for line in (self.run / "sim" / "accepts.jsonl").read_text().splitlines()]

    def accepted(self) -> list[dict[str, Any]]:
        return [line for line in self.lines() if line["kind"] == "order_accepted"]

    async def fault(self, **body: Any) -> None:
        await self._admin("POST", "/sim/faults", body)

    async def clear_faults(self) -> None:
        await self._admin("DELETE", "/sim/faults", None)

    async def outage(self, ms: int) -> None:
        await self._admin("POST", "/sim/outage", {"for_ms": ms})

    async def _admin(self, method: str, path: str, body: Any) -> None:
        base = self.ledger_config().exchange.rest_url.removesuffix("/trade-api/v2")
        async with httpx.AsyncClient(trust_env=False) as client:
            (await client.request(method, base + path, json=body)).raise_for_status()

    # -- the record

    async def causes(self) -> dict[str, Cause]:
        rows = await self.record.hgetall(self.topics.latch())
        return {key.decode(): msgspec.json.decode(body, type=Cause) for key, body in rows.items()}

    async def halt_state(self) -> dict[str, str]:
        rows = await self.record.hgetall(self.topics.halt())
        return {key.decode(): body.decode() for key, body in rows.items()}

    async def confirmed_ms(self) -> int:
        """When the present halt was confirmed; 0 while it is not."""
        state, epoch = await self.halt_state(), await self.record.get(self.topics.epoch())
        return int(state["confirmed_ms"]) if state and epoch and state["epoch"] == epoch.decode() else 0

    async def resumed_ms(self) -> int:
        """When the last cause was taken away, as the record says: a command that waits for it returns later."""
        for _, fields in await self.record.xrevrange(self.topics.risk_events()):
            event = msgspec.json.decode(fields[b"j"], type=RiskEvent)
            if event.kind == "resumed":
                return event.at_ms
        raise AssertionError("no resume in the record")

    async def risk(self) -> dict[str, str]:
        rows = await self.record.hgetall(self.topics.risk())
        return {key.decode(): body.decode() for key, body in rows.items()}

    async def booked(self) -> set[str]:
        return {key.decode() for key in await self.record.hkeys(self.topics.booked())}

    async def held(self) -> dict[str, int]:
        rows = (await self.record.hgetall(self.topics.positions())).values()
        found = [msgspec.json.decode(row, type=PositionRecord) for row in rows]
        return {position.market: position.count for position in found if position.count}

    async def claims(self) -> list[tuple[str, int]]:
        """Client order id and time of claim of every order of the record."""
        found = []
        pattern = self.topics.order("*").replace("{", "\\{").replace("}", "\\}")
        async for key in self.record.scan_iter(match=pattern, count=1000):
            cid, at = await self.record.hmget(key, "client_order_id", "claimed_ms")
            found.append((cid.decode(), int(at)))
        return found

    async def unwell(self, since_ms: int) -> list[str]:
        """Processes that have not said since then that they are ready, and what the others complain of."""
        wanted = {file.parent.name for file in self.run.glob("config/*/config.json")}
        reports: dict[str, Report] = {}
        async for key in self.bus.scan_iter(match=topics.report_pattern("default"), count=1000):
            if body := await self.bus.get(key):
                report = _REPORT.one(body)
                reports[report.process] = report
        wrong = []
        for name in sorted(wanted):
            told = reports.get(name)
            if told is None or told.at_ms < since_ms:
                wrong.append(f"{name}: silent")
            elif not told.ready:
                wrong.append(f"{name}: {told.reason} {told.message}")
        return wrong

    # -- people

    async def command(self, *words: str) -> tuple[int, str]:
        """Run a `touchline` command here: exit code and what it said."""
        made = await asyncio.create_subprocess_exec(
            *TOUCHLINE, *words, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        out, _ = await made.communicate()
        assert made.returncode is not None
        return made.returncode, out.decode()

    async def resume(self) -> None:
        """Take every cause away, as a person would, once the halt is confirmed; note the halt for the judge."""
        confirmed = await until(60, "the halt is confirmed", self.confirmed_ms)
        deadline = time.monotonic() + 90
        said = ""
        while causes := await self.causes():
            assert time.monotonic() < deadline, f"not resumed: {said}"
            _, said = await self.command("resume", POLICY, "--halt-id", min(causes))
        self.halts.append((confirmed, await self.resumed_ms()))

    def stop(self) -> dict[str, Any]:
        """Ctrl-C; the summary."""
        self.up.send_signal(signal.SIGINT)
        out, _ = self.up.communicate(timeout=150)
        assert self.up.returncode == 0, self.said()
        summary: dict[str, Any] = json.loads(out.splitlines()[-1])
        return summary

    async def close(self) -> None:
        for client in (self.bus, self.record):
            if client is not None:
                await client.aclose()
        if self.up.poll() is None:
            with contextlib.suppress(psutil.Error):
                for child in psutil.Process(self.up.pid).children(recursive=True):
                    with contextlib.suppress(psutil.Error):
                        child.resume()
            self.up.terminate()
            try:
                self.up.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                for child in psutil.Process(self.up.pid).children(recursive=True):
                    with contextlib.suppress(psutil.Error):
                        child.kill()
                self.up.kill()
                self.up.communicate()
        self.log.close()
