"""Order semantics by example."""

from itertools import count

import pytest

from services.simulator.engine import group_changes, lifecycle
from services.simulator.engine.changes import amend, decrease
from services.simulator.engine.errors import Refused
from services.simulator.engine.events import BookChange, Event, Filled, GroupChanged, OrderChanged, Traded
from services.simulator.engine.exchange import Exchange
from services.simulator.engine.fees import FeePlan
from services.simulator.engine.model import Market, NewOrder

NOW = 1_000_000
FREE = FeePlan("quadratic", 0)


class Bench:
    """One market without fees and two accounts of 1,000 dollars."""

    def __init__(self, fees: FeePlan = FREE) -> None:
        ids = count(1)
        self.events: list[Event] = []
        self.exchange = Exchange(lambda: f"{next(ids):04d}", self.events.append)
        self.market = Market("M", "E", "id", ((0, 10_000, 100),), fees, 10**13)
        self.exchange.add_market(self.market)
        lifecycle.activate(self.exchange, self.market, 0)
        self.a = self.exchange.add_account("a", 1_000_000_000)
        self.b = self.exchange.add_account("b", 1_000_000_000)

    def put(self, who, side, cents, contracts, tif="good_till_canceled", at=NOW, **rest):
        return self.exchange.create(who, NewOrder("M", side, cents * 100, contracts * 100, tif, **rest), at)

    def refused(self, *args, **rest):
        with pytest.raises(Refused) as caught:
            self.put(*args, **rest)
        return caught.value


@pytest.fixture
def bench():
    return Bench()


def test_price_then_time_at_the_resting_price(bench):
    late = bench.put(bench.a, "ask", 52, 5).order
    first = bench.put(bench.a, "ask", 50, 5).order
    second = bench.put(bench.a, "ask", 50, 5).order
    taken = bench.put(bench.b, "bid", 99, 12, "immediate_or_cancel")
    assert (first.status, second.status, late.remaining) == ("executed", "executed", 300)
    assert taken.filled == 1200
    assert taken.value == 5000 * 1000 + 5200 * 200
    assert bench.b.position("M").net == 1200


def test_order_of_events_public_before_private(bench):
    bench.put(bench.a, "ask", 50, 5)
    bench.events.clear()
    bench.put(bench.b, "bid", 50, 5)
    kinds = [type(event) for event in bench.events]
    assert kinds == [OrderChanged, BookChange, Traded, Filled, OrderChanged, Filled, OrderChanged]


def test_ioc_cancels_the_rest_and_is_accepted_without_any_fill(bench):
    bench.put(bench.a, "ask", 50, 5)
    taken = bench.put(bench.b, "bid", 50, 8, "immediate_or_cancel")
    assert (taken.filled, taken.order.remaining, taken.order.status) == (500, 0, "canceled")
    nothing = bench.put(bench.b, "bid", 50, 8, "immediate_or_cancel")
    assert (nothing.filled, nothing.order.remaining, nothing.order.status) == (0, 0, "canceled")


def test_fok_is_all_or_nothing_and_consumes_the_client_id(bench):
    bench.put(bench.a, "ask", 50, 5)
    refused = bench.refused(bench.b, "bid", 50, 6, "fill_or_kill", client_order_id="x")
    assert (refused.status, refused.code) == (409, "fill_or_kill_insufficient_resting_volume")
    assert bench.refused(bench.b, "bid", 50, 5, client_order_id="x").code == "order_already_exists"
    assert bench.put(bench.b, "bid", 50, 5, "fill_or_kill").order.status == "executed"


def test_client_order_id_is_unique_forever_per_account(bench):
    order = bench.put(bench.a, "bid", 10, 1, client_order_id="x").order
    bench.exchange.cancel(bench.a, order.order_id, NOW)
    assert bench.refused(bench.a, "bid", 10, 1, client_order_id="x").status == 409
    bench.put(bench.b, "bid", 10, 1, client_order_id="x")


def test_post_only(bench):
    bench.put(bench.a, "ask", 50, 5)
    refused = bench.refused(bench.b, "bid", 50, 1, post_only=True)
    assert (refused.code, refused.details) == ("invalid_order", "post only cross")
    assert bench.put(bench.b, "bid", 49, 1, post_only=True).order.status == "resting"


def test_self_trade_taker_at_cross_stops_the_taker(bench):
    own = bench.put(bench.a, "ask", 50, 5).order
    taken = bench.put(bench.a, "bid", 50, 5, "immediate_or_cancel", self_trade="taker_at_cross")
    assert (taken.filled, taken.order.status, taken.order.reason) == (0, "canceled", "SelfTradeCancel")
    assert own.status == "resting"


def test_self_trade_maker_cancels_the_resting_one_and_goes_on(bench):
    own = bench.put(bench.a, "ask", 50, 5).order
    bench.put(bench.b, "ask", 50, 5)
    taken = bench.put(bench.a, "bid", 50, 5, "immediate_or_cancel", self_trade="maker")
    assert (own.status, own.reason, taken.filled) == ("canceled", "SelfTradeCancel", 500)


