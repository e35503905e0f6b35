"""One client's connection: its subscriptions, their sequence numbers and what waits to be sent."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import msgspec

from services.simulator.engine.model import Account
from services.simulator.faults import Faults

MAX_WAITING_BYTES = 16 * 1024 * 1024
"""A subscription whose connection has more than this waiting is dropped with error 25."""

SEQUENCED = frozenset({"orderbook_delta", "trade", "order_group_updates", "market_lifecycle_v2"})


@dataclass(slots=True, eq=False)
class Subscription:
    """One channel of one connection. ``markets`` None means all."""

    sid: int
    channel: str
    markets: dict[str, None] | None
    use_yes_price: bool = False
    skip_ack: bool = False
    seq: int = 0

    def wants(self, ticker: str) -> bool:
        return self.markets is None or ticker in self.markets


@dataclass(slots=True, eq=False)
class Connection:
    """Frames leave in the order in which they were put here.

    ``clock`` gives wall milliseconds for ``sending_ts_ms``.
    """

    account: Account
    faults: Faults
    limit: int = MAX_WAITING_BYTES
    by_sid: dict[int, Subscription] = field(default_factory=dict)
    by_channel: dict[str, Subscription] = field(default_factory=dict)
    waiting: deque[tuple[int, bytes]] = field(default_factory=deque)
    waiting_bytes: int = 0
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    last_sid: int = 0

    def open(self, channel: str, markets: dict[str, None] | None) -> Subscription:
        self.last_sid += 1
        found = Subscription(self.last_sid, channel, markets)
        self.by_sid[found.sid] = self.by_channel[channel] = found
        return found

    def close(self, found: Subscription) -> None:
        del self.by_sid[found.sid], self.by_channel[found.channel]

    def put(self, body: dict[str, Any]) -> None:
        """A reply that belongs to no sequence."""
        self._append(0, msgspec.json.encode(body) + b"\n")

    def reply(self, found: Subscription, head: dict[str, Any], msg: Any = None) -> None:
        """A reply that consumes a number of the subscription."""
        body = {**head, "sid": found.sid}
        if found.channel in SEQUENCED:
            found.seq += 1
            body["seq"] = found.seq
        if msg is not None:
            body["msg"] = msg
        self._append(found.sid, msgspec.json.encode(body) + b"\n")

    def push(self, found: Subscription, kind: str, msg: bytes, *, command_id: int = 0) -> None:
        """An update of a subscription; ``msg`` is encoded once for all connections."""
        head = f'{{"type":"{kind}","sid":{found.sid}'
        if found.channel in SEQUENCED:
            found.seq += 1
            head += f',"seq":{found.seq}'
        if command_id:
            head += f',"id":{command_id}'
        if self.faults.script and self.faults.swallows(found.channel, self.account.account_id):
            return
        if self.waiting_bytes > self.limit:
            self._overflow(found)
            return
        self._append(found.sid, b'%b,"msg":%b}\n' % (head.encode(), msg))

    def _append(self, sid: int, frame: bytes) -> None:
        self.waiting.append((sid, frame))
        self.waiting_bytes += len(frame)
        self.ready.set()

    def _overflow(self, found: Subscription) -> None:
        """The client reads too slowly: forget what it has not read of this subscription and end it."""
        self.close(found)
        kept = deque(entry for entry in self.waiting if entry[0] != found.sid)
        self.waiting_bytes = sum(len(frame) for _, frame in kept)
        self.waiting.clear()
        self.waiting.extend(kept)
        self.put({"type": "error", "sid": found.sid, "msg": {"code": 25, "msg": "Subscription buffer overflow"}})

    def take(self) -> list[bytes]:
        """Everything that waits, oldest first."""
        frames = [frame for _, frame in self.waiting]
        self.waiting.clear()
        self.waiting_bytes = 0
        self.ready.clear()
        return frames
