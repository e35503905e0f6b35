"""Connections to the two Redis roles. `redis` is imported here and in `streams` and `record` only."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, cast

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError, ResponseError
from structlog.typing import FilteringBoundLogger

STORE_ERRORS = (RedisError, OSError)
"""What a call to a store may raise when the store is away; ResponseError (a mistake of ours) is among them."""

MINIMUM_VERSION = 7
READ_TIMEOUT_S = 5.0
"""Longer than any BLOCK of ours, shorter than a lease."""


class StoreConfigError(Exception):
    """The store answers but cannot be used; the message says what to change."""


async def result(value: Awaitable[Any] | Any) -> Any:
    """Await a redis call whose stub says that it may or may not be awaitable."""
    return await cast("Awaitable[Any]", value)


class Store:
    """One role (bus or record) of Redis.

    Commands are never retried by the client: a retried XADD or script would be a second effect. Reconnecting is
    automatic at the next command.
    """

    def __init__(self, url: str, role: str) -> None:
        self.url = url
        self.role = role
        tcp: dict[str, Any] = (
            {} if url.startswith("unix") else {"socket_keepalive": True, "socket_connect_timeout": 2.0}
        )
        self.client: redis.Redis = redis.Redis.from_url(
            url, retry=Retry(NoBackoff(), 0), socket_timeout=READ_TIMEOUT_S, max_connections=32, **tcp
        )

    async def wait(self, log: FilteringBoundLogger, stop: asyncio.Event) -> bool:
        """Wait until the store answers; False when told to stop before. Raises StoreConfigError when it never can."""
        delay = 0.05
        complained = False
        while not stop.is_set():
            try:
                info = await result(self.client.info("server"))
            except AuthenticationError as error:
                raise StoreConfigError(
                    f"{self.role} Redis at {self.url}: {error}; check the password in the URL"
                ) from error
            except STORE_ERRORS as error:
                if not complained:
                    log.warning("store-unreachable", role=self.role, url=self.url, error=str(error))
                    complained = True
                try:
                    async with asyncio.timeout(delay):
                        await stop.wait()
                except TimeoutError:
                    delay = min(delay * 2, 1.0)
                continue
            version = str(info["redis_version"])
            if int(version.split(".", maxsplit=1)[0]) < MINIMUM_VERSION:
                raise StoreConfigError(f"{self.role} Redis at {self.url} is version {version}: 7 or newer is needed")
            return True
        return False

    def pipeline(self, *, transaction: bool) -> Any:
        """Several commands in one round trip; untyped, because the client's stubs call each command awaitable."""
        return self.client.pipeline(transaction=transaction)

    async def ping(self) -> bool:
        """Whether the store answers now."""
        try:
            return bool(await result(self.client.ping()))
        except STORE_ERRORS:
            return False

    async def close(self) -> None:
        await self.client.aclose()


__all__ = ["STORE_ERRORS", "ResponseError", "Store", "StoreConfigError", "result"]
