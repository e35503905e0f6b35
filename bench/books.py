"""Reading what the processes left on the bus and the record, and whether it is what was sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import Any

from bench.figures import Arrival, check_sequence
from bench.market import EVENT, MARKETS
from bench.rig import STRATEGY, Rig
from trading_logic.book import OrderBook
from trading_logic.contracts import codec, topics
from trading_logic.contracts.codec import decode_market_data
from trading_logic.contracts.messages import BookDelta, BookSnapshot, BookState, Decision, Signal, TopOfBook

PAGE = 500

_STATES = codec.Reader(BookState)
_SIGNALS = codec.Reader(Signal)
_DECISIONS = codec.Reader(Decision)
_TOPS = codec.Reader(TopOfBook)


async def last_id(client: Any, stream: str) -> str:
    """Id of the newest entry; "0-0" of an empty stream."""
    rows = await client.xrevrange(stream, count=1)
    return rows[0][0].decode() if rows else "0-0"


async def entries(client: Any, stream: str, after: str) -> AsyncIterator[tuple[int, bytes]]:
    """(milliseconds of the id, body) of every entry after the id `after`."""
    while rows := await client.xrange(stream, min=f"({after}", count=PAGE):
        for row_id, fields in rows:
            yield int(row_id.split(b"-")[0]), fields.get(codec.FIELD, b"")
        after = rows[-1][0].decode()


class Bus:
    """Streams of the rig's bus."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.md = rig.market_data.md(EVENT)
        self.signals = rig.market_data.signals(EVENT)
        self.decisions = rig.money.decisions(STRATEGY)
        self.intents = rig.money.intents(STRATEGY)

    async def md_arrival(self, after: str, first: int, last: int) -> tuple[Arrival, list[float]]:
        """The deltas on the stream after `after` against frames `first` to `last`; ms from receipt to entry."""
        seen: list[int] = []
        waits: list[float] = []
        async for at_ms, body in entries(self.rig.bus, self.md, after):
            deltas = [m for m in decode_market_data(body) if isinstance(m, BookDelta)]
            if deltas:
                seen += [m.seq for m in deltas]
                waits.append(max(0, at_ms - deltas[0].received_ms))
        return check_sequence(first, last, seen), waits

    async def decisions_after(self, after: str) -> tuple[list[Decision], list[float]]:
        """Decisions, and for each that trades the ms from its tick to its entry: its intent stands by then."""
        found: list[Decision] = []
        waits: list[float] = []
        async for at_ms, body in entries(self.rig.bus, self.decisions, after):
            batch = _DECISIONS.batch(body)
            found += batch
            waits += [max(0, at_ms - decision.received_ms) for decision in batch if decision.verdict == "trade"]
        return found, waits

    async def idle(self, stream: str, group: str) -> bool:
        """Whether the group has read and acknowledged all there is."""
        groups = await self.rig.bus.xinfo_groups(stream)
        mine = next(found for found in groups if found["name"] == group.encode())
        return bool(mine["pending"] == 0 and mine["lag"] == 0)

    async def all_handled(self) -> bool:
        """Consumer and decision have handled everything that ingest and consumer wrote."""
        group = topics.strategy_group(STRATEGY)
        return await self.idle(self.md, topics.CONSUMER_GROUP) and await self.idle(self.signals, group)

    async def md_seq(self) -> int:
        """Number of the newest change on the stream; 0 of an empty one."""
        rows = await self.rig.bus.xrevrange(self.md, count=1)
        found = decode_market_data(rows[0][1][codec.FIELD]) if rows else []
        return max((message.seq for message in found if isinstance(message, BookDelta)), default=0)

    async def ingest_seq(self, market: str) -> int:
        """Number of the frame that moved the market's published top last."""
        body = await self.rig.bus.hget(self.rig.market_data.tops(EVENT), market)
        return 0 if body is None else _TOPS.one(body).seq

    async def last_signals(self) -> dict[str, Signal]:
        """The newest signal of every market: what the consumer's own book says."""
        found: dict[str, Signal] = {}
        end = "+"
        while len(found) < len(MARKETS):
            rows = await self.rig.bus.xrevrange(self.signals, max=end, count=16)
            if not rows:
                break
            for _, fields in rows:
                for signal in reversed(_SIGNALS.batch(fields[codec.FIELD])):
                    found.setdefault(signal.market, signal)
            end = f"({rows[-1][0].decode()}"
        return found

    async def ingest_ladders(self) -> dict[str, dict[str, dict[int, int]]]:
        """Ingest's published books: its snapshots, moved by the entries after each."""
        states = {
            market.decode(): _STATES.one(body)
            for market, body in (await self.rig.bus.hgetall(self.rig.market_data.book(EVENT))).items()
        }
        found: dict[str, dict[str, dict[int, int]]] = {}
        for market, state in states.items():
            book = OrderBook(market)
            book.apply_snapshot(state.yes, state.no)
            async for _, body in entries(self.rig.bus, self.md, state.stream_id):
                for message in decode_market_data(body):
                    if isinstance(message, BookDelta) and message.market == market:
                        book.apply_delta(message.side, message.price, message.delta)
                    elif isinstance(message, BookSnapshot) and message.market == market:
                        book.apply_snapshot(message.yes, message.no)
            found[market] = {"yes": dict(book.levels("yes")), "no": dict(book.levels("no"))}
        return found


async def written(client: Any, stream: str) -> int:
    """Entries ever added to a stream, whatever was trimmed since; 0 before the first."""
    if not await client.exists(stream):
        return 0
    return int((await client.xinfo_stream(stream))["entries-added"])


def missed(decisions: list[Decision], min_edge: int) -> Counter[str]:
    """Rule -> edges that were seen, were worth it, and were not traded."""
    return Counter(
        found.rule
        for found in decisions
        if found.verdict == "refused" and found.edge is not None and found.edge >= min_edge
    )


def order_account(before: Mapping[str, int], after: Mapping[str, int], written: int, posts: int) -> tuple[int, str]:
    """(intents lost without a word, what became of the others) between two readings of the record's counts.

    Every intent is claimed or dropped by a named rule; every claim leaves as one POST or is refused before the socket.
    """
    moved = Counter({name: after[name] - before.get(name, 0) for name in after})
    dropped = {name.removeprefix("dropped:"): n for name, n in moved.items() if name.startswith("dropped:") and n}
    unsent = moved["refused"]
    lost = (written - moved["claimed"] - sum(dropped.values())) + (moved["claimed"] - unsent - posts)
    ends = {**{f"dropped by {rule}": n for rule, n in dropped.items()}, **({"not sent": unsent} if unsent else {})}
    return lost, ", ".join(f"{n} {end}" for end, n in ends.items()) or "all claimed and sent"
