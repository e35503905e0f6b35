"""Our orders against recorded depth and recorded flow; the public feed does not notice."""

import pytest

from services.simulator.engine.errors import Refused
from services.simulator.engine.events import BookChange, Filled, Traded
from services.simulator.replay.exchange import COUNTERPARTY
from tests.unit.services.simulator.replay.recording import MARKET_A, A, delta, frames, trade, write


def own_fills(running):
    return [
        (event.fill.side, event.fill.price, event.fill.count, event.fill.is_taker)
        for event in running.events
        if isinstance(event, Filled) and not event.order.account.internal
    ]


def test_an_order_takes_recorded_depth_best_price_first_and_only_once(stage):
    running = stage()
    running.at(0.5)
    placed = running.order("bid", 52, 100)
    assert (placed.filled, placed.order.status) == (2500, "canceled")
    assert own_fills(running) == [("bid", 5000, 2000, True), ("bid", 5200, 500, True)]
    assert running.order("bid", 52, 100).filled == 0, "what we took is gone until the level changes"
    running.at(2)
    assert running.order("bid", 52, 100).filled == 1600, "the level changed to 16: all of it is there again"
    assert running.exchange.accounts[COUNTERPARTY].positions[A].net == -4100
    assert running.account.positions[A].net == 4100


def test_the_public_feed_stays_the_recordings(stage):
    running = stage()
    connection = running.connect("orderbook_delta", "trade")
    running.at(0.5)
    running.order("bid", 52, 10)
    running.order("bid", 47, 3, "good_till_canceled")
    market = running.exchange.markets[A]
    assert market.book.asks.ladder() == [(5000, 2000), (5200, 500)]
    assert (market.book.best_bid().price, market.book.best_ask().price) == (4500, 5000)
    assert (market.volume, market.last_price, market.open_interest) == (0, 0, 0)
    assert not running.exchange.trades
    assert [frame["seq"] for frame in frames(connection)] == [1, 2]
    assert not any(isinstance(event, BookChange) for event in running.events)
    running.at(60)
    assert sum(isinstance(event, Traded) for event in running.events) == 2, "only the recording's"


def test_post_only_and_fill_or_kill_see_the_recorded_depth(stage):
    running = stage()
    running.at(0.5)
    with pytest.raises(Refused, match="invalid_order"):
        running.order("bid", 50, 1, "good_till_canceled", post_only=True)
    with pytest.raises(Refused):
        running.order("bid", 50, 21, "fill_or_kill")
    assert running.order("bid", 50, 20, "fill_or_kill").filled == 2000


def test_a_resting_order_fills_once_what_stood_before_it_has_traded(stage):
    running = stage()
    running.at(1.5)
    behind = running.order("bid", 46, 5, "good_till_canceled").order
    assert behind.filled == 0
    running.at(5.6)
    assert behind.filled == 0, "the seven before us traded, nothing was left for us"
    assert running.exchange.markets[A].book.bids.levels[4600].total == 500


def test_what_a_trade_leaves_over_reaches_the_orders_behind(stage, tmp_path):
    more = [*MARKET_A[:-1], delta(9, A, "yes", "0.4600", "2.00", 6), delta(10, A, "yes", "0.4600", "-2.00", 6.5),
            trade(4, A, "0.4600", "4.00", "no", 6)]  # fmt: skip
    running = stage(write(tmp_path / "more", {A: more}))
    running.at(1.5)
    behind = running.order("bid", 46, 5, "good_till_canceled").order
    running.at(6.1)
    assert behind.filled == 0
    running.at(60)
    assert (behind.filled, behind.remaining) == (400, 100), "nobody stands before it any more"


def test_a_better_priced_resting_order_meets_the_recorded_trade_first(stage):
    running = stage()
    running.at(3)
    better = running.order("bid", 47, 3, "good_till_canceled").order
    running.at(5.6)
    assert (better.filled, better.status) == (300, "executed")
    assert own_fills(running) == [("bid", 4700, 300, False)]


def test_new_recorded_depth_that_crosses_fills_a_resting_order(stage):
    running = stage()
    running.at(0.5)
    resting = running.order("ask", 46, 4, "good_till_canceled").order
    assert resting.filled == 0
    running.at(1.1)
    assert (resting.filled, resting.status) == (400, "executed"), "the recording bids 46 for seven"
    taken = running.order("ask", 46, 10, who=running.other)
    assert taken.filled == 300, "four of the seven went to the resting order"


def test_our_two_accounts_still_meet_each_other(stage):
    running = stage()
    running.at(0.5)
    running.order("bid", 48, 2, "good_till_canceled")
    assert running.order("ask", 48, 2, who=running.other).filled == 200
    assert COUNTERPARTY not in {event.fill.account_id for event in running.events if isinstance(event, Filled)}


def test_cash_and_positions_add_up_after_settlement(stage):
    running = stage()
    running.at(0.5)
    running.order("bid", 52, 20)
    running.order("ask", 40, 30, who=running.other)
    assert (
        sum(account.positions[A].net for account in running.exchange.accounts.values() if A in account.positions) == 0
    )
    running.at(60)
    accounts = running.exchange.accounts.values()
    assert running.exchange.markets[A].status == "finalized"
    assert sum(account.cash for account in accounts) + running.exchange.fees_collected == sum(
        account.deposited for account in accounts
    )
    assert running.exchange.accounts[COUNTERPARTY].most_held == 0
