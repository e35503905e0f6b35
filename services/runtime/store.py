"""Connections to the two Redis roles. `redis` is imported here and in `direct` and `streams` only."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, cast

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider
from redis.exceptions import AuthenticationError, ConnectionError, RedisError, ResponseError  # noqa: A004  - theirs
from structlog.typing import FilteringBoundLogger

from services.runtime.direct import Direct
from trading_logic.contracts import address

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


class PasswordFile(CredentialProvider):
    """Reads the password again for every new connection, so that a changed Secret needs no restart."""

    def __init__(self, user: str, path: Path) -> None:
        self._user, self._path = user, path

    def get_credentials(self) -> tuple[str, str] | tuple[str]:
        """What AUTH takes. A file that is missing or empty is as good as a Redis that is away: tried again."""
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


def _refused(error: BaseException) -> bool:
    """Whether Redis answered and did not let us in; the client wraps that as a lost connection."""
    return isinstance(error, AuthenticationError) or isinstance(error.__cause__, AuthenticationError)


class Store:
    """One role (bus or record) of Redis.

    Commands are never retried by the client: a retried XADD or script would be a second effect. Reconnecting is
    automatic at the next command. A password stands in a file, never in the URL: logs show URLs.
    """

    def __init__(self, url: str, role: str) -> None:
        """`url` as `contracts.address` has it. Raises StoreConfigError when a password stands in it."""
        try:
            found = address.parse(url)
        except ValueError as error:
            raise StoreConfigError(f"{role} Redis: {error}") from None
        self.url = url = found.url
        self.role = role
        self._password_file = found.password_file
        login = PasswordFile(found.user, Path(found.password_file)) if found.password_file else None
        tcp: dict[str, Any] = (
            {} if url.startswith("unix") else {"socket_keepalive": True, "socket_connect_timeout": 2.0}
        )
        self.client: redis.Redis = redis.Redis.from_url(
            url,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=READ_TIMEOUT_S,
            max_connections=32,
            credential_provider=login,
            **tcp,
        )
        self.hot = self._direct()
        """For the calls of the hot path, none of which blocks: one connection that all of them share."""
        self.blocking = self._direct()
        """For the one loop of a process that reads a stream and waits: who else asks here waits with it."""

    def _direct(self) -> Direct:
        pool = self.client.connection_pool
        kwargs = {**pool.connection_kwargs, "protocol": 2}
        return Direct(lambda: pool.connection_class(**kwargs), f"{self.role} Redis at {self.url}", READ_TIMEOUT_S)

    async def wait(self, log: FilteringBoundLogger, stop: asyncio.Event) -> bool:
        """Wait until the store answers; False when told to stop before. Raises StoreConfigError when it never can."""
        delay = 0.05
        complained = False
        while not stop.is_set():
            try:
                info = await result(self.client.info("server"))
            except STORE_ERRORS as error:
                if _refused(error):
                    file = self._password_file
                    what = f"{error}; check the password in {file}" if file else "it wants a password: give it a file"
                    raise StoreConfigError(f"{self.role} Redis at {self.url}: {what}") from error
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
        self.hot.close()
        self.blocking.close()
        await self.client.aclose()


__all__ = ["STORE_ERRORS", "ResponseError", "Store", "StoreConfigError", "result"]
