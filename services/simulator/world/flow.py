"""The traders around one game: market makers who learn late, noise, and traders who know the recorded number.

All of them use accounts of the engine; none goes through HTTP.
"""

import math
from dataclasses import dataclass, field
from functools import partial
from random import Random
from statistics import NormalDist

from services.simulator.engine.errors import Refused
from services.simulator.engine.exchange import Exchange
from services.simulator.engine.model import Account, Market, NewOrder, Order, Side
from services.simulator.world.catalogue import Game
from services.simulator.world.listings import EventListing, MarketListing
from services.simulator.world.outlook import Outlook
from services.simulator.world.schedule import Action, Schedule

CENT = 100
"""One cent as a price."""


@dataclass(frozen=True, slots=True)
class FlowSettings:
    """How the crowd behaves. Times in wall seconds, rates per wall second and market, errors in cents.

    ``half_spread_cents`` may be halves. With ``long_tailed`` the pairs of contracts are the 10 % and 90 %
    quantiles of log-normal sizes, else the bounds of even ones. ``deep_levels`` beyond the makers' own are held
    by one more maker with ``deep_contracts``, who moves them every ``deep_pause_s``.
    """

    maker_delay_s: tuple[float, float] = (1.5, 3.0)
    maker_pause_s: tuple[float, float] = (0.4, 0.9)
    maker_error_cents: float = 1.5
    maker_memory: float = 0.97
    half_spread_cents: tuple[float, ...] = (1, 2)
    levels: int = 5
    renewed: float = 0.03
    post_only: bool = False
    size_contracts: tuple[int, int] = (100, 1000)
    deep_levels: int = 0
    deep_contracts: tuple[int, int] = (1000, 60_000)
    deep_pause_s: tuple[float, float] = (6.0, 12.0)
    noise_rate: float = 2.5
    noise_contracts: tuple[int, int] = (1, 120)
    informed_rate: float = 0.8
    informed_edge_cents: float = 2.0
    informed_contracts: tuple[int, int] = (20, 250)
    long_tailed: bool = False


LIKE_RECORDED = FlowSettings(
    maker_delay_s=(0.8, 2.0),
    maker_pause_s=(0.5, 1.1),
    maker_error_cents=0.25,
    maker_memory=0.995,
    half_spread_cents=(0.5, 0.5, 0.5, 0.5, 1.0),
    renewed=0.11,
    post_only=True,
    size_contracts=(400, 16_000),
    deep_levels=98,
    noise_rate=0.7,
    noise_contracts=(3, 400),
    informed_rate=0.8,
    informed_edge_cents=1.2,
    informed_contracts=(30, 3000),
    long_tailed=True,
)
"""A crowd whose spread, depth and rates are those of recorded game-winner markets (NBA, March 2026)."""

_DECILE = NormalDist().inv_cdf(0.9)


@dataclass(slots=True)
class Maker:
    """One market maker in one market: a belief, an error and the quotes it holds.

    Levels ``first`` to ``last`` away from the touch are its own.
    """

    account: Account
    listing: MarketListing
    first: int
    last: int
    contracts: tuple[int, int]
    pause_s: tuple[float, float]
    error: float = 0.0
    half_spread: float = 1.0
    quotes: dict[tuple[Side, int], Order] = field(default_factory=dict)


