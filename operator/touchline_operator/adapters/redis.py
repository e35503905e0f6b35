"""RiskFeed over the two Redis."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Collection, Mapping
from pathlib import Path
from typing import Any, cast

import msgspec
import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider
from redis.exceptions import ConnectionError, RedisError  # noqa: A004  - theirs

from touchline_operator.desired.world import PolicyFacts
from touchline_operator.ports import RecordUnreachableError, Wake
from trading_logic.contracts import address, codec, scripts, topics
from trading_logic.contracts.messages import Report, Slate
from trading_logic.contracts.record import Cause, HaltState, PositionRecord, encode

AWAY = (RedisError, OSError)
TIMEOUT_S = 2.0
RETRY_S = 0.5


async def done(value: Awaitable[Any] | Any) -> Any:
    """Await a redis call whose stub says that it may or may not be awaitable."""
    return await cast("Awaitable[Any]", value)


class PasswordFile(CredentialProvider):
    """Reads the password again for every new connection. A file that cannot be read is a Redis that is away."""

    def __init__(self, user: str, path: Path) -> None:
        self._user, self._path = user, path

    def get_credentials(self) -> tuple[str, str] | tuple[str]:
        try:
            password = self._path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConnectionError(f"password file {self._path} cannot be read: {error}") from error
        if not password:
            raise ConnectionError(f"password file {self._path} is empty")
        return (self._user, password) if self._user else (password,)

    async def get_credentials_async(self) -> tuple[str, str] | tuple[str]:
        """The same: a file this small is read at once."""
        return self.get_credentials()


def connect(url: str) -> redis.Redis:
    """A client that never sends a command twice and gives up after TIMEOUT_S; `url` as `contracts.address` has it.

    Raises RecordUnreachableError, which does not show it, for a URL with a password in it.
    """
    try:
        found = address.parse(url)
    except ValueError as error:
        raise RecordUnreachableError(f"Redis: {error}") from None
    login = PasswordFile(found.user, Path(found.password_file)) if found.password_file else None
    return redis.Redis.from_url(
        found.url, retry=Retry(NoBackoff(), 0), socket_timeout=TIMEOUT_S, credential_provider=login
    )


class RedisRiskFeed:
    """Reads what the ledger and the processes wrote, adds causes."""

    def __init__(self, namespace: str, bus_url: str, record_url: str) -> None:
        self._namespace = namespace
        self._bus_url, self._record_url = bus_url, record_url
        self.bus, self.record = connect(bus_url), connect(record_url)
        self._report = codec.Reader(Report)
        self._slate = codec.Reader(Slate)

    def _names(self, policy: str) -> topics.RecordTopics:
        return topics.RecordTopics(self._namespace, policy)

    async def facts(self, policy: str) -> PolicyFacts:
        names = self._names(policy)
        # One transaction, so that latch, epoch and halt belong to each other.
        pipe: Any = self.record.pipeline(transaction=True)
        pipe.hgetall(names.latch())
        pipe.get(names.epoch())
        pipe.hgetall(names.halt())
        pipe.hgetall(names.risk())
        pipe.hgetall(names.positions())
        pipe.get(names.incarnation())
        pipe.hkeys(names.strategies())
        try:
            latch, epoch, halt, risk, positions, incarnation, strategies = await pipe.execute()
            writers, open_orders = await self._busy(names, [key.decode() for key in strategies])
        except AWAY as error:
            raise RecordUnreachableError(f"record Redis at {self._record_url}: {error}") from error
        try:
            return PolicyFacts(
                causes=tuple(msgspec.json.decode(body, type=Cause) for body in latch.values()),
                epoch=int(epoch or 0),
                halt=msgspec.convert(_texts(halt), HaltState, strict=False) if halt else None,
                risk=_texts(risk),
                positions=tuple(msgspec.json.decode(body, type=PositionRecord) for body in positions.values()),
                incarnation=incarnation.decode() if incarnation is not None else "",
                open_orders=open_orders,
                writers=writers,
            )
        except (msgspec.MsgspecError, ValueError) as error:
            # What cannot be read may be a latch: as good as a record that does not answer.
            raise RecordUnreachableError(f"record of {policy} at {self._record_url}: not readable: {error}") from error

    async def _busy(
        self, names: topics.RecordTopics, strategies: list[str]
    ) -> tuple[frozenset[str], Mapping[str, int]]:
        """Strategies with a living executor, and how many open orders each has.

        Leases first: an executor that is gone by then can add no order to what is read after.
        """
        if not strategies:
            return frozenset(), {}
        pipe: Any = self.record.pipeline(transaction=True)
        for strategy in strategies:
            pipe.exists(names.writer_lease(strategy))
        pipe.smembers(names.open_orders())
        *leases, intents = await pipe.execute()
        writers = frozenset(name for name, held in zip(strategies, leases, strict=True) if held)
        if not intents:
            return writers, {}
        pipe = self.record.pipeline(transaction=False)
        for intent in intents:
            pipe.hget(names.order(intent.decode()), "strategy")
        owners = await pipe.execute()
        # An order without a readable owner may be anybody's: it counts for every strategy.
        return writers, Counter(o.decode() for owner in owners for o in ([owner] if owner else _bytes(strategies)))

    async def slates(self, wanted: Collection[tuple[str, str]]) -> dict[tuple[str, str], Slate]:
        asked = list(wanted)
        if not asked:
            return {}
        try:
            keys = [topics.MarketDataTopics(self._namespace, feed).slate(series) for feed, series in asked]
            bodies = await done(self.bus.mget(keys))
        except AWAY as error:
            raise RecordUnreachableError(f"bus Redis at {self._bus_url}: {error}") from error
        try:
            return {key: self._slate.one(body) for key, body in zip(asked, bodies, strict=True) if body is not None}
        except codec.CodecError as error:
            raise RecordUnreachableError(f"bus Redis at {self._bus_url}: a slate is not readable: {error}") from error

    async def reports(self) -> dict[str, Report]:
        try:
            keys = [key async for key in self.bus.scan_iter(topics.report_pattern(self._namespace), count=500)]
            bodies = await done(self.bus.mget(keys)) if keys else []
        except AWAY as error:
            raise RecordUnreachableError(f"bus Redis at {self._bus_url}: {error}") from error
        try:
            found = [self._report.one(body) for body in bodies if body is not None]
        except codec.CodecError as error:
            raise RecordUnreachableError(f"bus Redis at {self._bus_url}: a report is not readable: {error}") from error
        return {report.process: report for report in found}

    async def add_cause(self, policy: str, cause: Cause, now_ms: int) -> bool:
        names = self._names(policy)
        keys = [names.latch(), names.epoch(), names.risk_events(), names.halt()]
        try:
            changed, _, _ = await done(
                self.record.eval(
                    scripts.LATCH, len(keys), *keys, "add", cause.id, encode(cause), str(now_ms), names.nudge()
                )
            )
        except AWAY as error:
            raise RecordUnreachableError(f"record Redis at {self._record_url}: {error}") from error
        return bool(changed)

    async def listen(self, policy: str, wake: Wake) -> None:
        while True:
            try:
                async with self.record.pubsub() as channel:
                    await channel.subscribe(self._names(policy).nudge())
                    while True:
                        message = await channel.get_message(ignore_subscribe_messages=True, timeout=1.0)
                        if message is not None:
                            wake()
            except AWAY:
                # The loops look at once: what they find decides, and a record that is away is found out.
                wake()
                await asyncio.sleep(RETRY_S)

    async def close(self) -> None:
        await self.bus.aclose()
        await self.record.aclose()


def _bytes(texts: list[str]) -> list[bytes]:
    return [text.encode() for text in texts]


def _texts(row: dict[bytes, bytes]) -> dict[str, str]:
    return {key.decode(): value.decode() for key, value in row.items()}
