"""Laws that hold whatever is done to the exchange."""

from collections import OrderedDict
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.simulator.engine import group_changes, lifecycle
from services.simulator.engine.changes import amend, decrease
from services.simulator.engine.errors import Refused
from services.simulator.engine.events import BookChange, Event, Traded
from services.simulator.engine.exchange import Exchange
from services.simulator.engine.fees import CENT_MEMBER, DIRECT_MEMBER, FeePlan
from services.simulator.engine.model import DOLLAR, Market, NewOrder

TICKERS = ("A", "B")
CENT_GRID = ((0, DOLLAR, 100),)
FINE_GRID = ((0, 1_000, 1), (1_000, 9_000, 100), (9_000, DOLLAR, 1))


class Witness:
    """Follows the public events alone: keeps queues of its own and checks that each trade takes the oldest order at the best price."""

    def __init__(self) -> None:
        self.queues: dict[tuple[str, str, int], OrderedDict[str, int]] = {}
        self.last: tuple[tuple[str, str, int], str, bool] | None = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, BookChange):
            key = (event.market.ticker, event.side, event.price)
            queue = self.queues.setdefault(key, OrderedDict())
            name = event.order.order_id
            self.last = (key, name, bool(queue) and next(iter(queue)) == name)
            queue[name] = queue.get(name, 0) + event.delta
            assert queue[name] >= 0, "more left the book than was in it"
            if queue[name] == 0:
                del queue[name]
            if not queue:
                del self.queues[key]
        elif isinstance(event, Traded):
            assert self.last is not None
            key, _, was_first = self.last
            assert was_first, "a trade skipped the head of the queue"
            assert key[2] == event.trade.price, "a trade not at the resting price"
            side = key[1]
            better = [
                price
                for ticker, on, price in self.queues
                if (ticker, on) == key[:2] and ((price > key[2]) if side == "bid" else (price < key[2]))
            ]
            assert not better, "a trade left a better price untouched"

    def ladder(self, ticker: str, side: str) -> list[tuple[int, int]]:
        return sorted(
            (price, sum(queue.values()))
            for (name, on, price), queue in self.queues.items()
            if (name, on) == (ticker, side)
        )


def make(precision: int, grid: tuple[tuple[int, int, int], ...]) -> tuple[Exchange, Witness]:
    ids = count(1)
    witness = Witness()
    exchange = Exchange(lambda: f"{next(ids):06d}", witness, precision)
    for ticker in TICKERS:
        market = Market(ticker, "E", f"id-{ticker}", grid, FeePlan("quadratic_with_maker_fees"), 10**13)
        exchange.add_market(market)
        lifecycle.activate(exchange, market, 0)
    for name, cash in (("rich", 10_000_000_000), ("fair", 100_000_000), ("poor", 3_000_000)):
        exchange.add_account(name, cash)
    return exchange, witness


def check(exchange: Exchange, witness: Witness, now_ms: int) -> None:
    deposited = sum(account.deposited for account in exchange.accounts.values())
    cash = sum(account.cash for account in exchange.accounts.values())
    locked = sum(market.open_interest * DOLLAR for market in exchange.markets.values())
    assert cash + locked + exchange.fees_collected == deposited
    for account in exchange.accounts.values():
        assert account.cash - exchange.reserved(account) >= 0, f"{account.account_id} holds more than it has"
    for market in exchange.markets.values():
        nets = [account.position(market.ticker).net for account in exchange.accounts.values()]
        assert sum(nets) == 0
        assert market.open_interest == sum(net for net in nets if net > 0)
        bid, ask = market.book.best_bid(), market.book.best_ask()
        assert bid is None or ask is None or bid.price < ask.price
        for side in ("bid", "ask"):
            half = market.book.side(side)
            assert half.ladder() == witness.ladder(market.ticker, side)
            assert all(
                level.total == sum(order.remaining for order in level.orders.values()) for level in half.levels.values()
            )
    for account in exchange.accounts.values():
        for order in account.orders.values():
            assert (order.status == "resting") == (order.remaining > 0)
            assert order.filled + order.remaining <= order.initial
        for group in account.groups.values():
            if group.triggered:
                assert all(order.status != "resting" for order in group.orders.values())


