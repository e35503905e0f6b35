"""A market's life step by step, and what each step does to orders, positions and cash."""

from itertools import count

import pytest

from services.simulator.engine import lifecycle, pauses, subaccounts
from services.simulator.engine.changes import amend, decrease
from services.simulator.engine.errors import Refused
from services.simulator.engine.events import MarketChanged, OrderChanged
from services.simulator.engine.exchange import Exchange
from services.simulator.engine.fees import CENT_MEMBER, FeePlan
from services.simulator.engine.model import Market, NewOrder

NOW = 1_000_000
FINE = ((0, 100, 1), (100, 9_900, 10), (9_900, 10_000, 1))


class Floor:
    def __init__(self):
        ids = count(1)
        self.events = []
        self.exchange = Exchange(lambda: f"{next(ids):04d}", self.events.append)
        self.market = Market("M", "E", "id", ((0, 10_000, 100),), FeePlan("quadratic", 0), 10**13)
        self.exchange.add_market(self.market)
        lifecycle.activate(self.exchange, self.market, 0)
        self.a, self.b = (self.exchange.add_account(name, 1_000_000_000) for name in "ab")

    def put(self, who, side, price, contracts, tif="good_till_canceled", **rest):
        return self.exchange.create(who, NewOrder("M", side, price, contracts * 100, tif, **rest), NOW)

    def trade(self, price=6_000, contracts=10):
        self.put(self.a, "ask", price, contracts)
        return self.put(self.b, "bid", price, contracts)

    def code(self, act):
        with pytest.raises(Refused) as caught:
            act()
        return caught.value.status, caught.value.code

    def changes(self):
        return [event.change for event in self.events if isinstance(event, MarketChanged)]

    def cash(self):
        return sum(account.cash for account in self.exchange.accounts.values())


@pytest.fixture
def floor():
    return Floor()


def test_a_paused_market_takes_cancels_only_and_drops_everything_when_it_goes_on(floor):
    kept = floor.put(floor.a, "bid", 1_000, 1).order
    flighty = floor.put(floor.a, "bid", 1_100, 1, cancel_on_pause=True).order
    other = floor.put(floor.a, "bid", 1_200, 1).order
    assert lifecycle.deactivate(floor.exchange, floor.market, NOW)
    assert (flighty.status, flighty.reason, kept.status) == ("canceled", "HaltCancel", "resting")
    assert floor.code(lambda: floor.put(floor.a, "bid", 1_000, 1)) == (400, "MARKET_INACTIVE")
    assert floor.code(lambda: amend(floor.exchange, kept, 1_300, 100, NOW, expires_ms=None)) == (400, "MARKET_INACTIVE")
    assert floor.exchange.cancel(floor.a, other.order_id, NOW)[1] == 100
    assert lifecycle.reactivate(floor.exchange, floor.market, NOW)
    assert (kept.status, kept.reason) == ("canceled", "HaltCancel")
    assert floor.put(floor.a, "bid", 1_000, 1).order.status == "resting"
    assert floor.changes() == ["activated", "deactivated", "reactivated"]


def test_a_pause_of_trading_lets_cancels_and_decreases_through(floor):
    kept, gone = floor.put(floor.a, "bid", 1_000, 5).order, floor.put(floor.a, "bid", 1_100, 1).order
    flighty = floor.put(floor.b, "ask", 9_000, 1, cancel_on_pause=True).order
    pauses.set_state(floor.exchange, exchange_active=True, trading_active=False, now_ms=NOW)
    assert (flighty.status, kept.status) == ("canceled", "resting")
    assert floor.code(lambda: floor.put(floor.a, "bid", 1_000, 1)) == (409, "trading_is_paused")
    assert floor.code(lambda: amend(floor.exchange, kept, 1_300, 100, NOW, expires_ms=None)) == (
        409,
        "trading_is_paused",
    )
    floor.exchange.cancel(floor.a, gone.order_id, NOW)
    assert decrease(floor.exchange, floor.a, kept.order_id, 200, NOW).remaining == 200
    pauses.set_state(floor.exchange, exchange_active=True, trading_active=True, now_ms=NOW)
    assert kept.status == "resting"
    assert floor.put(floor.b, "ask", 1_000, 2).filled == 200


def test_a_pause_of_the_exchange_stops_cancels_too(floor):
    order = floor.put(floor.a, "bid", 1_000, 1).order
    pauses.set_state(floor.exchange, exchange_active=False, trading_active=False, now_ms=NOW)
    assert floor.code(lambda: floor.exchange.cancel(floor.a, order.order_id, NOW)) == (409, "exchange_is_paused")
    assert order.status == "resting"


