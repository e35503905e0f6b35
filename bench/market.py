"""The bench's event: its books, and the frames that move them. Pure: one seed, one plan.

Prices in 1/10,000 dollar, counts in 1/100 contract. The rule of the game: fair value is one half, the resting books
leave 0.34 to 0.66 open, and now and then somebody sells a side between 0.36 and 0.43: an edge, gone 80 ms later.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Literal, NamedTuple

from trading_logic.money import format_count, format_price

Side = Literal["yes", "no"]
SIDES: tuple[Side, Side] = ("yes", "no")

EVENT = "KXNFLGAME-26SEP17DETBUF"
TEAMS = {"HOME": "9f0c0f35-0000-4000-8000-0000000000aa", "AWAY": "9f0c0f35-0000-4000-8000-0000000000bb"}
MARKETS = tuple(f"{EVENT}-{team}{n}" for n in range(1, 11) for team in TEAMS)
"""Ten per team, where a real game has one: an order keeps its market busy for 1.5 s; more markets, more samples."""

BEST = 3_400
STEP = 100
LEVELS = 20
START = 30_000
LEAST, MOST = 5_000, 60_000
TOP_SHARE = 0.25
"""Part of the background frames that change a best level, and with it cause a signal."""

EDGE_EVERY_S = 5.0
EDGE_LIFE_S = 0.08
EDGE_PRICES = tuple(range(3_600, 4_400, STEP))
EDGE_COUNT = 5_000
EDGE_JITTER_S = 0.04

Key = tuple[str, str, int]
"""What an order says of the tick that it answers: market, `bid` or `ask`, yes price."""


class Change(NamedTuple):
    """One level of one market moves by `delta`."""

    market: str
    side: Side
    price: int
    delta: int


class Planned(NamedTuple):
    """One frame of a plan. `key` is set on the frame that makes an edge."""

    change: Change
    key: Key | None = None


def _ladder() -> dict[int, int]:
    return {BEST - level * STEP: START for level in range(LEVELS)}


@dataclass
class Books:
    """The truth: what every reader's books must be after the frames sent so far."""

    ladders: dict[str, dict[Side, dict[int, int]]] = field(
        default_factory=lambda: {market: {"yes": _ladder(), "no": _ladder()} for market in MARKETS}
    )

    def apply(self, change: Change) -> None:
        """Move one level. Raises ValueError when it would fall below zero: the plan is wrong then."""
        ladder = self.ladders[change.market][change.side]
        count = ladder.get(change.price, 0) + change.delta
        if count < 0:
            raise ValueError(f"{change}: the level would hold {count}")
        if count:
            ladder[change.price] = count
        else:
            del ladder[change.price]

    def best(self, market: str, side: Side) -> tuple[int, int]:
        """Price and count of the best bid; zeros when the side is empty."""
        ladder = self.ladders[market][side]
        price = max(ladder, default=0)
        return price, ladder.get(price, 0)

    def top(self, market: str) -> list[int]:
        """Yes bid, its size, yes ask, its size, as a TopOfBook tells them."""
        bid, bid_size = self.best(market, "yes")
        no_bid, ask_size = self.best(market, "no")
        return [bid, bid_size, 10_000 - no_bid, ask_size]