NAMES = st.sampled_from(["rich", "fair", "poor"])
PLACE = st.fixed_dictionaries(
    {
        "do": st.just("place"),
        "who": NAMES,
        "ticker": st.sampled_from(TICKERS),
        "side": st.sampled_from(["bid", "ask"]),
        "price": st.integers(35, 65),
        "count": st.one_of(st.integers(1, 12).map(lambda n: n * 100), st.integers(1, 900)),
        "tif": st.sampled_from(["good_till_canceled"] * 4 + ["immediate_or_cancel", "fill_or_kill"]),
        "stp": st.sampled_from(["taker_at_cross", "maker"]),
        "post_only": st.booleans(),
        "reduce_only": st.booleans(),
        "lives": st.sampled_from([None, None, None, 1, 5_000]),
        "grouped": st.booleans(),
    }
)
CHANGE = st.fixed_dictionaries(
    {
        "do": st.sampled_from(["cancel", "decrease", "amend"]),
        "who": NAMES,
        "which": st.integers(0, 30),
        "price": st.integers(35, 65),
        "count": st.integers(0, 1500),
    }
)
GROUP = st.fixed_dictionaries(
    {"do": st.sampled_from(["group", "trigger", "reset", "limit", "delete"]), "who": NAMES, "limit": st.integers(1, 20)}
)
STEPS = st.lists(st.one_of(PLACE, PLACE, PLACE, CHANGE, GROUP), max_size=60)


def act(exchange: Exchange, step: dict, now_ms: int, unit: int) -> None:
    account = exchange.accounts[step["who"]]
    group_id = next(reversed(account.groups), "")
    match step["do"]:
        case "place":
            new = NewOrder(
                step["ticker"], step["side"], step["price"] * unit, step["count"], step["tif"], step["stp"],
                expires_ms=now_ms + step["lives"] if step["lives"] and step["tif"] == "good_till_canceled" else None,
                post_only=step["post_only"] and step["tif"] == "good_till_canceled",
                reduce_only=step["reduce_only"] and step["tif"] == "immediate_or_cancel",
                group_id=group_id if step["grouped"] else "",
            )  # fmt: skip
            exchange.create(account, new, now_ms)
        case "cancel" | "decrease" | "amend":
            resting = [order for order in account.orders.values() if order.status == "resting"]
            if not resting:
                return
            order = resting[step["which"] % len(resting)]
            if step["do"] == "cancel":
                exchange.cancel(account, order.order_id, now_ms)
            elif step["do"] == "decrease":
                decrease(exchange, account, order.order_id, min(step["count"], order.remaining - 1), now_ms)
            else:
                amend(
                    exchange,
                    exchange.resting(account, order.order_id, now_ms),
                    step["price"] * unit,
                    order.filled + step["count"],
                    now_ms,
                    expires_ms=order.expires_ms,
                )
        case "group":
            group_changes.create(exchange, account, step["limit"] * 100, now_ms)
        case other if group_id:
            group = group_changes.find(account, group_id)
            if other == "trigger":
                exchange.trigger(group, now_ms)
            elif other == "reset":
                group_changes.reset(exchange, group, now_ms)
            elif other == "limit":
                group_changes.limit(exchange, group, step["limit"] * 100, now_ms)
            else:
                group_changes.delete(exchange, group, now_ms)


@pytest.mark.parametrize(
    ("precision", "grid", "unit"),
    [(DIRECT_MEMBER, CENT_GRID, 100), (CENT_MEMBER, CENT_GRID, 100), (DIRECT_MEMBER, FINE_GRID, 7)],
)
@given(steps=STEPS, values=st.tuples(st.integers(0, 100), st.integers(0, 100)))
def test_nothing_is_lost_crossed_or_skipped(precision, grid, unit, steps, values):
    exchange, witness = make(precision, grid)
    now_ms = 1_000_000
    for step in steps:
        now_ms += 700
        try:
            act(exchange, step, now_ms, unit)
        except Refused as refused:
            assert refused.code  # noqa: PT017  - a refusal is an answer here, the state below is what is tested
        exchange.expire(now_ms)
        check(exchange, witness, now_ms)
    for ticker, value in zip(TICKERS, values, strict=True):
        market = exchange.markets[ticker]
        lifecycle.close(exchange, market, now_ms)
        check(exchange, witness, now_ms)
        lifecycle.determine(exchange, market, value * 100, now_ms)
        lifecycle.settle(exchange, market, now_ms)
    assert not witness.queues
    total = sum(account.cash for account in exchange.accounts.values())
    assert total + exchange.fees_collected == sum(account.deposited for account in exchange.accounts.values())
    for account in exchange.accounts.values():
        gained = sum(position.realized - position.fees for position in account.positions.values())
        assert account.cash == account.deposited + gained
