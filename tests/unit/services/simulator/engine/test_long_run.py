"""A hundred thousand random operations by members with subaccounts, of both precisions, in halts and out of them."""

from itertools import count
from random import Random

import pytest

from services.simulator.engine import group_changes, lifecycle, pauses, subaccounts
from services.simulator.engine.changes import amend, decrease
from services.simulator.engine.errors import Refused
from services.simulator.engine.events import BookChange, Filled, Traded
from services.simulator.engine.exchange import Exchange
from services.simulator.engine.fees import CENT_MEMBER, FeePlan
from services.simulator.engine.model import DOLLAR, Market, NewOrder, Order

OPERATIONS = 100_000
CHECK_EVERY = 1_000
TICKERS = ("A", "B", "C")
GRIDS = (
    ((0, DOLLAR, 100),),
    ((0, 1_000, 10), (1_000, 9_000, 100), (9_000, DOLLAR, 10)),
    ((0, DOLLAR, 1),),
)


class Follower:
    """Rebuilds every book from the public events alone, and the fees from the fills."""

    def __init__(self):
        self.levels: dict[tuple[str, str, int], int] = {}
        self.events = self.volume = self.fees = 0

    def __call__(self, event):
        self.events += 1
        if isinstance(event, BookChange):
            key = (event.market.ticker, event.side, event.price)
            self.levels[key] = self.levels.get(key, 0) + event.delta
            assert self.levels[key] >= 0
            if not self.levels[key]:
                del self.levels[key]
        elif isinstance(event, Traded):
            self.volume += event.trade.count
        elif isinstance(event, Filled):
            self.fees += event.fill.fee
            assert event.fill.fee >= 0

    def ladder(self, ticker, side):
        return sorted(
            (price, total) for (name, on, price), total in self.levels.items() if (name, on) == (ticker, side)
        )


