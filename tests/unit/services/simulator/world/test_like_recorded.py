"""Invented markets beside recorded ones: spread, depth and rates, as a table in the test's log.

The recorded ranges are those of six NBA game-winner markets of 2026-03-07, sampled every second of four hours;
with TOUCHLINE_RECORDINGS they are measured again.
"""

import json
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median, quantiles

import pytest

from services.simulator.engine.events import BookChange, Traded
from services.simulator.replay.exchange import RecordedExchange
from services.simulator.replay.player import Replay, ReplaySettings
from services.simulator.replay.tape import load
from services.simulator.world.world import World, WorldSettings

START = 1_750_000_000_000
ROOT = os.environ.get("TOUCHLINE_RECORDINGS", "")
RECORDED = {
    "spread, mean cents": (1.11, 1.25),
    "spread, 90 % quantile": (1.0, 2.0),
    "contracts at the touch, median": (3_400, 11_800),
    "contracts within 5 cents, median": (31_000, 129_000),
    "price levels, median": (91, 98),
    "book deltas per second": (7.3, 13.4),
    "trades per second": (0.33, 1.61),
    "contracts per trade, median": (27, 47),
    "touch moves per second": (0.064, 0.143),
}


@dataclass
class Sampler:
    """What one market looked like, second by second."""

    spreads: list = field(default_factory=list)
    touch: list = field(default_factory=list)
    near: list = field(default_factory=list)
    levels: list = field(default_factory=list)
    trades: list = field(default_factory=list)
    deltas: int = 0
    moves: int = 0
    seconds: int = 0
    before: tuple = ()

    def look(self, bids, asks):
        """Ladders of (price, contracts), prices in 1/10,000 dollar and counts in 1/100, ascending."""
        self.seconds += 1
        if not bids or not asks:
            return
        best = bids[-1][0], asks[0][0]
        self.spreads.append((best[1] - best[0]) / 100)
        self.touch.append(bids[-1][1] / 100)
        self.near.append(sum(count for price, count in bids if price > best[0] - 500) / 100)
        self.levels.append(len(bids) + len(asks))
        self.moves += bool(self.before) and best != self.before
        self.before = best

    def figures(self):
        return dict(
            zip(
                RECORDED,
                (
                    mean(self.spreads),
                    quantiles(self.spreads, n=10)[8],
                    median(self.touch),
                    median(self.near),
                    median(self.levels),
                    self.deltas / self.seconds,
                    len(self.trades) / self.seconds,
                    median(self.trades),
                    self.moves / len(self.spreads),
                ),
                strict=True,
            )
        )


@pytest.fixture(scope="module")
def invented():
    """Six markets of three invented games in real time: ten minutes before the start and half an hour of play."""
    samplers = {}

    def hear(event):
        if isinstance(event, BookChange):
            samplers.setdefault(event.market.ticker, Sampler()).deltas += 1
        elif isinstance(event, Traded):
            samplers.setdefault(event.market.ticker, Sampler()).trades.append(event.trade.count / 100)

    world = World(WorldSettings(generate=(("basketball", 3),), speed=1.0, pregame_s=300.0), [], START, hear)
    world.advance(START + 15_000)  # the first quotes are no flow
    samplers.clear()
    for second in range(16, 1_200):
        world.advance(START + second * 1000)
        for ticker, listing in world.listings.items():
            book = listing.market.book
            samplers.setdefault(ticker, Sampler()).look(book.bids.ladder(), book.asks.ladder())
    return [sampler.figures() for sampler in samplers.values()]


def test_invented_markets_lie_where_recorded_ones_do(invented):
    print(f"\n{'':36}{'recorded':>20}{'invented':>22}")
    outside = Counter()
    for name, (low, high) in RECORDED.items():
        values = [figures[name] for figures in invented]
        print(f"{name:36}{low:>9,.6g} .. {high:<9,.6g}{min(values):>10,.4g} .. {max(values):<10,.4g}")
        middle = median(values)
        outside[name] += not low / 1.5 <= middle <= high * 1.5
    assert not +outside, f"the middle invented market lies outside the recorded range by more than half: {+outside}"


@pytest.mark.slow
@pytest.mark.recordings
@pytest.mark.skipif(not ROOT, reason="TOUCHLINE_RECORDINGS is not set")
def test_the_recorded_ranges_are_what_the_recordings_say():
    world = World(WorldSettings(exchange=RecordedExchange), [], START, lambda _: None)
    tape = load(Path(ROOT, "kalshi-ws-nba-2026-03", "2026-03-07"))
    replay = Replay(tape, world, ReplaySettings(wait_s=0.0))
    samplers = {ticker: Sampler() for ticker in replay.tickers}

    def hear(frame, _market, _now):
        sampler = samplers.get(frame.ticker)
        if frame.kind == b"orderbook_delta":
            sampler.deltas += 1
        elif frame.kind == b"trade":
            sampler.trades.append(float(json.loads(frame.msg)["count_fp"]))

    replay.heard_by.append(hear)
    for second in range(14_400):
        world.advance(START + second * 1000)
        for ticker, sampler in samplers.items():
            market = world.exchange.markets[ticker]
            if market.status == "active" and ticker in replay.known:
                sampler.look(market.book.bids.ladder(), market.book.asks.ladder())
    for name, (low, high) in RECORDED.items():
        values = [sampler.figures()[name] for sampler in samplers.values()]
        assert low * 0.95 <= min(values), (name, values)
        assert max(values) <= high * 1.05, (name, values)