def test_fok_with_self_trade_stands_partly_filled(bench):
    bench.put(bench.b, "ask", 49, 3)
    bench.put(bench.a, "ask", 50, 5)
    taken = bench.put(bench.a, "bid", 50, 8, "fill_or_kill", self_trade="taker_at_cross")
    assert (taken.filled, taken.order.status) == (300, "canceled")


def test_reduce_only_never_opens(bench):
    bench.put(bench.b, "bid", 40, 50)
    assert bench.refused(bench.a, "ask", 40, 5, reduce_only=True).code == "invalid_order"
    flat = bench.put(bench.a, "ask", 40, 5, "immediate_or_cancel", reduce_only=True)
    assert (flat.filled, flat.order.status, flat.order.reason) == (0, "canceled", "ReduceOnlyCancel")
    bench.put(bench.b, "ask", 41, 3)
    bench.put(bench.a, "bid", 41, 3)
    out = bench.put(bench.a, "ask", 40, 5, "immediate_or_cancel", reduce_only=True)
    assert (out.filled, bench.a.position("M").net) == (300, 0)


def test_reduce_only_is_not_refused_for_want_of_cash():
    bench = Bench()
    bench.put(bench.b, "ask", 50, 100)
    bench.put(bench.a, "bid", 50, 100)
    profit = bench.put(bench.a, "ask", 60, 100).order
    bench.put(bench.b, "bid", 10, 100)
    bench.a.cash = 0
    out = bench.put(bench.a, "ask", 10, 100, "immediate_or_cancel", reduce_only=True)
    assert out.filled == 10_000
    assert (profit.status, profit.reason) == ("canceled", "MarginCancel")
    assert bench.a.cash == 10_000_000


def test_expiry(bench):
    order = bench.put(bench.a, "bid", 40, 5, expires_ms=NOW + 1000).order
    bench.exchange.expire(NOW + 999)
    assert order.status == "resting"
    bench.exchange.expire(NOW + 1000)
    assert (order.status, order.reason) == ("canceled", "ExpiryCancel")
    assert "future" in bench.refused(bench.a, "bid", 40, 5, expires_ms=NOW).message
    assert (
        "Cannot specify both" in bench.refused(bench.a, "bid", 40, 5, "immediate_or_cancel", expires_ms=NOW + 5).message
    )


@pytest.mark.parametrize(
    ("cents_times_100", "legal"), [(0, False), (100, True), (150, False), (9900, True), (10_000, False), (-100, False)]
)
def test_grid(bench, cents_times_100, legal):
    new = NewOrder("M", "bid", cents_times_100, 100, "good_till_canceled")
    if legal:
        assert bench.exchange.create(bench.a, new, NOW).order.status == "resting"
    else:
        with pytest.raises(Refused, match="invalid_price"):
            bench.exchange.create(bench.a, new, NOW)


def test_unknown_and_inactive_markets(bench):
    with pytest.raises(Refused, match="market_not_found"):
        bench.exchange.create(bench.a, NewOrder("NOPE", "bid", 100, 100, "good_till_canceled"), NOW)
    order = bench.put(bench.a, "bid", 40, 5).order
    lifecycle.close(bench.exchange, bench.market, NOW)
    assert (order.status, order.reason) == ("canceled", "CloseCancel")
    assert bench.refused(bench.a, "bid", 40, 5).code == "MARKET_INACTIVE"


def test_cancel_of_anything_not_resting_is_not_found(bench):
    order = bench.put(bench.a, "bid", 40, 5).order
    assert bench.exchange.cancel(bench.a, order.order_id, NOW)[1] == 500
    for order_id in (order.order_id, "unknown"):
        with pytest.raises(Refused, match="not_found") as caught:
            bench.exchange.cancel(bench.a, order_id, NOW)
        assert caught.value.status == 404


def test_another_account_cannot_cancel(bench):
    order = bench.put(bench.a, "bid", 40, 5).order
    with pytest.raises(Refused, match="not_found"):
        bench.exchange.cancel(bench.b, order.order_id, NOW)


def test_decrease_keeps_the_place(bench):
    first = bench.put(bench.a, "bid", 40, 5).order
    second = bench.put(bench.b, "bid", 40, 5).order
    decrease(bench.exchange, bench.a, first.order_id, 200, NOW)
    third = bench.exchange.add_account("c", 1_000_000_000)
    bench.put(third, "ask", 40, 3)
    assert (first.status, second.remaining) == ("executed", 400)


@pytest.mark.parametrize(("cents", "contracts", "keeps"), [(40, 5, True), (40, 3, True), (40, 6, False), (41, 5, None)])
def test_amend_and_the_queue(bench, cents, contracts, keeps):
    first = bench.put(bench.a, "bid", 40, 5).order
    other = bench.put(bench.b, "bid", 40, 5).order
    amend(bench.exchange, first, cents * 100, contracts * 100, NOW, expires_ms=None)
    third = bench.exchange.add_account("c", 1_000_000_000)
    bench.put(third, "ask", 40, 1)
    expected = first if keeps is None or keeps else other
    assert expected.filled == 100


