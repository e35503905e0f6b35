"""The order book of one market, and the sequence that says whether it can be trusted.

The exchange sends bids only: a YES ladder and a NO ladder, each in its own dollars. A NO bid at ``q`` is a YES ask
at ``10,000 - q``. Prices are in 1/10,000 dollar, counts in 1/100 contract.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from trading_logic.contracts.messages import BookStatus, Level, Side
from trading_logic.money import DOLLAR_PRICE, ONE_PPM, Count, Ppm, Price


class OrderBook:
    """One market's book. Mutable, owned by one reader; every change keeps both best bids at hand.

    ``status`` is one of

    - ``empty``: no snapshot yet;
    - ``gap``: something is missing or impossible; levels are dropped and deltas ignored until the next snapshot;
    - ``stale``: complete when last heard of, but the feed is silent (:meth:`mark_stale`);
    - ``crossed``: the best YES bid is not below the YES ask; it heals by itself when the book uncrosses;
    - ``valid``: complete and in order. A valid book may have no level on a side.

    ``reason`` says why the status is not ``valid``.
    """

    __slots__ = ("_gap", "_no", "_no_bid", "_ready", "_stale", "_yes", "_yes_bid", "market")

    def __init__(self, market: str) -> None:
        self.market = market
        self._yes: dict[Price, Count] = {}
        self._no: dict[Price, Count] = {}
        self._yes_bid: Price = 0
        self._no_bid: Price = 0
        self._ready = False
        self._gap = ""
        self._stale = ""

    # ------------------------------------------------------------------------------------------ changes

    def apply_snapshot(self, yes: Iterable[Level], no: Iterable[Level]) -> None:
        """Replace both ladders. Heals a gap and staleness; an impossible level makes a gap instead."""
        for side, source in (("yes", yes), ("no", no)):
            ladder: dict[Price, Count] = {}
            for price, count in source:
                if not 0 < price < DOLLAR_PRICE or count < 0 or price in ladder:
                    self.mark_gap(f"snapshot has an impossible {side} level {count} at {price}")
                    return
                if count:
                    ladder[price] = count
            if side == "yes":
                self._yes = ladder
            else:
                self._no = ladder
        self._yes_bid = max(self._yes, default=0)
        self._no_bid = max(self._no, default=0)
        self._ready = True
        self._gap = self._stale = ""

    def apply_delta(self, side: Side, price: Price, delta: Count) -> None:
        """Add ``delta`` to one level. A level below zero, or no snapshot before it, makes a gap."""
        if not self._ready:
            if not self._gap:
                self.mark_gap(f"{side} delta {delta} at {price} before any snapshot")
            return
        ladder = self._yes if side == "yes" else self._no
        count = ladder.get(price, 0) + delta
        if count < 0:
            self.mark_gap(f"{side} level at {price} would hold {count}")
            return
        if not 0 < price < DOLLAR_PRICE:
            self.mark_gap(f"{side} delta {delta} at impossible price {price}")
            return
        if count:
            ladder[price] = count
        else:
            ladder.pop(price, None)
        best = self._yes_bid if side == "yes" else self._no_bid
        if price < best:
            return
        # Only a change at or above the best can move it; the ladder is searched only when the best level went.
        best = price if count else max(ladder, default=0)
        if side == "yes":
            self._yes_bid = best
        else:
            self._no_bid = best

    def mark_gap(self, reason: str) -> None:
        """Frames are missing or wrong: forget the levels, so that nothing can be traded on them."""
        self._yes.clear()
        self._no.clear()
        self._yes_bid = self._no_bid = 0
        self._ready = False
        self._gap = reason

    def mark_stale(self, reason: str) -> None:
        """The feed is silent; the levels are kept, deltas still apply."""
        self._stale = reason

    def mark_fresh(self) -> None:
        """The feed was heard again and nothing was missed. Does not heal a gap."""
        self._stale = ""

    # ------------------------------------------------------------------------------------------ reading

    @property
    def status(self) -> BookStatus:
        if not self._ready:
            return "gap" if self._gap else "empty"
        if self._stale:
            return "stale"
        if self._is_crossed():
            return "crossed"
        return "valid"

    @property
    def reason(self) -> str:
        """Why the status is not ``valid``; empty when it is."""
        if not self._ready:
            return self._gap or "no snapshot yet"
        if self._stale:
            return self._stale
        if self._is_crossed():
            return f"yes bid {self._yes_bid} is not below yes ask {DOLLAR_PRICE - self._no_bid}"
        return ""

    def _is_crossed(self) -> bool:
        return self._yes_bid > 0 and self._no_bid > 0 and self._yes_bid + self._no_bid >= DOLLAR_PRICE

    @property
    def yes_bid(self) -> Price | None:
        return self._yes_bid or None

    @property
    def no_bid(self) -> Price | None:
        return self._no_bid or None

    @property
    def yes_ask(self) -> Price | None:
        """What one YES costs: a dollar minus the best NO bid."""
        return DOLLAR_PRICE - self._no_bid if self._no_bid else None

    @property
    def no_ask(self) -> Price | None:
        """What one NO costs: a dollar minus the best YES bid."""
        return DOLLAR_PRICE - self._yes_bid if self._yes_bid else None

    @property
    def yes_bid_size(self) -> Count:
        """Count at the best YES bid, which is also what can be bought at the NO ask; 0 when the side is empty."""
        return self._yes.get(self._yes_bid, 0)

    @property
    def no_bid_size(self) -> Count:
        """Count at the best NO bid, which is also what can be bought at the YES ask; 0 when the side is empty."""
        return self._no.get(self._no_bid, 0)

    def levels(self, side: Side, n: int | None = None) -> tuple[Level, ...]:
        """The ``n`` best bids of ``side`` (all by default), best first."""
        ladder = self._yes if side == "yes" else self._no
        return tuple(sorted(ladder.items(), reverse=True)[:n])

    def depth(self, side: Side, n: int) -> Count:
        """Count bid on ``side`` within its ``n`` best levels."""
        return sum(count for _, count in self.levels(side, n))

    def microprice(self) -> Ppm | None:
        """Size-weighted middle of the YES prices in ppm of a dollar, rounded down; None when a side is empty.

        Weights are the opposite sizes: ``(bid * ask_size + ask * bid_size) / (bid_size + ask_size)``, so that the
        heavier side pushes the price away from itself (Gatheral and Oomen 2010; Stoikov 2018 calls it the weighted
        mid-price).
        """
        if not (self._yes_bid and self._no_bid):
            return None
        bid_size = self._yes[self._yes_bid]
        ask_size = self._no[self._no_bid]
        weighted = self._yes_bid * ask_size + (DOLLAR_PRICE - self._no_bid) * bid_size
        return weighted * (ONE_PPM // DOLLAR_PRICE) // (bid_size + ask_size)


@dataclass(frozen=True, slots=True)
class SequenceGap:
    """Frames between ``expected`` and ``got`` are missing, or the sequence went backwards."""

    session: str
    sid: int
    expected: int
    got: int


SEQ_OK: Final = "ok"
SEQ_REPEAT: Final = "repeat"


class SequenceTracker:
    """Follows the frame numbers of every subscription (``sid``) of one connection.

    A subscription numbers its frames 1, 2, 3, … across all of its markets, including the exchange's ``ok`` and
    ``unsubscribed`` replies, so every numbered frame must be observed. A new session starts afresh.
    """

    __slots__ = ("_last", "_session")

    def __init__(self) -> None:
        self._session = ""
        self._last: dict[int, int] = {}

    def observe(self, session: str, sid: int, seq: int) -> str | SequenceGap:
        """``SEQ_OK``, ``SEQ_REPEAT`` (the last frame once more: ignore it), or the gap before this frame.

        After a gap the tracker goes on from ``seq``, so one gap is reported once; the books stay blocked until
        their next snapshot because their owner marks them.
        """
        if session != self._session:
            self._session = session
            self._last.clear()
        last = self._last.get(sid, 0)
        if seq == last + 1:
            self._last[sid] = seq
            return SEQ_OK
        if seq == last:
            return SEQ_REPEAT
        self._last[sid] = seq
        return SequenceGap(session, sid, last + 1, seq)

    def forget(self, sid: int) -> None:
        """A subscription ended; the exchange may number a later one with the same ``sid`` from 1 again."""
        self._last.pop(sid, None)