class Flow:
    """The crowd of one event on one schedule. ``accounts``: makers, then noise, then informed."""

    def __init__(
        self,
        exchange: Exchange,
        schedule: Schedule,
        game: Game,
        event: EventListing,
        rng: Random,
        settings: FlowSettings,
        accounts: list[Account],
    ) -> None:
        self.exchange = exchange
        self.schedule = schedule
        self.rng = rng
        self.settings = settings
        self.known = self.truth = game.outlook(game.now)
        self.over = False
        self._told_ms = 0
        self.listings = [game.listings[ticker] for ticker in event.markets]
        *makers, self.noise, self.informed = accounts
        self.makers = [
            Maker(account, listing, 0, settings.levels, settings.size_contracts, settings.maker_pause_s)
            for account in makers
            for listing in self.listings
        ]
        if settings.deep_levels and makers:
            last = settings.levels + settings.deep_levels
            self.makers += [
                Maker(makers[0], listing, settings.levels, last, settings.deep_contracts, settings.deep_pause_s)
                for listing in self.listings
            ]

    def start(self, now_ms: int) -> None:
        for maker in self.makers:
            self._later(now_ms, self.rng.uniform(0.0, 0.2), partial(self._quote, maker))
        for listing in self.listings:
            self._later(now_ms, 0.5, partial(self._noise, listing))
            self._later(now_ms, 1.0, partial(self._informed, listing))

    def learn(self, seen: Outlook, now_ms: int, *, over: bool) -> None:
        """A play was shown: the informed know at once, the makers after their delay."""
        self.truth = seen

        def told(_at: int) -> None:
            self.known = seen
            if over:
                self.over = True

        # News arrives in the order in which it happened: a slow report never overtakes a newer one.
        delay_ms = round(self.rng.uniform(*self.settings.maker_delay_s) * 1000)
        self._told_ms = max(self._told_ms, now_ms + delay_ms)
        self.schedule.at(self._told_ms, told)

    def _later(self, now_ms: int, seconds: float, action: Action) -> None:
        self.schedule.at(now_ms + max(1, round(seconds * 1000)), action)

    def _cents(self, listing: MarketListing, seen: Outlook) -> float:
        if listing.fair is None:
            raise RuntimeError(f"{listing.market.ticker} has no fair value")
        return listing.fair(seen) * 100

    def _size(self, contracts: tuple[int, int]) -> int:
        """Contracts of one order: even between the two, or log-normal with them as 10 % and 90 % quantiles."""
        low, high = contracts
        if not self.settings.long_tailed:
            return self.rng.randint(low, high)
        middle, deviation = math.log(low * high) / 2, math.log(high / low) / 2 / _DECILE
        return min(max(1, round(math.exp(self.rng.gauss(middle, deviation)))), 20 * high)

    # -- market makers -------------------------------------------------------------------------------------

    def _quote(self, maker: Maker, now_ms: int) -> None:
        """Move quotes to where they should be, touching only what differs.

        Take them all down when the game is known to be over.
        """
        if maker.listing.market.status != "active":
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
            maker.half_spread = rng.choice(settings.half_spread_cents)
        wanted = self._wanted(maker)
        for key, order in list(maker.quotes.items()):
            if key not in wanted or rng.random() < settings.renewed:
                self.exchange.cancel(maker.account, order.order_id, now_ms)
                del maker.quotes[key]
        for side, price in wanted:
            if (side, price) not in maker.quotes:
                self._place(maker, side, price, now_ms)
        self._later(now_ms, rng.uniform(*maker.pause_s), partial(self._quote, maker))

    def _wanted(self, maker: Maker) -> dict[tuple[Side, int], None]:
        middle = self._cents(maker.listing, self.known) + maker.error
        best_bid = math.floor(middle + 0.5 - maker.half_spread)
        best_ask = math.ceil(middle - 0.5 + maker.half_spread)
        wanted: dict[tuple[Side, int], None] = {}
        for level in range(maker.first, maker.last):
            bid, ask = best_bid - level, best_ask + level
            if 1 <= bid <= 98:
                wanted["bid", bid * CENT] = None
            if 2 <= ask <= 99:
                wanted["ask", ask * CENT] = None
        return wanted

    def _place(self, maker: Maker, side: Side, price: int, now_ms: int) -> None:
        ticker, settings = maker.listing.market.ticker, self.settings
        size = self._size(maker.contracts) * 100
        new = NewOrder(
            ticker, side, price, size, "good_till_canceled", self_trade="maker", post_only=settings.post_only
        )
        try:
            placed = self.exchange.create(maker.account, new, now_ms)
        except Refused as refused:
            if refused.details != "post only cross":
                raise
            return
        if placed.order.status == "resting":
            maker.quotes[side, price] = placed.order

    # -- takers --------------------------------------------------------------------------------------------

    def _noise(self, listing: MarketListing, now_ms: int) -> None:
        market = listing.market
        if market.status != "active" or self.over:
            return
        side: Side = "bid" if self.rng.random() < 0.5 else "ask"
        self._take(self.noise, market, side, self._size(self.settings.noise_contracts), now_ms)
        self._later(now_ms, self.rng.expovariate(self.settings.noise_rate), partial(self._noise, listing))

    def _informed(self, listing: MarketListing, now_ms: int) -> None:
        """Take the touch when it is away from the recorded number by more than the edge."""
        market = listing.market
        if market.status != "active" or self.over:
            return
        fair = self._cents(listing, self.truth)
        bid, ask = market.book.best_bid(), market.book.best_ask()
        edge = self.settings.informed_edge_cents
        size = self._size(self.settings.informed_contracts)
        if ask is not None and fair - ask.price / CENT > edge:
            self._take(self.informed, market, "bid", size, now_ms)
        elif bid is not None and bid.price / CENT - fair > edge:
            self._take(self.informed, market, "ask", size, now_ms)
        pause = self.rng.expovariate(self.settings.informed_rate)
        self._later(now_ms, pause, partial(self._informed, listing))

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
