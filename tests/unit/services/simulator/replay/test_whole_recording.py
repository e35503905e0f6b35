"""Three whole games of a recorded connection, frame for frame, without sockets. Read from TOUCHLINE_RECORDINGS."""

import os
from pathlib import Path

import pytest

from services.simulator.replay.tape import load

ROOT = os.environ.get("TOUCHLINE_RECORDINGS", "")
NBA = Path(ROOT, "kalshi-ws-nba-2026-03", "2026-03-07")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.recordings,
    pytest.mark.skipif(not ROOT, reason="TOUCHLINE_RECORDINGS is not set"),
]


def test_every_frame_of_three_games_and_the_end_of_their_markets(stage):
    running = stage(NBA)
    tickers = tuple(running.replay.tickers)
    connection = running.connect("orderbook_delta", "trade", markets=tickers)
    wanted = load(NBA).lines()
    replies, frames, last = [], 0, {}
    for minute in range(245):
        running.at(60 * minute)
        for line in connection.take():
            if line.startswith(b'{"type":"ok"'):
                replies.append(line)
                continue
            assert line[:-1] == next(wanted)
            frames += 1
    assert next(wanted, None) is None
    assert (frames, len(replies)) == (865_045, 4)
    last = {found.sid: found.seq for found in connection.by_sid.values()}
    assert last == {1: 789_054, 2: 75_995}
    for ticker, result in running.replay.tape.results.items():
        market = running.exchange.markets[ticker]
        assert (market.status, market.result) == ("finalized", result)
        assert not market.book.bids.shown
        assert not market.book.asks.shown