class Flow:
    """Background changes and edges on `books`, which follow every change made here."""

    def __init__(self, books: Books, seed: int) -> None:
        self._books, self._random = books, Random(seed)

    def _background(self, quiet: Collection[str], *, top: str | None = None) -> Change:
        """A level grows or shrinks. The best levels of `quiet` markets are left alone; `top` names one to move."""
        pick = self._random
        market = top or pick.choice(MARKETS)
        side = pick.choice(SIDES)
        moves_top = top is not None or (market not in quiet and pick.random() < TOP_SHARE)
        price = BEST if moves_top else BEST - STEP * pick.randrange(1, LEVELS)
        held = self._books.ladders[market][side][price]
        delta = 100 * pick.randint(1, 20)
        if held + delta > MOST or (held - delta >= LEAST and pick.random() < 0.5):
            delta = -delta
        return self._do(Change(market, side, price, delta))

    def _do(self, change: Change) -> Change:
        self._books.apply(change)
        return change

    def flood(self, frames: int) -> Iterator[Change]:
        """`frames` changes without an edge; the last of each market moves its best level, so that a signal tells it."""
        for _ in range(frames - len(MARKETS)):
            yield self._background(())
        for market in MARKETS:
            yield self._background((), top=market)

    def ticks(self, frames: int, rate: int) -> list[Planned]:
        """`frames` at `rate` a second, with the edges of `edges()` in their places.

        While an edge stands, only deeper levels of its market move: the next signal of that market is the edge's own.
        """
        special: dict[int, Planned] = {}
        standing: list[tuple[int, int, str]] = []
        for at_s, key, change in edges(frames / rate - EDGE_LIFE_S - EDGE_JITTER_S, self._random):
            start = _free(special, round(at_s * rate))
            end = _free(special, start + round(EDGE_LIFE_S * rate))
            special[start] = Planned(change, key)
            special[end] = Planned(change._replace(delta=-change.delta))
            standing.append((start, end, change.market))
        plan: list[Planned] = []
        for index in range(frames):
            planned = special.get(index)
            if planned is not None:
                self._do(planned.change)
                plan.append(planned)
                continue
            quiet = {market for start, end, market in standing if start <= index <= end}
            standing = [found for found in standing if found[1] >= index]
            plan.append(Planned(self._background(quiet)))
        return plan

    def peel(self, side: Side) -> list[Change]:
        """Take the best level of one side away, in every market."""
        found = []
        for market in MARKETS:
            price, count = self._books.best(market, side)
            if count:
                found.append(self._do(Change(market, side, price, -count)))
        return found


def _free(taken: Collection[int], index: int) -> int:
    while index in taken:
        index += 1
    return index


def edges(until_s: float, pick: Random) -> Iterator[tuple[float, Key, Change]]:
    """(time, key, change) of every edge: one market after the other, four a second in all, sides and prices in turn.

    A key comes again only after every other one: over a minute later, when an order that answers it is long refused.
    """
    number = 0
    while number * EDGE_EVERY_S < until_s:
        for place, market in enumerate(MARKETS):
            at_s = (number + place / len(MARKETS)) * EDGE_EVERY_S + pick.random() * EDGE_JITTER_S
            if at_s >= until_s:
                continue
            ask = EDGE_PRICES[number // 2 % len(EDGE_PRICES)]
            buys_yes = number % 2 == 0
            key = (market, "bid", ask) if buys_yes else (market, "ask", 10_000 - ask)
            yield at_s, key, Change(market, "no" if buys_yes else "yes", 10_000 - ask, EDGE_COUNT)
        number += 1


# ---------------------------------------------------------------------------------------------- bytes

_TS = b'"ts":"2026-09-17T20:15:00.000001Z","ts_ms":1789676100000'
_IDS = {market: f"00000000-0000-4000-8000-{number:012d}" for number, market in enumerate(MARKETS)}


def delta_text(sid: int, seq: int, change: Change) -> bytes:
    """The exchange's JSON of one change, with its newline."""
    return (
        b'{"type":"orderbook_delta","sid":%d,"seq":%d,"msg":{"market_ticker":"%b","market_id":"%b",'
        b'"price_dollars":"%b","delta_fp":"%b","side":"%b",%b}}\n'
    ) % (
        sid, seq, change.market.encode(), _IDS[change.market].encode(), format_price(change.price).encode(),
        format_count(change.delta).encode(), change.side.encode(), _TS,
    )  # fmt: skip


def snapshot_msg(books: Books, market: str) -> dict[str, object]:
    """The `msg` of a snapshot; an empty side is left out, best bid last."""
    msg: dict[str, object] = {"market_ticker": market, "market_id": _IDS[market]}
    for side in SIDES:
        ladder = books.ladders[market][side]
        if ladder:
            msg[f"{side}_dollars_fp"] = [[format_price(p), format_count(c)] for p, c in sorted(ladder.items())]
    return msg


def text_frame(payload: bytes) -> bytes:
    """An unmasked, unfragmented WebSocket text frame (RFC 6455 §5.2)."""
    size = len(payload)
    if size < 126:
        head = bytes((0x81, size))
    elif size < 65_536:
        head = bytes((0x81, 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((0x81, 127)) + size.to_bytes(8, "big")
    return head + payload
