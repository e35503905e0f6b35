"""Reading pub/sub channels: what they carry is replaced by the next message, so nothing here is kept or repeated."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from services.runtime.store import Store, result


async def listen(store: Store, channels: Sequence[str], *, wait_s: float) -> AsyncIterator[tuple[str, bytes] | None]:
    """(channel, body) of every message from now on; None when nothing came in `wait_s`.

    Raises STORE_ERRORS when the store goes away; whoever listens again must re-read what the messages stand for.
    """
    pubsub = store.client.pubsub(ignore_subscribe_messages=True)
    try:
        await result(pubsub.subscribe(*channels))
        while True:
            message = await pubsub.get_message(timeout=wait_s)
            yield None if message is None else (message["channel"].decode(), message["data"])
    finally:
        await pubsub.aclose()  # type: ignore[no-untyped-call]  # the client leaves it untyped
