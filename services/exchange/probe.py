"""`python -m services.exchange.probe`: one look at each exchange named on stdin (JSON), answered on stdout (JSON).

For `touchline doctor`, which does not speak the exchange's wire itself. Nothing here writes to an exchange.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx
import msgspec

from services.exchange.budget import TIERS, Budget
from services.exchange.clock import Clock, SystemClock
from services.exchange.errors import ExchangeError, KeyFileError
from services.exchange.keys import KeySource
from services.exchange.reads import ExchangeReads
from trading_logic.contracts.config import Exchange

SAMPLES: Final = 5
APART_S: Final = 0.23
"""Not a divisor of a second: each sample cuts the second of the exchange's Date header at another place."""
TIMEOUT_S: Final = 5.0


class Asked(msgspec.Struct, frozen=True):
    """An exchange and, where its files are named, a key to try."""

    name: str
    exchange: Exchange


class Found(msgspec.Struct, frozen=True):
    """What one look showed. Errors are texts, "" where there was none.

    `ahead_ms` are the least and the most that this machine's clock may be ahead of the exchange's; None when the
    exchange did not tell the time.
    """

    name: str
    error: str
    trading: bool
    ahead_ms: tuple[int, int] | None
    key_error: str


async def look(asked: Asked, clock: Clock) -> Found:
    """Ask for the exchange's status and time; with a key, for the balance."""
    base = asked.exchange.rest_url.rstrip("/")
    try:
        ahead = await offset(base, clock)
        async with ExchangeReads(base, None, Budget(TIERS["basic"], clock), clock, timeout_s=TIMEOUT_S) as reads:
            status = await reads.exchange_status()
    except (httpx.HTTPError, ExchangeError, ValueError) as error:
        said = str(error) or type(error).__name__
        return Found(asked.name, f"{base}: {said}", trading=False, ahead_ms=None, key_error="")
    return Found(asked.name, "", status.trading_active, ahead, await try_key(asked.exchange, clock))


async def offset(base: str, clock: Clock) -> tuple[int, int] | None:
    """How far this machine's clock is ahead, from Date headers: each says the second, many cut it finer.

    The header was written between our two readings of the clock, and the true time is less than a second after it.
    """
    least, most = -sys.maxsize, sys.maxsize
    private = urlsplit(base).hostname in {"localhost", "127.0.0.1", "::1"}
    async with httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=not private) as client:
        for _ in range(SAMPLES):
            before = clock.now_ms()
            response = await client.get(f"{base}/exchange/status")
            after = clock.now_ms()
            text = response.headers.get("Date")
            if text is None:
                return None
            told = round(parsedate_to_datetime(text).replace(tzinfo=UTC).timestamp() * 1000)
            least, most = max(least, before - told - 1_000), min(most, after - told)
            await clock.sleep(APART_S)
    return min(least, most), max(least, most)


async def try_key(exchange: Exchange, clock: Clock) -> str:
    """A signed read with the exchange's key files; "" when it is taken, or when there are none."""
    if not exchange.private_key_file:
        return ""
    try:
        keys = KeySource(Path(exchange.key_id_file), Path(exchange.private_key_file), require_private=False)
        async with ExchangeReads(
            exchange.rest_url, keys, Budget(TIERS["basic"], clock), clock, subaccount=exchange.subaccount
        ) as reads:
            await reads.balance()
    except (KeyFileError, ExchangeError) as error:
        return str(error)
    return ""


async def look_at_all(asked: list[Asked]) -> list[Found]:
    """All of them side by side."""
    clock = SystemClock()
    return list(await asyncio.gather(*(look(one, clock) for one in asked)))


def main() -> int:
    """Exit 2 for an input that is not a list of `Asked`."""
    try:
        asked = msgspec.json.decode(sys.stdin.buffer.read(), type=list[Asked])
    except msgspec.DecodeError as error:
        sys.stderr.write(f"probe: stdin: {error}\n")
        return 2
    sys.stdout.write(msgspec.json.encode(asyncio.run(look_at_all(asked))).decode() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
