"""Real processes on a real Redis, with or without the simulator."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
import redis

from trading_logic.contracts import codec, config, topics
from trading_logic.contracts.messages import (
    BookDelta,
    BookSnapshot,
    CatalogEntry,
    Decision,
    GameState,
    Intent,
    MarketData,
    MarketInfo,
    Report,
    Signal,
)

T = TypeVar("T")
EVENT = "KXNFLGAME-25SEP04DALPHI"
HOME, AWAY = f"{EVENT}-PHI", f"{EVENT}-DAL"
NAMESPACE, FEED, STRATEGY, POLICY = "t", "simulator", "sunday", "house"


def poll(what: str, look: Callable[[], T], within_s: float = 20.0) -> T:
    """Look until something true is seen."""
    deadline = time.monotonic() + within_s
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            pytest.fail(f"not within {within_s} s: {what}")
        time.sleep(0.02)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Pipeline:
    """Starts processes and reads what they wrote."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.redis = redis.Redis.from_url(url)
        self.md = topics.MarketDataTopics(NAMESPACE, FEED)
        self.money = topics.RecordTopics(NAMESPACE, POLICY)
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.exchange = config.Exchange(
            "Simulator", "http://127.0.0.1:9/trade-api/v2", "ws://127.0.0.1:9/trade-api/ws/v2", "", "", 0
        )

    # -- processes

    def start(self, role: str, **changes: Any) -> subprocess.Popen[bytes]:
        """Start `services.<role>` with its usual configuration and `changes`."""
        cfg = msgspec.structs.replace(self._config(role), **changes)
        path = self.folder / f"{cfg.process}.json"
        path.write_bytes(msgspec.json.encode(cfg))
        log = (self.folder / f"{cfg.process}.log").open("ab")
        with log:
            child = subprocess.Popen([sys.executable, "-m", f"services.{role}", "--config", str(path)], stderr=log)
        self.running[cfg.process] = child
        return child

    def kill(self, process: str) -> None:
        child = self.running.pop(process)
        child.kill()
        child.wait()

    def stop(self) -> None:
        """A clean stop of everything: exit code 0 each."""
        for child in self.running.values():
            child.terminate()
        codes = {name: child.wait(15) for name, child in self.running.items()}
        logs = "".join(path.read_text() for path in self.folder.glob("*.log"))
        self.redis.close()
        assert set(codes.values()) <= {0}, f"{codes}\n{logs}"

    def _config(self, role: str) -> Any:
        base = {
            "process": role, "namespace": NAMESPACE, "redis": config.Redis(self.url, self.url),
            "health": config.Health("127.0.0.1:0"), "log_format": "json", "feed": FEED,
        }  # fmt: skip
        match role:
            case "catalog":
                return config.Catalog(**base, exchange=self.exchange, events=(EVENT,), series=(), poll_seconds=0.3)
            case "ingest":
                return config.Ingest(**base, exchange=self.exchange, event=EVENT)
            case "sources":
                return config.Source(
                    **base, name="game", plugin="kalshi-live-data", config={}, events=(EVENT,), exchange=self.exchange
                )
            case "consumer":
                return config.Consumer(**base, event=EVENT, sources=("game",))
            case "decision":
                return config.DecisionConfig(
                    **base, strategy=STRATEGY, strategy_uid="uid-1", policy=POLICY, event=EVENT, market="",
                    models=(config.Model("game-state", 1_000_000),),
                    entry=config.Entry("Take", 0, 300, 100, 9_000, 100, 9_900), kelly_ppm=250_000,
                    exit=config.Exit(1_000, 1_500, 0),
                    limits=config.Limits(
                        250_000, 200_000, 50_000, 1_000_000, 250_000_000, 500_000, 100_000, 30, 20, 10_000, 500_000
                    ),
                )  # fmt: skip
        raise AssertionError(role)

    # -- what they wrote

    def report(self, process: str) -> Report | None:
        body = self.redis.get(topics.report(NAMESPACE, process))
        return codec.Reader(Report).one(body) if body else None

    def fault(self, process: str) -> tuple[str, str]:
        found = self.report(process)
        return (found.reason, found.message) if found else ("", "")

    def count(self, process: str, name: str) -> int:
        found = self.report(process)
        return found.counters.get(name, 0) if found else 0

    def market_data(self, after: str) -> list[MarketData]:
        return self._all(self.md.md(EVENT), MarketData, f"({after}")

    def newest_market_data(self) -> str:
        ((entry_id, _),) = self.redis.xrevrange(self.md.md(EVENT), count=1)
        return entry_id.decode()

    def signals(self) -> list[Signal]:
        return self._all(self.md.signals(EVENT), Signal)

    def decisions(self) -> list[Decision]:
        return self._all(self.money.decisions(STRATEGY), Decision)

    def intents(self) -> list[Intent]:
        reader = codec.Reader(Intent)
        return [reader.one(f[codec.FIELD]) for _, f in self.redis.xrange(self.money.intents(STRATEGY))]

    def _all(self, stream: str, kind: type[Any], start: str = "-") -> list[Any]:
        reader = codec.Reader(kind)
        return [m for _, fields in self.redis.xrange(stream, start) for m in reader.batch(fields[codec.FIELD])]

    def catalog(self) -> CatalogEntry | None:
        body = self.redis.get(self.md.catalog(EVENT))
        return codec.Reader(CatalogEntry).one(body) if body else None

    def unread(self, stream: str, group: str) -> tuple[int, int]:
        """(undelivered, unacknowledged) of a group; (-1, -1) before it is there."""
        if not self.redis.exists(stream):
            return (-1, -1)
        rows = [row for row in self.redis.xinfo_groups(stream) if row["name"] == group.encode()]
        return (int(rows[0]["lag"] or 0), int(rows[0]["pending"])) if rows else (-1, -1)

    # -- what others would write

    def write_catalog(self) -> None:
        cent = (("0.0000", "1.0000", "0.0100"),)
        entry = CatalogEntry(
            event=EVENT, series="KXNFLGAME", feed=FEED, title="t", game="g", sport="football", home="PHI", away="DAL",
            home_id="h", away_id="a", start_ms=0, exchange_index=0, fee_type="quadratic", fee_multiplier_ppm=1_000_000,
            exchange_active=True,
            markets=(
                MarketInfo(HOME, "home", "PHI", "active", cent, now_ms() + 10**9, "", 6_000),
                MarketInfo(AWAY, "away", "DAL", "active", cent, now_ms() + 10**9, "", 4_000),
            ),
            updated_ms=now_ms(),
        )  # fmt: skip
        self.redis.set(self.md.catalog(EVENT), codec.encode(entry))

    def write_game(self, **changes: Any) -> None:
        state = msgspec.structs.replace(
            GameState(
                source="game", game="g", sport="football", status="live", home_points=21, away_points=0, period=3,
                clock_seconds=900, seconds_remaining=1_800, possession="", down=0, distance=0, yardline=0,
                description="", received_ms=now_ms(),
            ),
            **changes,
        )  # fmt: skip
        self.redis.set(self.md.source_state("game", "g"), codec.encode(state))
        self.redis.publish(self.md.source("game"), codec.encode(state))

    def write_risk(self) -> None:
        self.redis.hset(
            self.money.risk(),
            mapping={
                "equity": 1_000_000_000, "exposure": 0, "reconciled": "1", "reconcile_note": "", "marks": "",
                "updated_ms": now_ms(),
            },
        )  # fmt: skip

    def write_md(self, *messages: MarketData) -> str:
        return self.redis.xadd(self.md.md(EVENT), {codec.FIELD: codec.encode_batch(messages)}).decode()


