"""What we asked the venue to send, and what to do when it does not arrive whole. Pure: no socket, no clock.

The caller feeds frames and time; frames to deliver come back, commands to send collect in `outbox`. Rules:
a market's deltas are delivered only after a snapshot of it; a gap on a sid voids every book of that sid and asks for
snapshots; a snapshot that does not come within `SNAPSHOT_WAIT_S` has the channel subscribed again, less and less often.
"""

from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from services.exchange.frames import (
    BadFrame,
    DeltaFrame,
    ErrorFrame,
    Frame,
    GapFrame,
    OkFrame,
    SnapshotFrame,
    Subscribed,
    UnsubscribedFrame,
)
from trading_logic.book import SEQ_OK, SequenceGap, SequenceTracker

BOOKS: Final = "orderbook_delta"
SNAPSHOT_WAIT_S: Final = 2.0
_LONGEST_WAIT_S: Final = 60.0
_SEQUENCED: Final = frozenset({BOOKS, "trade", "order_group_updates", "market_lifecycle_v2"})
_TERMINAL_ERRORS: Final = frozenset({10, 25})  # channel error, buffer overflow: the subscription is dead


@dataclass
class Counters:
    """Totals since the start, for metrics."""

    frames: int = 0
    bad: int = 0
    gaps: int = 0
    held: int = 0  # deltas not delivered because their book awaited a snapshot
    stray: int = 0  # frames of sids that we no longer hold
    snapshots_requested: int = 0
    resubscribed: int = 0
    connections: int = 0


@dataclass
class _Channel:
    name: str
    markets: dict[str, None] | None  # wanted, in order; None: the channel takes no markets or all of them
    sent: set[str] = field(default_factory=set)
    sid: int | None = None
    command: int | None = None  # id of the subscribe command in flight
    awaiting: set[str] = field(default_factory=set)  # books without a valid snapshot
    asked: bool = False  # get_snapshot was sent since the books became void
    dead: bool = False  # the venue refused or ended it
    deadline: float | None = None
    wait_s: float = SNAPSHOT_WAIT_S