class Run:
    def __init__(self, seed):
        ids = count(1)
        self.random, self.follower = Random(seed), Follower()
        self.exchange = Exchange(lambda: f"{next(ids):08d}", self.follower)
        kinds = ("quadratic", "quadratic_with_maker_fees", "quadratic_with_combo_maker_fees")
        for ticker, grid, kind in zip(TICKERS, GRIDS, kinds, strict=True):
            market = Market(ticker, "E", ticker, grid, FeePlan(kind), 10**14)
            self.exchange.add_market(market)
            lifecycle.activate(self.exchange, market, 0)
        for number in range(4):
            account = self.exchange.add_account(f"m{number}", (10_000_000, 10**9, 10**10, 10**11)[number])
            account.precision = (CENT_MEMBER, 100)[number % 2]
            if number > 1:
                sub = subaccounts.create(self.exchange, account.member)
                subaccounts.transfer(self.exchange, account.member, "open", 0, sub.number, 10**8, 0)
        self.purses = list(self.exchange.accounts.values())
        self.orders: list[Order] = []
        self.now_ms = 1_000_000

    def place(self):
        random, market = self.random, self.exchange.markets[self.random.choice(TICKERS)]
        tif = random.choice(["good_till_canceled"] * 3 + ["immediate_or_cancel", "fill_or_kill"])
        resting = tif == "good_till_canceled"
        purse = random.choice(self.purses)
        new = NewOrder(
            market.ticker,
            random.choice(["bid", "ask"]),
            random.choice([random.randint(35, 65) * 100, random.randint(1, 9_999), random.randint(50, 70) * 10]),
            random.choice([random.randint(1, 50) * 100, random.randint(1, 2_000)]),
            tif,
            random.choice(["taker_at_cross", "maker"]),
            expires_ms=self.now_ms + random.randint(1, 20_000) if resting and random.random() < 0.3 else None,
            post_only=resting and random.random() < 0.2,
            reduce_only=tif == "immediate_or_cancel" and random.random() < 0.3,
            cancel_on_pause=random.random() < 0.2,
            group_id=next(reversed(purse.groups), "") if random.random() < 0.3 else "",
        )
        placed = self.exchange.create(purse, new, self.now_ms)
        if placed.order.status == "resting":
            self.orders.append(placed.order)

    def change(self):
        if not self.orders:
            return
        place = self.random.randrange(len(self.orders))
        self.orders[place], self.orders[-1] = self.orders[-1], self.orders[place]
        order = self.orders.pop()
        dice = self.random.random()
        if dice < 0.6:
            self.exchange.cancel(order.account, order.order_id, self.now_ms)
            return
        self.orders.append(order)
        if dice < 0.75:
            less = self.random.randrange(max(1, order.remaining))
            decrease(self.exchange, order.account, order.order_id, less, self.now_ms)
            return
        found = self.exchange.resting(order.account, order.order_id, self.now_ms)
        price = self.random.choice([found.price, self.random.randint(35, 65) * 100])
        count_wanted = found.filled + self.random.randint(1, 3_000)
        amend(self.exchange, found, price, count_wanted, self.now_ms, expires_ms=found.expires_ms)

    def rare(self):
        purse = self.random.choice(self.purses)
        dice = self.random.random()
        if dice < 0.3:
            group_changes.create(self.exchange, purse, self.random.randint(1, 40) * 100, self.now_ms)
        elif dice < 0.6 and purse.groups:
            group_changes.reset(self.exchange, purse.groups[next(reversed(purse.groups))], self.now_ms)
        elif dice < 0.7:
            member = purse.member
            subaccounts.transfer(
                self.exchange,
                member,
                str(self.now_ms),
                0,
                max(member.accounts),
                self.random.randint(1, 1_000) * 10_000,
                self.now_ms,
            )
        elif dice < 0.8:
            active = not self.exchange.trading_active
            pauses.set_state(self.exchange, exchange_active=True, trading_active=active, now_ms=self.now_ms)
        else:
            pauses.set_state(self.exchange, exchange_active=True, trading_active=True, now_ms=self.now_ms)

    def check(self, *, settled=False):
        exchange, follower = self.exchange, self.follower
        accounts = exchange.accounts.values()
        locked = sum(market.open_interest * DOLLAR for market in exchange.markets.values())
        cash = sum(account.cash for account in accounts)
        assert cash + locked + exchange.fees_collected == sum(account.deposited for account in accounts)
        assert exchange.fees_collected == follower.fees
        for account in accounts:
            assert account.cash >= exchange.reserved(account) >= 0
            # A scalar pays parts of a contract to the last 1/1,000,000 dollar.
            assert settled or account.cash % account.precision == 0, "balances stay whole units of the member"
        for market in exchange.markets.values():
            nets = [account.position(market.ticker).net for account in accounts]
            assert sum(nets) == 0
            assert market.open_interest == sum(net for net in nets if net > 0)
            for side in ("bid", "ask"):
                assert market.book.side(side).ladder() == follower.ladder(market.ticker, side)
        assert sum(market.volume for market in exchange.markets.values()) == follower.volume


@pytest.mark.slow
def test_a_long_run_loses_nothing():
    run = Run(20_261)
    refused = done = 0
    for number in range(OPERATIONS):
        run.now_ms += 50
        dice = run.random.random()
        try:
            (run.place if dice < 0.55 else run.change if dice < 0.995 else run.rare)()
            done += 1
        except Refused:
            refused += 1
        if number % CHECK_EVERY == 0:
            run.exchange.expire(run.now_ms)
            run.check()
    assert run.follower.volume > 1_000_000
    assert done > OPERATIONS // 3, (done, refused)
    pauses.set_state(run.exchange, exchange_active=True, trading_active=True, now_ms=run.now_ms)
    lifecycle.close(run.exchange, run.exchange.markets["A"], run.now_ms)
    lifecycle.determine(run.exchange, run.exchange.markets["A"], 3_300, run.now_ms)
    lifecycle.dispute(run.exchange, run.exchange.markets["A"], run.now_ms)
    lifecycle.amend_result(run.exchange, run.exchange.markets["A"], 6_700, run.now_ms)
    for ticker in ("B", "C"):
        lifecycle.void(run.exchange, run.exchange.markets[ticker], run.now_ms)
    for market in run.exchange.markets.values():
        assert lifecycle.settle(run.exchange, market, run.now_ms)
    run.check(settled=True)
    assert not run.follower.levels
    paid = sum(row.payout for account in run.exchange.accounts.values() for row in account.settlements)
    assert paid > 0
    for account in run.exchange.accounts.values():
        gained = sum(position.realized - position.fees for position in account.positions.values())
        assert account.cash == account.deposited + gained
