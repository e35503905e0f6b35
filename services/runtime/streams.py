"""Reading streams by consumer group: batches, one ack per batch after the effect, claims, dead letters.

At least once: an entry is acknowledged after its effect, so an effect must be harmless twice.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from redis.exceptions import ResponseError
from structlog.typing import FilteringBoundLogger

from services.runtime.clock import Clock
from services.runtime.direct import Command
from services.runtime.store import Store, result
from trading_logic.contracts import codec, topics
from trading_logic.contracts.messages import DeadLetter

MAX_DELIVERIES = 5
ABANDONED_AFTER_MS = 10_000
CLAIM_EVERY_MS = 2_000


Row = tuple[bytes, Sequence[bytes] | None]
"""An entry as the server sends it: id; name, value, name, value, or nothing when it has been trimmed since."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One stream entry: its id and the bytes of its one field."""

    id: bytes
    body: bytes


class GroupReader:
    """One consumer of one group on one stream.

    `start` says where a new group begins: "0" takes everything still there, "$" only what comes.
    """

    def __init__(
        self,
        store: Store,
        stream: str,
        group: str,
        consumer: str,
        dead: str,
        clock: Clock,
        log: FilteringBoundLogger,
        *,
        start: str,
        field: bytes = codec.FIELD,
    ) -> None:
        self._store, self._stream, self._group, self._consumer = store, stream, group, consumer
        self._dead, self._clock, self._log = dead, clock, log
        self._start, self._field = start, field
        self._next_claim_ms = 0
        self.recreated = 0
        """How often the store had lost the group: whoever builds state from the stream must then build it anew."""

    async def open(self) -> None:
        """Create the group if it is not there."""
        try:
            await result(self._store.client.xgroup_create(self._stream, self._group, id=self._start, mkstream=True))
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    async def delivered(self) -> str:
        """Id of the last entry that the group handed to anyone; `0-0` when none."""
        groups = await result(self._store.client.xinfo_groups(self._stream))
        mine = next(group for group in groups if group["name"] == self._group.encode())
        return str(mine["last-delivered-id"].decode())

    async def trim(self) -> None:
        """Drop the entries that are acknowledged, and only those: for streams that no length may bound."""
        waiting = await result(self._store.client.xpending(self._stream, self._group))
        oldest = waiting["min"].decode() if waiting["pending"] else await self.delivered()
        await result(self._store.client.xtrim(self._stream, minid=oldest, approximate=False))

    async def unfinished(self, *, count: int) -> list[Entry]:
        """What an earlier life of this consumer took and never acknowledged, oldest first; [] when nothing is left.

        For the start of a process, before `read`: `read` would see these only after `ABANDONED_AFTER_MS`. An entry
        that the stream has trimmed since has an empty body. One that ended this process again and again is buried.
        """
        while True:
            rows = await self._rows("0", count)
            good = await self._fit(rows, count)
            if good or not rows:
                return good

    async def read(self, *, count: int, block_ms: int) -> list[Entry]:
        """New entries, at most `count`; first, now and then, those that a dead consumer left behind.

        Returns [] when nothing came in `block_ms`. A store that lost the group (wiped) gets it again.
        """
        now = self._clock.mono_ms()
        if now >= self._next_claim_ms:
            self._next_claim_ms = now + CLAIM_EVERY_MS
            claimed = await self._claim(count)
            if claimed:
                return claimed
        try:
            return _entries(await self._rows(">", count, block_ms), self._field)
        except ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
            self._log.warning("group-recreated", stream=self._stream, group=self._group)
            self.recreated += 1
            await self.open()
            return []

    async def _rows(self, after: str, count: int, block_ms: int = 0) -> list[Row]:
        """What the group hands to this consumer: new entries after ">", its own unacknowledged ones after an id."""
        reply = await self._store.blocking.call(
            *("XREADGROUP", "GROUP", self._group, self._consumer, "COUNT", count),
            *(("BLOCK", block_ms) if block_ms else ()),
            *("STREAMS", self._stream, after),
        )
        return reply[0][1] if reply else []

    async def _claim(self, count: int) -> list[Entry]:
        try:
            reply = await self._store.hot.call(
                *("XAUTOCLAIM", self._stream, self._group, self._consumer, ABANDONED_AFTER_MS, "0-0", "COUNT", count)
            )
        except ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
            self.recreated += 1
            await self.open()
            return []
        return await self._fit(reply[1], count)

    async def _fit(self, rows: list[Row], count: int) -> list[Entry]:
        """The entries that may be tried once more; those that were delivered too often go to the dead letters."""
        if not rows:
            return []
        pending = await result(
            self._store.client.xpending_range(
                self._stream, self._group, min=rows[0][0], max=rows[-1][0], count=count, consumername=self._consumer
            )
        )
        deliveries = {row["message_id"]: int(row["times_delivered"]) for row in pending}
        good: list[Entry] = []
        for entry in _entries(rows, self._field):
            times = deliveries.get(entry.id, 1)
            if times > MAX_DELIVERIES:
                await self.bury(entry, f"not handled in {MAX_DELIVERIES} deliveries", deliveries=times)
            else:
                good.append(entry)
        return good

    async def ack(self, entries: list[Entry]) -> None:
        """Acknowledge a whole batch in one call."""
        if entries:
            await self._store.hot.call(*self.acked(entries))

    def acked(self, entries: list[Entry]) -> Command:
        """The acknowledgement as a command, to be sent with what the entries brought about."""
        return ("XACK", self._stream, self._group, *[entry.id for entry in entries])

    async def bury(self, entry: Entry, reason: str, *, deliveries: int = 1) -> None:
        """Move an entry to the dead letters with its reason and its own bytes, and acknowledge it."""
        letter = DeadLetter(
            stream=self._stream,
            entry_id=entry.id.decode(),
            group=self._group,
            reason=reason,
            deliveries=deliveries,
            body=entry.body,
            at_ms=self._clock.wall_ms(),
        )
        buried = appended(self._dead, codec.encode(letter), topics.DEAD_MAXLEN)
        await self._store.hot.batch([buried, self.acked([entry])], transaction=True)
        self._log.error("dead-letter", stream=self._stream, entry=entry.id.decode(), reason=reason)


def appended(stream: str, body: bytes, maxlen: int | None = None) -> Command:
    """An entry's one field as a command; `maxlen` trims roughly, at whole nodes."""
    return ("XADD", stream, *(("MAXLEN", "~", maxlen) if maxlen else ()), "*", codec.FIELD, body)


def _entries(rows: list[Row], name: bytes) -> list[Entry]:
    return [Entry(row_id, _value(fields or (), name)) for row_id, fields in rows]


def _value(flat: Sequence[bytes], name: bytes) -> bytes:
    return next((value for key, value in zip(flat[::2], flat[1::2], strict=True) if key == name), b"")


async def tail(
    store: Store, stream: str, *, start: str, block_ms: int, count: int = 256
) -> AsyncIterator[list[tuple[str, dict[bytes, bytes]]]]:
    """Follow a stream without a group, from after `start`; yields [] when nothing came in `block_ms`."""
    last = start
    while True:
        reply = await result(store.client.xread({stream: last}, count=count, block=block_ms))
        rows = [(row_id.decode(), fields) for row_id, fields in reply[0][1]] if reply else []
        if rows:
            last = rows[-1][0]
        yield rows
