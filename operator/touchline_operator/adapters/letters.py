"""Dead letters in both Redis roles: entries that no process could handle, and their way back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from touchline_operator.adapters.redis import AWAY, connect, done
from touchline_operator.ports import RecordUnreachableError
from trading_logic.contracts import codec, topics
from trading_logic.contracts.messages import DeadLetter, Decision, Intent, Signal
from trading_logic.refusal import Refusal
from trading_logic.risk.limits import MAX_INTENT_AGE_MS

_READ = codec.Reader(DeadLetter)


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter: where it lies (`role`, `key`, `entry`), and `id`, by which people name it."""

    role: str
    url: str
    key: str
    entry: str
    id: str
    letter: DeadLetter

    @property
    def leaf(self) -> str:
        """What kind of stream it came from: md, signals, intents."""
        return topics.leaf_of(self.letter.stream)


async def letters(urls: Sequence[tuple[str, str]], namespace: str) -> list[Letter]:
    """All of them, oldest first; `urls` are (role, URL). Raises RecordUnreachableError."""
    found: dict[tuple[str, str], Letter] = {}
    for role, url in urls:
        client = connect(url)
        try:
            keys = [key async for key in client.scan_iter(topics.dead_pattern(namespace), count=500)]
            for key in keys:
                for entry, fields in await done(client.xrange(key)):
                    made = _letter(role, url, key.decode(), entry.decode(), fields)
                    found.setdefault((made.key, made.entry), made)  # one Redis may serve both roles
        except AWAY as error:
            raise RecordUnreachableError(f"{role} Redis at {url}: {error}") from error
        except codec.CodecError as error:
            raise RecordUnreachableError(f"{role} Redis at {url}: a dead letter is not readable: {error}") from error
        finally:
            await client.aclose()
    return sorted(found.values(), key=lambda one: (one.letter.at_ms, one.id))


def _letter(role: str, url: str, key: str, entry: str, fields: dict[bytes, bytes]) -> Letter:
    return Letter(role, url, key, entry, f"{topics.owner_of(key)}/{entry}", _READ.one(fields[codec.FIELD]))


def decoded(found: Letter) -> Any:
    """The body as the stream's readers would read it. Raises CodecError."""
    body = found.letter.body
    match found.leaf:
        case "md":
            return [msgspec.to_builtins(message) for message in codec.decode_market_data(body)]
        case "signals":
            return [msgspec.to_builtins(signal) for signal in codec.Reader(Signal).batch(body)]
        case "decisions":
            return [msgspec.to_builtins(decision) for decision in codec.Reader(Decision).batch(body)]
        case "intents":
            return msgspec.to_builtins(codec.Reader(Intent).one(body))
        case leaf:
            raise codec.CodecError(f"no reader for stream {leaf}")


def refusal(found: Letter, now_ms: int) -> Refusal | None:
    """Why a letter may not go back: an intent must be young, and it must be known to be."""
    if found.leaf != "intents":
        return None
    try:
        intent = codec.Reader(Intent).one(found.letter.body)
    except codec.CodecError as error:
        return Refusal("intentAge", f"unknown: {error}", f"{MAX_INTENT_AGE_MS} ms")
    age = now_ms - intent.received_ms
    return Refusal("intentAge", f"{age} ms", f"{MAX_INTENT_AGE_MS} ms") if abs(age) > MAX_INTENT_AGE_MS else None


async def requeue(found: Letter) -> str:
    """Put the body back at the end of its stream and take the letter away, in one call; the new entry's id.

    Every group of the stream reads it again: what they do is harmless twice. Raises RecordUnreachableError, and
    KeyError when the letter is gone.
    """
    client = connect(found.url)
    try:
        new = await done(
            client.eval(_REQUEUE, 2, found.key, found.letter.stream, found.entry, codec.FIELD, found.letter.body)
        )
    except AWAY as error:
        raise RecordUnreachableError(f"{found.role} Redis at {found.url}: {error}") from error
    finally:
        await client.aclose()
    if new is None:
        raise KeyError(found.id)
    return str(new.decode())


_REQUEUE = """
if redis.call('XDEL', KEYS[1], ARGV[1]) == 0 then return nil end
return redis.call('XADD', KEYS[2], '*', ARGV[2], ARGV[3])
"""
