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

SEQUENCED = frozenset(
    {
        "orderbook_delta",
        "trade",
        "order_group_updates",
        "market_lifecycle_v2",
        "multivariate_market_lifecycle",
        "communications",
        "cfbenchmarks_value",
        "cfbenchmarks_value_5hz",
        "pyth_value",
    }
)


@dataclass(slots=True, eq=False)
class Subscription:
    """One channel of one connection. ``markets`` None means all.

    A ``verbatim`` one gets a recording's own frames with their own numbers; it ends with the first reply of ours.
    """

    sid: int
    channel: str
    markets: dict[str, None] | None
    use_yes_price: bool = False
    skip_ack: bool = False
    by_id: bool = False
    verbatim: bool = False
    seq: int = 0
    sequenced: bool = False

    def wants(self, ticker: str) -> bool:
        return self.markets is None or ticker in self.markets


@dataclass(slots=True, eq=False)
class Connection:
    """Frames leave in the order in which they were put here. ``key_id`` is the signing key's."""

    account: Account
    key_id: str
    faults: Faults
    limit: int = MAX_WAITING_BYTES
    by_sid: dict[int, Subscription] = field(default_factory=dict)
    by_channel: dict[str, Subscription] = field(default_factory=dict)
    waiting: deque[tuple[int, bytes]] = field(default_factory=deque)
    waiting_bytes: int = 0
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    last_sid: int = 0
    muted: bool = False
    hung_up: bool = False
    _held: dict[int, bytes] = field(default_factory=dict)
    _snapshots: dict[tuple[int, str], bytes] = field(default_factory=dict)

    def open(self, channel: str, markets: dict[str, None] | None) -> Subscription:
        self.last_sid += 1
        found = Subscription(self.last_sid, channel, markets, sequenced=channel in SEQUENCED)
        self.by_sid[found.sid] = self.by_channel[channel] = found
        return found

    def close(self, found: Subscription) -> None:
        del self.by_sid[found.sid], self.by_channel[found.channel]
        self._held.pop(found.sid, None)

    def put(self, body: dict[str, Any]) -> None:
        """A reply that belongs to no sequence."""
        self._append(0, msgspec.json.encode(body) + b"\n")

    def reply(self, found: Subscription, head: dict[str, Any], msg: Any = None) -> None:
        """A reply that consumes a number of the subscription."""
        found.verbatim = False
        body = {**head, "sid": found.sid}
        if found.sequenced:
            found.seq += 1
            body["seq"] = found.seq
        if msg is not None:
            body["msg"] = msg
        self._append(found.sid, msgspec.json.encode(body) + b"\n")

    def push(self, found: Subscription, kind: bytes, msg: bytes) -> None:
        """An update of a subscription; ``msg`` is encoded once for all connections."""
        if found.sequenced:
            found.seq += 1
            frame = b'{"type":"%b","sid":%d,"seq":%d,"msg":%b}\n' % (kind, found.sid, found.seq, msg)
        else:
            frame = b'{"type":"%b","sid":%d,"msg":%b}\n' % (kind, found.sid, msg)
        self._send(found, frame)

    def snapshot(self, found: Subscription, ticker: str, msg: bytes, *, command_id: int = 0) -> None:
        """A market's book; ``command_id`` when it answers ``get_snapshot``."""
        found.verbatim = False
        fault = None
        if self.faults.script:
            fault = self.faults.for_frame(found.channel, self.key_id, is_snapshot=True)
        if fault is not None and fault.action == "stale_snapshot":
            msg = self._snapshots.get((found.sid, ticker), msg)
            fault = None
        self._snapshots[found.sid, ticker] = msg
        found.seq += 1
        head = b',"id":%d' % command_id if command_id else b""
        frame = b'{"type":"orderbook_snapshot","sid":%d,"seq":%d%b,"msg":%b}\n' % (found.sid, found.seq, head, msg)
        self._act(found, frame, fault.action if fault is not None else "")

    def raw(self, found: Subscription, seq: int, line: bytes) -> None:
        """A recording's own frame, with its own number."""
        found.seq = seq
        self._send(found, line)

    def _send(self, found: Subscription, frame: bytes) -> None:
        if self.faults.script or self._held:
            fault = self.faults.for_frame(found.channel, self.key_id)
            self._act(found, frame, fault.action if fault is not None else "")
        elif self.waiting_bytes > self.limit:
            self._overflow(found)
        else:
            self._append(found.sid, frame)

    def _act(self, found: Subscription, frame: bytes, action: str) -> None:
        """Send a frame as a scripted fault says."""
        if self.waiting_bytes > self.limit:
            self._overflow(found)
            return
        held = self._held.pop(found.sid, None)
        match action:
            case "gap":
                pass
            case "repeat":
                self._append(found.sid, frame)
                self._append(found.sid, frame)
            case "reorder" | "delta_before_snapshot":
                self._held[found.sid] = frame
            case "mute":
                self.muted = True
            case "hang_up":
                self.hung_up = True
                self.ready.set()
            case _:
                self._append(found.sid, frame)
        if held is not None:
            self._append(found.sid, held)

    def _append(self, sid: int, frame: bytes) -> None:
        if self.muted:
            return
        self.waiting.append((sid, frame))
        self.waiting_bytes += len(frame)
        # Replies belong to no subscription that could be dropped: who asks and never reads is cut off.
        self.hung_up = self.hung_up or self.waiting_bytes > 2 * self.limit
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
