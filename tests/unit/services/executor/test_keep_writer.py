"""The writer lease while the record comes and goes."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
import redis

from services.executor import session as module
from services.executor.session import WRITER_TTL_MS, Session, keep_writer
from services.runtime.clock import Clock
from services.runtime.health import Heartbeats
from trading_logic.contracts.topics import RecordTopics

HELD, TAKEN = True, False


class _Record:
    """Answers renewals with a script; the last answer goes on for ever."""

    topics = RecordTopics("test", "house")

    def __init__(self, *answers: bool | Exception) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def renew(self, _lease: str, _token: str, _ttl_ms: int) -> bool:
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class _Log:
    def __init__(self) -> None:
        self.said: list[str] = []

    def warning(self, event: str, **_: object) -> None:
        self.said.append(event)

    error = warning


async def _run(rec: _Record, monkeypatch: pytest.MonkeyPatch, *, asked: int) -> tuple[Session, asyncio.Event, _Log]:
    monkeypatch.setattr(module, "WRITER_RENEW_S", 0.001)
    clock, log = Clock(), _Log()
    app = SimpleNamespace(clock=clock, log=log, beats=Heartbeats(clock), config=SimpleNamespace(strategy="s"))
    held, until = Session(token="t", trading=True, writer_until_ms=clock.mono_ms() + 500), asyncio.Event()
    task = asyncio.create_task(keep_writer(cast("Any", app), cast("Any", rec), held, until))
    async with asyncio.timeout(5):
        while rec.asked < asked and not until.is_set():
            await asyncio.sleep(0.001)
        if not until.is_set():
            until.set()
        await task
    return held, until, log


async def test_an_outage_moves_no_deadline_and_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rec = _Record(redis.ConnectionError("gone"))
    before = Clock().mono_ms()
    held, _, log = await _run(rec, monkeypatch, asked=3)
    assert held.writer_until_ms <= before + 600  # the deadline of before the outage
    assert held.trading
    assert set(log.said) == {"writer-lease-not-renewed"}


async def test_a_record_that_is_back_renews(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Clock().mono_ms()
    held, _, _ = await _run(_Record(redis.ConnectionError("gone"), OSError("gone"), HELD), monkeypatch, asked=4)
    assert held.writer_until_ms >= before + WRITER_TTL_MS
    assert held.trading


async def test_a_lease_of_another_ends_trading(monkeypatch: pytest.MonkeyPatch) -> None:
    held, until, log = await _run(_Record(redis.ConnectionError("gone"), TAKEN), monkeypatch, asked=9)
    assert until.is_set()
    assert not held.trading
    assert log.said[-1] == "writer-lease-lost"