def test_the_crowd_stands_still_in_a_pause_and_nobody_hears_of_it(floor):
    crowd = floor.exchange.add_account("crowd", 10**12, internal=True)
    pauses.set_state(floor.exchange, exchange_active=True, trading_active=False, now_ms=NOW)
    floor.events.clear()
    placed = floor.put(crowd, "bid", 5_000, 1)
    assert (placed.order.status, placed.filled, floor.events) == ("canceled", 0, [])
    assert floor.market.book.best_bid() is None


def test_a_dispute_holds_the_payout_until_the_result_is_amended(floor):
    floor.trade()
    before = floor.cash()
    lifecycle.close(floor.exchange, floor.market, NOW)
    assert lifecycle.determine(floor.exchange, floor.market, 10_000, NOW)
    assert lifecycle.dispute(floor.exchange, floor.market, NOW)
    assert not lifecycle.settle(floor.exchange, floor.market, NOW)
    assert floor.cash() == before
    assert lifecycle.amend_result(floor.exchange, floor.market, 0, NOW)
    assert floor.market.status == "amended"
    assert lifecycle.settle(floor.exchange, floor.market, NOW)
    row = floor.a.settlements[0]
    assert (row.result, row.payout, row.no_bought, row.no_cost) == ("no", 10 * 1_000_000, 1000, 10 * 400_000)
    assert floor.cash() == 2_000_000_000
    assert floor.changes() == ["activated", "closed", "determined", "disputed", "amended", "settled"]


@pytest.mark.parametrize(("last", "paid"), [(6_000, 6_000), (None, 5_000)])
def test_a_void_pays_the_fair_price_as_a_scalar(floor, last, paid):
    if last:
        floor.trade(last)
    assert lifecycle.void(floor.exchange, floor.market, NOW)
    assert (floor.market.result, floor.market.settlement_value) == ("scalar", paid)
    lifecycle.settle(floor.exchange, floor.market, NOW)
    if last:
        assert floor.b.settlements[0].payout == 10 * 600_000
        assert (floor.a.cash, floor.b.cash) == (1_000_000_000, 1_000_000_000)


def test_a_fair_price_is_in_whole_cents(floor):
    lifecycle.regrid(floor.exchange, floor.market, FINE, NOW)
    floor.put(floor.a, "bid", 4_010, 1)
    floor.put(floor.a, "ask", 4_190, 1)
    assert lifecycle.fair_price(floor.market) == 4_100
    floor.trade(5_550, 1)
    assert lifecycle.fair_price(floor.market) == 4_200, "the ask at 0.419 traded first"


def test_a_postponed_game_trades_on_and_an_early_close_can_be_taken_back(floor):
    order = floor.put(floor.a, "bid", 1_000, 1).order
    assert lifecycle.move_close(floor.exchange, floor.market, NOW + 10**9, NOW)
    assert (floor.market.close_ms, order.status) == (NOW + 10**9, "resting")
    lifecycle.close(floor.exchange, floor.market, NOW)
    assert (floor.market.close_ms, order.reason) == (NOW, "CloseCancel")
    assert not lifecycle.move_close(floor.exchange, floor.market, NOW, NOW), "not into the past"
    assert lifecycle.move_close(floor.exchange, floor.market, NOW + 5, NOW)
    assert floor.put(floor.a, "bid", 1_000, 1).order.status == "resting"
    assert floor.changes()[1:] == ["close_moved", "closed", "close_moved", "reactivated"]


def test_steps_out_of_order_change_nothing(floor):
    exchange, market = floor.exchange, floor.market
    steps = (lifecycle.activate, lifecycle.reactivate, lifecycle.dispute, lifecycle.settle)
    assert not any(step(exchange, market, NOW) for step in steps)
    assert not lifecycle.determine(exchange, market, 10_000, NOW), "a market that trades has no result"
    assert not lifecycle.amend_result(exchange, market, 10_000, NOW)
    lifecycle.close(exchange, market, NOW)
    lifecycle.determine(exchange, market, 10_000, NOW)
    lifecycle.settle(exchange, market, NOW)
    assert not lifecycle.close(exchange, market, NOW)
    assert not lifecycle.void(exchange, market, NOW)
    assert not lifecycle.settle(exchange, market, NOW), "paid once"
    assert (market.status, market.result) == ("finalized", "yes")
    for value in (50, -100, 10_100):
        with pytest.raises(ValueError, match="whole cent"):
            lifecycle.determine(exchange, market, value, NOW)


def test_the_finest_grid_and_a_grid_that_changes(floor):
    assert floor.code(lambda: floor.put(floor.a, "bid", 4_001, 1)) == (400, "invalid_price")
    rests = floor.put(floor.a, "bid", 4_100, 1).order
    lifecycle.regrid(floor.exchange, floor.market, FINE, NOW)
    for price, legal in ((1, True), (99, True), (101, False), (110, True), (9_899, False), (9_999, True)):
        if legal:
            assert floor.put(floor.b, "bid" if price < 5_000 else "ask", price, 1).order.status == "resting"
        else:
            assert floor.code(lambda price=price: floor.put(floor.b, "bid", price, 1)) == (400, "invalid_price")
    assert rests.status == "resting"