class Subscriptions:
    """The channels of one stream, across its connections."""

    def __init__(self, counters: Counters) -> None:
        self.outbox: list[bytes] = []
        self._counters = counters
        self._channels: dict[str, _Channel] = {}
        self._by_sid: dict[int, _Channel] = {}
        self._tracker = SequenceTracker()
        self._last_id = 0
        self._connected = False

    def want(self, channel: str, markets: tuple[str, ...] | None, now: float) -> None:
        """Add a channel, or markets to one. None asks for the channel without a filter."""
        if channel == BOOKS and markets is None:
            raise ValueError(f"channel {BOOKS} needs a list of markets")
        known = self._channels.get(channel)
        if known is None:
            self._channels[channel] = known = _Channel(channel, None if markets is None else dict.fromkeys(markets))
            if self._connected:
                self._subscribe(known, now)
            return
        if (known.markets is None) != (markets is None):
            raise ValueError(f"channel {channel} is subscribed with and without a list of markets")
        if known.markets is not None and markets is not None:
            known.markets |= dict.fromkeys(markets)
            self._add_markets(known, now)

    def connected(self, now: float) -> None:
        """A new connection: everything wanted is subscribed again."""
        self.outbox.clear()
        self._by_sid.clear()
        self._connected = True
        self._tracker = SequenceTracker()
        for channel in self._channels.values():
            channel.wait_s = SNAPSHOT_WAIT_S
            self._subscribe(channel, now)

    def disconnected(self) -> None:
        """Commands that were not sent are void."""
        self._connected = False
        self.outbox.clear()

    def accept(self, frame: Frame, now: float) -> list[Frame]:
        """The frames to deliver for one received frame, in order."""
        self._counters.frames += 1
        if type(frame) is DeltaFrame:
            return self._accept_delta(frame, now)
        match frame:
            case Subscribed():
                return self._opened(frame, now)
            case BadFrame():
                return self._accept_bad(frame, now)
            case SnapshotFrame(sid=sid, seq=seq, market=market):
                return self._numbered(frame, sid, seq, now, snapshot_of=market)
            case ErrorFrame(sid=sid, seq=seq):
                frames = self._numbered(frame, sid, seq, now) if sid in self._by_sid else [frame]
                return frames + self._failed(frame, now)
            case OkFrame(sid=None):
                return []  # the answer to `ask`: that it came is all it says
            case UnsubscribedFrame():
                return [frame]  # of a sid that we let go
            case _:
                return self._numbered(frame, getattr(frame, "sid", None), getattr(frame, "seq", None), now)

    def tick(self, now: float) -> None:
        """Act on what did not come in time. Call a few times per second."""
        for channel in self._channels.values():
            if channel.deadline is None or now < channel.deadline:
                continue
            if channel.sid is not None and channel.awaiting and not channel.asked:
                self._ask_snapshots(channel, now)
            elif channel.sid is not None and channel.awaiting < channel.sent and not channel.dead:
                self._readd(channel, now)
            else:
                self._resubscribe(channel, now)

    def ask(self) -> None:
        """A question that changes nothing and that the venue must answer: a quiet feed is told from a dead one."""
        self._last_id += 1
        self.outbox.append(msgspec.json.encode({"id": self._last_id, "cmd": "list_subscriptions"}))

    # --- incoming ---

    def _accept_delta(self, frame: DeltaFrame, now: float) -> list[Frame]:
        channel = self._by_sid.get(frame.sid)
        if channel is None:
            self._counters.stray += 1
            return []
        verdict = self._tracker.observe(frame.session, frame.sid, frame.seq)
        if verdict is not SEQ_OK:
            return [self._gap(channel, frame, verdict, frame.seq, now)]
        if frame.market in channel.awaiting:
            self._counters.held += 1
            return []
        return [frame]

    def _numbered(
        self, frame: Frame, sid: int | None, seq: int | None, now: float, *, snapshot_of: str | None = None
    ) -> list[Frame]:
        channel = None if sid is None else self._by_sid.get(sid)
        if channel is None or sid is None:
            self._counters.stray += 1
            return []
        frames: list[Frame] = []
        if seq is not None and channel.name in _SEQUENCED:
            verdict = self._tracker.observe(frame.session, sid, seq)
            if verdict is not SEQ_OK:
                frames.append(self._gap(channel, frame, verdict, seq, now))
                if not isinstance(verdict, SequenceGap) or seq < verdict.expected:
                    return frames  # an old frame again: what it says is out of date
        if snapshot_of is not None:
            self._whole(channel, snapshot_of)
        frames.append(frame)
        return frames

    def _accept_bad(self, frame: BadFrame, now: float) -> list[Frame]:
        """What it said is lost: on a book channel that is a gap, though its number is in order."""
        self._counters.bad += 1
        channel = None if frame.sid is None else self._by_sid.get(frame.sid)
        if channel is None or frame.sid is None or frame.seq is None:
            return [frame]
        verdict = self._tracker.observe(frame.session, frame.sid, frame.seq)
        if verdict is SEQ_OK and channel.name != BOOKS:
            return [frame]
        return [frame, self._gap(channel, frame, verdict, frame.seq, now)]

    def _gap(self, channel: _Channel, frame: Frame, verdict: str | SequenceGap, got: int, now: float) -> GapFrame:
        self._counters.gaps += 1
        if channel.name == BOOKS:
            channel.awaiting = set(channel.sent)
            # Asked already: the answer is under way, and if it is not, `tick` subscribes again.
            if not channel.asked:
                self._ask_snapshots(channel, now)
        expected_unless_gap = got if verdict is SEQ_OK else got + 1
        expected = verdict.expected if isinstance(verdict, SequenceGap) else expected_unless_gap
        return _gap_frame(channel, frame, expected, got)

    def _whole(self, channel: _Channel, market: str) -> None:
        channel.awaiting.discard(market)
        if not channel.awaiting:
            channel.deadline = None
            channel.asked = False
            channel.wait_s = SNAPSHOT_WAIT_S

    def _opened(self, frame: Subscribed, now: float) -> list[Frame]:
        channel = self._channels.get(frame.channel)
        if channel is None:
            return [frame]
        if channel.sid is not None and channel.sid != frame.sid:
            self._by_sid.pop(channel.sid, None)
        if channel.sid != frame.sid:  # the same sid told twice goes on counting
            self._tracker.forget(frame.sid)
        channel.sid = frame.sid
        channel.command = None
        self._by_sid[frame.sid] = channel
        if channel.name == BOOKS:
            channel.deadline = now + channel.wait_s
        else:
            channel.deadline = None
            channel.wait_s = SNAPSHOT_WAIT_S
        self._add_markets(channel, now)
        return [frame]

    def _failed(self, frame: ErrorFrame, now: float) -> list[Frame]:
        gaps: list[Frame] = []
        for channel in self._channels.values():
            refused = frame.id is not None and frame.id == channel.command
            ended = frame.sid is not None and frame.sid == channel.sid and frame.code in _TERMINAL_ERRORS
            if refused or ended:
                channel.dead = True  # asking is no use: subscribe anew when the wait is over
                channel.asked = True
                channel.deadline = now + channel.wait_s
            if ended:
                channel.awaiting = set(channel.sent) if channel.name == BOOKS else set()
                self._counters.gaps += 1
                gaps.append(_gap_frame(channel, frame, frame.seq or 0, frame.seq or 0))
        return gaps

    # --- outgoing ---

    def _send(self, command: str, params: dict[str, Any]) -> int:
        self._last_id += 1
        self.outbox.append(msgspec.json.encode({"id": self._last_id, "cmd": command, "params": params}))
        return self._last_id

    def _subscribe(self, channel: _Channel, now: float) -> None:
        channel.sid = None
        channel.asked = channel.dead = False
        params: dict[str, Any] = {"channels": [channel.name]}
        if channel.markets is not None:
            params["market_tickers"] = list(channel.markets)
            channel.sent = set(channel.markets)
        if channel.name == BOOKS:
            params["use_yes_price"] = False  # the default will change; we read the NO side in NO dollars
            channel.awaiting = set(channel.sent)
        channel.command = self._send("subscribe", params)
        channel.deadline = now + channel.wait_s

    def _add_markets(self, channel: _Channel, now: float) -> None:
        """Ask for wanted markets that were not asked for; before the sid is known, `_opened` does it."""
        new = [market for market in channel.markets or () if market not in channel.sent]
        if not new or channel.sid is None:
            return
        self._send("update_subscription", {"action": "add_markets", "sid": channel.sid, "market_tickers": new})
        channel.sent.update(new)
        if channel.name == BOOKS:
            channel.awaiting.update(new)
            channel.deadline = now + channel.wait_s

    def _ask_snapshots(self, channel: _Channel, now: float) -> None:
        self._counters.snapshots_requested += 1
        self._send(
            "update_subscription",
            {"action": "get_snapshot", "sid": channel.sid, "market_tickers": sorted(channel.awaiting)},
        )
        channel.asked = True
        channel.deadline = now + channel.wait_s

    def _readd(self, channel: _Channel, now: float) -> None:
        """Take only the silent markets out and in again: the other books of the sid stay valid."""
        self._counters.resubscribed += 1
        channel.wait_s = min(channel.wait_s * 2, _LONGEST_WAIT_S)
        for action in ("delete_markets", "add_markets"):
            params = {"action": action, "sid": channel.sid, "market_tickers": sorted(channel.awaiting)}
            self._send("update_subscription", params)
        channel.asked = False
        channel.deadline = now + channel.wait_s

    def _resubscribe(self, channel: _Channel, now: float) -> None:
        self._counters.resubscribed += 1
        if channel.sid is not None:
            self._by_sid.pop(channel.sid, None)
            self._tracker.forget(channel.sid)
            self._send("unsubscribe", {"sids": [channel.sid]})
        channel.wait_s = min(channel.wait_s * 2, _LONGEST_WAIT_S)
        self._subscribe(channel, now)


def _gap_frame(channel: _Channel, frame: Frame, expected: int, got: int) -> GapFrame:
    sid = channel.sid if channel.sid is not None else 0
    markets = tuple(sorted(channel.sent))
    return GapFrame(frame.session, frame.received_ms, sid, channel.name, expected, got, markets)
