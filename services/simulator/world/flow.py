"""The traders around one game: market makers who learn late, noise, and traders who know the recorded number.

All of them use accounts of the engine; none goes through HTTP.
"""

import math
from dataclasses import dataclass, field
from functools import partial
from random import Random

from services.simulator.engine.errors import Refused
from services.simulator.engine.exchange import Exchange
from services.simulator.engine.model import Account, Market, NewOrder, Order, Side
from services.simulator.world.catalogue import Game
from services.simulator.world.schedule import Action, Schedule

CENT = 100
"""One cent as a price."""
_LEVELS = 5


@dataclass(frozen=True, slots=True)
class FlowSettings:
    """How the crowd behaves. Times in wall seconds, rates per wall second and market, errors in cents."""

    maker_delay_s: tuple[float, float] = (1.5, 3.0)
    maker_pause_s: tuple[float, float] = (0.4, 0.9)
    maker_error_cents: float = 1.5
    maker_memory: float = 0.97
    half_spread_cents: tuple[int, int] = (1, 2)
    size_contracts: tuple[int, int] = (100, 1000)
    noise_rate: float = 2.5
    noise_contracts: tuple[int, int] = (1, 120)
    informed_rate: float = 0.8
    informed_edge_cents: float = 2.0
    informed_contracts: tuple[int, int] = (20, 250)


@dataclass(slots=True)
class Maker:
    """One market maker in one market: a belief, an error and the quotes it holds."""

    account: Account
    market: Market
    error: float = 0.0
    half_spread: int = 1
    quotes: dict[tuple[Side, int], Order] = field(default_factory=dict)


class Flow:
    """The crowd of one game on one schedule."""

    def __init__(
        self,
        exchange: Exchange,
        schedule: Schedule,
        game: Game,
        rng: Random,
        settings: FlowSettings,
        accounts: list[Account],
    ) -> None:
        self.exchange = exchange
        self.schedule = schedule
        self.game = game
        self.rng = rng
        self.settings = settings
        self.known = game.opening_chance
        self.truth = game.opening_chance
        self.over = False
        self._told_ms = 0
        *makers, self.noise, self.informed = accounts
        self.makers = [Maker(account, market) for account in makers for market in game.markets.values()]

    def start(self, now_ms: int) -> None:
        for maker in self.makers:
            self._later(now_ms, self.rng.uniform(0.0, 0.2), partial(self._quote, maker))
        for market in self.game.markets.values():
            self._later(now_ms, 0.5, partial(self._noise, market))
            self._later(now_ms, 1.0, partial(self._informed, market))

    def learn(self, chance: float, now_ms: int, *, over: bool) -> None:
        """A play was shown: the informed know at once, the makers after their delay."""
        self.truth = chance

        def told(_at: int) -> None:
            self.known = chance
            if over:
                self.over = True

        # News arrives in the order in which it happened: a slow report never overtakes a newer one.
        delay_ms = round(self.rng.uniform(*self.settings.maker_delay_s) * 1000)
        self._told_ms = max(self._told_ms, now_ms + delay_ms)
        self.schedule.at(self._told_ms, told)

    def _later(self, now_ms: int, seconds: float, action: Action) -> None:
        self.schedule.at(now_ms + max(1, round(seconds * 1000)), action)

    def _chance(self, market: Market, home_chance: float) -> float:
        home = self.game.team_of(market.ticker) == self.game.info.home
        return home_chance if home else 1.0 - home_chance

    # -- market makers -------------------------------------------------------------------------------------
    # ---------------------------

    def _quote(self, maker: Maker, now_ms: int) -> None:
        """Move quotes to where they should be, touching only what differs.

        Take them all down when the game is known to be over.
        """
        if maker.market.status != "active":
            return
        settings, rng = self.settings, self.rng
        maker.quotes = {key: order for key, order in maker.quotes.items() if order.status == "resting"}
        if self.over:
            for order in list(maker.quotes.values()):
                self.exchange.cancel(maker.account, order.order_id, now_ms)
            return
        noise = math.sqrt(1 - settings.maker_memory**2) * settings.maker_error_cents
        maker.error = settings.maker_memory * maker.error + rng.gauss(0.0, noise)
        if rng.random() < 0.1:
            maker.half_spread = rng.randint(*settings.half_spread_cents)
        middle = self._chance(maker.market, self.known) * 100 + maker.error
        wanted: list[tuple[Side, int]] = []
        for level in range(_LEVELS):
            bid = math.floor(middle + 0.5) - maker.half_spread - level
            ask = math.floor(middle + 0.5) + maker.half_spread + level
            if 1 <= bid <= 98:
                wanted.append(("bid", bid * CENT))
            if 2 <= ask <= 99:
                wanted.append(("ask", ask * CENT))
        for key, order in list(maker.quotes.items()):
            if key not in wanted or rng.random() < 0.03:
                self.exchange.cancel(maker.account, order.order_id, now_ms)
                del maker.quotes[key]
        for side, price in wanted:
            if (side, price) not in maker.quotes:
                self._place(maker, side, price, now_ms)
        self._later(now_ms, rng.uniform(*settings.maker_pause_s), partial(self._quote, maker))

    def _place(self, maker: Maker, side: Side, price: int, now_ms: int) -> None:
        size = self.rng.randint(*self.settings.size_contracts) * 100
        new = NewOrder(
            maker.market.ticker, side, price, size, "good_till_canceled", self_trade="maker", post_only=False
        )
        placed = self.exchange.create(maker.account, new, now_ms)
        if placed.order.status == "resting":
            maker.quotes[(side, price)] = placed.order

    # -- takers --------------------------------------------------------------------------------------------
    # ---------------------------

    def _noise(self, market: Market, now_ms: int) -> None:
        if market.status != "active" or self.over:
            return
        side: Side = "bid" if self.rng.random() < 0.5 else "ask"
        self._take(self.noise, market, side, self.rng.randint(*self.settings.noise_contracts), now_ms)
        self._later(now_ms, self.rng.expovariate(self.settings.noise_rate), partial(self._noise, market))

    def _informed(self, market: Market, now_ms: int) -> None:
        """Take the touch when it is away from the recorded number by more than the edge."""
        if market.status != "active" or self.over:
            return
        fair = self._chance(market, self.truth) * 100
        bid, ask = market.book.best_bid(), market.book.best_ask()
        edge = self.settings.informed_edge_cents
        size = self.rng.randint(*self.settings.informed_contracts)
        if ask is not None and fair - ask.price / CENT > edge:
            self._take(self.informed, market, "bid", size, now_ms)
        elif bid is not None and bid.price / CENT - fair > edge:
            self._take(self.informed, market, "ask", size, now_ms)
        pause = self.rng.expovariate(self.settings.informed_rate)
        self._later(now_ms, pause, partial(self._informed, market))

    def _take(self, account: Account, market: Market, side: Side, contracts: int, now_ms: int) -> None:
        """An immediate order at the touch; the crowd pays what it has and stops when that is gone."""
        touch = market.book.best_ask() if side == "bid" else market.book.best_bid()
        if touch is None:
            return
        new = NewOrder(market.ticker, side, touch.price, contracts * 100, "immediate_or_cancel")
        try:
            self.exchange.create(account, new, now_ms)
        except Refused as refusal:
            if refusal.code != "insufficient_balance":
                raise