def test_subaccounts_share_ids_and_never_trade_with_each_other(floor):
    sub = subaccounts.create(floor.exchange, floor.a.member)
    assert (sub.number, sub.account_id, sub.cash) == (1, "a/1", 0)
    moved = subaccounts.transfer(floor.exchange, floor.a.member, "t", 0, 1, 100_000_000, NOW)
    assert (floor.a.cash, sub.cash, moved.amount) == (900_000_000, 100_000_000, 100_000_000)
    floor.put(floor.a, "ask", 5_000, 1, client_order_id="x")
    assert floor.code(lambda: floor.put(sub, "bid", 4_000, 1, client_order_id="x")) == (409, "order_already_exists")
    crossed = floor.put(sub, "bid", 5_000, 1, "immediate_or_cancel")
    assert (crossed.filled, crossed.order.reason) == (0, "SelfTradeCancel")
    assert floor.cash() == 2_000_000_000
    with_itself = [
        ("t", 0, 1, 1, (409, "transfer_already_exists")),
        ("u", 0, 7, 1, (404, "subaccount_not_found")),
        ("u", 1, 1, 1, (400, "invalid_transfer")),
        ("u", 1, 0, 10**12, (400, "insufficient_balance")),
    ]
    for name, source, target, amount, expected in with_itself:
        act = lambda n=name, s=source, t=target, c=amount: subaccounts.transfer(  # noqa: E731  - a table of calls
            floor.exchange, floor.a.member, n, s, t, c, NOW
        )
        assert floor.code(act) == expected


def test_held_cash_cannot_be_moved_away(floor):
    subaccounts.create(floor.exchange, floor.a.member)
    floor.put(floor.a, "bid", 9_900, 1_000)
    assert floor.code(lambda: subaccounts.transfer(floor.exchange, floor.a.member, "t", 0, 1, 20_000_000, NOW)) == (
        400,
        "insufficient_balance",
    )


def test_at_most_63_subaccounts(floor):
    for _ in range(63):
        subaccounts.create(floor.exchange, floor.a.member)
    assert floor.code(lambda: subaccounts.create(floor.exchange, floor.a.member))[1] == "subaccount_limit_reached"


def test_switches_of_one_account(floor):
    floor.a.switches = type(floor.a.switches)(deduplicate=False, triggered_groups_accept=True, empty_ioc_conflict=True)
    floor.put(floor.a, "bid", 1_000, 1, client_order_id="x")
    floor.put(floor.a, "bid", 1_000, 1, client_order_id="x")
    assert floor.code(lambda: floor.put(floor.a, "bid", 1_000, 1, "immediate_or_cancel")) == (
        409,
        "immediate_or_cancel_insufficient_resting_volume",
    )
    assert floor.put(floor.b, "bid", 1_000, 1, "immediate_or_cancel").filled == 0


def test_precision_is_the_accounts_own(floor):
    floor.market.fees = FeePlan("quadratic_with_maker_fees")
    floor.b.precision = CENT_MEMBER
    floor.put(floor.a, "ask", 5_000, 1)
    floor.put(floor.b, "bid", 5_000, 1)
    assert (floor.a.fills[0].fee, floor.b.fills[0].fee) == (4_400, 20_000)


def test_queue_position_counts_better_prices_and_older_orders(floor):
    older, younger = floor.put(floor.a, "bid", 4_000, 3).order, floor.put(floor.b, "bid", 4_000, 2).order
    floor.put(floor.b, "bid", 4_100, 5)
    bids = floor.market.book.bids
    assert (bids.ahead(older), bids.ahead(younger)) == (500, 800)
    amend(floor.exchange, older, 4_000, 400, NOW, expires_ms=None)
    assert (bids.ahead(older), bids.ahead(younger)) == (700, 500), "a larger size goes to the back"
    decrease(floor.exchange, floor.b, younger.order_id, 100, NOW)
    assert bids.ahead(older) == 600
    asks = floor.market.book.asks
    first, last = floor.put(floor.a, "ask", 6_000, 1).order, floor.put(floor.b, "ask", 5_900, 1).order
    assert (asks.ahead(first), asks.ahead(last)) == (100, 0)


def test_amends_that_only_touch_expiry_keep_their_place(floor):
    order = floor.put(floor.a, "bid", 4_000, 3).order
    floor.put(floor.b, "bid", 4_000, 3)
    amend(floor.exchange, order, 4_000, 300, NOW, expires_ms=NOW + 5)
    assert floor.market.book.bids.ahead(order) == 0
    floor.exchange.expire(NOW + 5)
    assert (order.status, order.reason) == ("canceled", "ExpiryCancel")
    assert [event.change for event in floor.events if isinstance(event, OrderChanged)][-1] == "canceled"
