"""Reading pub/sub channels: what they carry is replaced by the next message, so nothing here is kept or repeated."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from redis.exceptions import TimeoutError as RedisTimeoutError

from services.runtime.store import Store, result

ASK_S = 2.0
SILENT_S = 6.0
"""A socket that is open on our side only says nothing, as a quiet channel does: a question tells them apart."""


async def listen(store: Store, channels: Sequence[str], *, wait_s: float) -> AsyncIterator[tuple[str, bytes] | None]:
    """(channel, body) of every message from now on; None when nothing came in `wait_s`.

    Raises STORE_ERRORS when the store goes away, or does not answer for `SILENT_S`; whoever listens again must re-read
    what the messages stand for.
    """
    pubsub = store.client.pubsub(ignore_subscribe_messages=True)
    try:
        await result(pubsub.subscribe(*channels))
        loop = asyncio.get_running_loop()
        heard = asked = loop.time()
        while True:
            message = await pubsub.get_message(timeout=wait_s)
            now = loop.time()
            if message is not None:
                heard = now
            elif now - heard > SILENT_S:
                raise RedisTimeoutError(f"{store.role} Redis: its channels have not answered for {now - heard:.0f} s")
            if now - max(heard, asked) >= ASK_S:
                asked = now
                await result(pubsub.ping())
            said = message is not None and message["type"] == "message"
            yield (message["channel"].decode(), message["data"]) if said else None
    finally:
        await pubsub.aclose()  # type: ignore[no-untyped-call]  # the client leaves it untyped