def snapshot(market: str, seq: int, bid: int = 5_900, no_bid: int = 4_000) -> BookSnapshot:
    return BookSnapshot("s1", 1, seq, market, ((bid, 50_000),), ((no_bid, 50_000),), now_ms())


def delta(market: str, seq: int, price: int, count: int) -> BookDelta:
    return BookDelta("s1", 1, seq, market, "yes", price, count, now_ms())


@pytest.fixture
def pipeline(tmp_path: Path, redis_url: str) -> Iterator[Pipeline]:
    found = Pipeline(tmp_path, redis_url)
    yield found
    found.stop()


@pytest.fixture
def simulated(pipeline: Pipeline) -> Iterator[Pipeline]:
    """The pipeline with a simulator that begins its game in a few seconds."""
    state = pipeline.folder / "sim"
    child = subprocess.Popen(
        [sys.executable, "-m", "services.simulator", "--port", "0", "--state-dir", str(state), "--pregame", "5"],
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    ready = json.loads(child.stdout.readline())
    key = pipeline.folder / "key-id"
    key.write_text(ready["accounts"][0]["key_id"])
    pipeline.exchange = config.Exchange(
        "Simulator", ready["rest_url"], ready["ws_url"], str(key), ready["accounts"][0]["private_key_path"], 0
    )
    yield pipeline
    child.terminate()
    child.wait(15)
    child.stdout.close()


@pytest.fixture(scope="session")
def tools() -> Any:
    """Functions that tests share: test folders are no packages."""

    class Tools:
        poll, snapshot, delta, now_ms = (
            staticmethod(poll),
            staticmethod(snapshot),
            staticmethod(delta),
            staticmethod(now_ms),
        )
        event, home, away, strategy = EVENT, HOME, AWAY, STRATEGY

    return Tools
