"""Bars made from what happens."""

from services.simulator.engine import lifecycle
from services.simulator.engine.candles import Candles
from services.simulator.engine.exchange import Exchange
from services.simulator.engine.fees import FeePlan
from services.simulator.engine.model import Market, NewOrder

MINUTE = 60_000
START = 1_000 * MINUTE


def test_bars_open_with_what_the_last_one_left_and_gaps_are_flat():
    candles = Candles()
    ids = iter(range(1000))
    exchange = Exchange(lambda: str(next(ids)), candles.on_event)
    market = Market("M", "E", "id", ((0, 10_000, 100),), FeePlan("quadratic", 0), 10**13)
    exchange.add_market(market)
    lifecycle.activate(exchange, market, START)
    a, b = (exchange.add_account(name, 10**12) for name in "ab")

    def put(who, side, price, contracts, at):
        exchange.create(who, NewOrder("M", side, price, contracts * 100, "good_till_canceled"), at)

    put(a, "ask", 6_000, 10, START + 1_000)
    put(a, "bid", 4_000, 10, START + 2_000)
    put(b, "bid", 6_000, 4, START + 3_000)
    put(b, "bid", 6_000, 6, START + 30_000)
    put(a, "ask", 7_000, 1, START + 3 * MINUTE + 1)
    put(b, "bid", 7_000, 1, START + 3 * MINUTE + 2)
    start_s, now_s = START // 1000, START // 1000 + 240
    first, second, third, fourth = candles.read("M", start_s, now_s, 1, now_s)
    assert (first.end_s, first.volume, first.open_interest) == (start_s + 60, 1000, 1000)
    assert (first.bid.first, first.bid.last, first.ask.low, first.ask.last) == (0, 4_000, 6_000, 10_000)
    assert (first.traded.first, first.value, first.before) == (6_000, 6_000 * 1000, 0)
    assert (second.traded, second.before, second.bid.first, second.ask.last) == (None, 6_000, 4_000, 10_000)
    assert (third.volume, third.open_interest) == (0, 1000)
    assert (fourth.traded.last, fourth.before, fourth.ask.low) == (7_000, 6_000, 7_000)
    (hour,) = candles.read("M", start_s, start_s + 3600, 60, now_s + 3600)
    assert (hour.volume, hour.traded.low, hour.traded.high, hour.bid.high) == (1100, 6_000, 7_000, 4_000)
    assert candles.before("M", start_s + 120) == 6_000
    assert candles.before("M", start_s) is None
    assert list(candles.read("other", start_s, now_s, 1, now_s)) == []