def test_amend_can_trade_and_keeps_its_id(bench):
    order = bench.put(bench.a, "bid", 40, 5).order
    bench.put(bench.b, "ask", 45, 2)
    done = amend(bench.exchange, order, 4500, 500, NOW, client_order_id="new", expires_ms=None)
    assert (done.filled, order.remaining, order.status, order.client_order_id) == (200, 300, "resting", "new")
    assert bench.market.book.bids.ladder() == [(4500, 300)]
    assert bench.refused(bench.a, "bid", 10, 1, client_order_id="new").status == 409


def test_collateral_and_netting(bench):
    assert bench.refused(bench.a, "bid", 50, 2000).code == "insufficient_balance"
    bench.put(bench.a, "bid", 50, 1999)
    assert bench.refused(bench.a, "ask", 60, 5).code == "insufficient_balance"
    for order in list(bench.a.orders.values()):
        bench.exchange.cancel(bench.a, order.order_id, NOW)
    bench.put(bench.b, "ask", 50, 1000)
    bench.put(bench.a, "bid", 50, 1000)
    assert bench.a.cash == 500_000_000
    assert bench.market.open_interest == 100_000
    close = bench.put(bench.a, "ask", 60, 1000)
    assert bench.exchange.reserved(bench.a) == 0, "closing needs no collateral"
    bench.put(bench.b, "bid", 60, 1000)
    assert close.order.status == "executed"
    assert bench.market.open_interest == 0
    assert bench.a.cash == 1_100_000_000
    assert bench.a.position("M").realized == 100_000_000
    assert bench.b.position("M").realized == -100_000_000


def test_group_limit_counts_fifteen_seconds(bench):
    group = group_changes.create(bench.exchange, bench.a, 1000, NOW)
    bench.put(bench.b, "ask", 50, 100)
    resting = bench.put(bench.a, "bid", 10, 1, group_id=group.group_id).order
    for at in (NOW, NOW + 15_000):
        bench.put(bench.a, "bid", 50, 10, at=at, group_id=group.group_id)
    assert not group.triggered
    taken = bench.put(bench.a, "bid", 50, 3, at=NOW + 15_001, group_id=group.group_id)
    assert taken.filled == 300
    assert group.triggered
    assert resting.status == "canceled"
    assert bench.events[-1].change == "triggered"
    assert (
        bench.refused(bench.a, "bid", 10, 1, at=NOW + 60_000, group_id=group.group_id).details
        == "order group triggered"
    )
    group_changes.reset(bench.exchange, group, NOW + 60_000)
    bench.put(bench.a, "bid", 10, 1, at=NOW + 60_000, group_id=group.group_id)


def test_group_limit_lowered_below_volume_triggers(bench):
    group = group_changes.create(bench.exchange, bench.a, 1000, NOW)
    bench.put(bench.b, "ask", 50, 100)
    bench.put(bench.a, "bid", 50, 5, group_id=group.group_id)
    group_changes.limit(bench.exchange, group, 500, NOW)
    assert not group.triggered
    group_changes.limit(bench.exchange, group, 400, NOW)
    assert group.triggered
    assert [event.change for event in bench.events if isinstance(event, GroupChanged)] == [
        "created",
        "limit_updated",
        "limit_updated",
        "triggered",
    ]


def test_deleted_group_takes_its_orders_and_its_name(bench):
    group = group_changes.create(bench.exchange, bench.a, 1000, NOW)
    order = bench.put(bench.a, "bid", 10, 1, group_id=group.group_id).order
    group_changes.delete(bench.exchange, group, NOW)
    assert order.status == "canceled"
    assert bench.refused(bench.a, "bid", 10, 1, group_id=group.group_id).code == "order_group_not_found"
    with pytest.raises(Refused, match="not_found"):
        group_changes.find(bench.a, group.group_id)


@pytest.mark.parametrize(
    ("value", "result", "yes_gets"), [(10_000, "yes", 100_000_000), (0, "no", 0), (5_000, "scalar", 50_000_000)]
)
def test_settlement_pays_the_net_position(value, result, yes_gets):
    bench = Bench()
    bench.put(bench.b, "ask", 60, 120)
    bench.put(bench.a, "bid", 60, 120)
    bench.put(bench.b, "bid", 70, 20)
    bench.put(bench.a, "ask", 70, 20)
    before = bench.a.cash
    lifecycle.close(bench.exchange, bench.market, NOW)
    lifecycle.determine(bench.exchange, bench.market, value, NOW)
    lifecycle.settle(bench.exchange, bench.market, NOW)
    assert bench.market.result == result
    assert bench.a.cash - before == yes_gets
    row = bench.a.settlements[0]
    assert (row.yes_bought, row.yes_cost, row.no_bought, row.no_cost, row.payout) == (
        12_000,
        72_000_000,
        2_000,
        6_000_000,
        yes_gets,
    )
    assert bench.a.cash + bench.b.cash == 2_000_000_000


def test_settlement_value_is_whole_cents(bench):
    with pytest.raises(ValueError, match="whole cent"):
        lifecycle.determine(bench.exchange, bench.market, 5_050, NOW)
