"""Plays a recording on the world's schedule: frames to the stream, depth and trades to the exchange."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from uuid import NAMESPACE_URL, uuid5

import msgspec

from services.simulator.engine import lifecycle
from services.simulator.engine.model import DOLLAR, Market, Side, Trade
from services.simulator.replay.book import RecordedBook
from services.simulator.replay.exchange import RecordedExchange
from services.simulator.replay.frames import KINDS, Delta, Line, Recorded, RecordedTrade, Snapshot
from services.simulator.replay.tape import Fill, Tape
from services.simulator.world.catalogue import SPORT_SERIES
from services.simulator.world.listings import FEES, LINEAR_CENT, EventListing, MarketListing, SeriesListing
from services.simulator.world.sports import SPORTS, Sport
from services.simulator.world.world import World
from trading_logic.money import parse_count, parse_price

_TWO_WEEKS_MS = 14 * 24 * 3600 * 1000
_FIRST_COMMAND = 2
"""The recorder's first request was answered by ``subscribed``; the missing replies answer those after it."""

Listener = Callable[[Recorded, Market | None, int], None]


@dataclass(frozen=True, slots=True)
class ReplaySettings:
    """``speed`` times as fast as recorded, beginning ``wait_s`` wall seconds after the start."""

    speed: float = 1.0
    wait_s: float = 12.0
    raw_gaps: bool = False
    determine_after_s: float = 1.0
    settlement_s: int = 5


class Replay:
    """One recording in a world. ``heard_by`` get every frame; ``position`` counts recorded frames played."""

    def __init__(self, tape: Tape, world: World, settings: ReplaySettings) -> None:
        """Raises ``TypeError`` for a world whose exchange is not a ``RecordedExchange``."""
        if not isinstance(world.exchange, RecordedExchange):
            raise TypeError("a recording needs a RecordedExchange")
        self.tape = tape
        self.tickers = frozenset(tape.market_ids)
        self.world = world
        self.exchange = world.exchange
        self.settings = settings
        self.heard_by: list[Listener] = []
        self.position = 0
        self.started = False
        self.known: set[str] = set()
        self._lines: Iterator[bytes] | None = None
        self._begin = 0
        self._chain = 0
        self._channels = {sid: channel for channel, sid in tape.sids.items()}
        self._decode = msgspec.json.Decoder(Line).decode
        self._snapshot = msgspec.json.Decoder(Snapshot).decode
        self._delta = msgspec.json.Decoder(Delta).decode
        self._trade = msgspec.json.Decoder(RecordedTrade).decode
        self._replies: dict[int, int] = {}
        for ticker in tape.tickers:
            self._list(ticker)
        world.schedule.at(world.start_ms + round(settings.wait_s * 1000), self._start)

    def behind_ms(self, wall_ms: int) -> int:
        """For how many script milliseconds the next frame has been due at that wall time."""
        if not self.started or self.position == len(self.tape):
            return 0
        ahead = (self.tape.times[self.position] - self.tape.times[0]) / 1000 / self.settings.speed
        return max(0, self.world.schedule.script_at(wall_ms) - self._begin - math.ceil(ahead))

    # -- what is listed ------------------------------------------------------------------------------------

    def _list(self, ticker: str) -> None:
        world, settings = self.world, self.settings
        event_ticker, _, suffix = ticker.rpartition("-")
        series_ticker = event_ticker.split("-")[0]
        sport = next((found for found in SPORTS.values() if series_ticker in found.series.values()), None)
        name = sport.cities.get(suffix, suffix) if sport is not None else suffix
        length_ms = (self.tape.times[-1] - self.tape.times[0]) / 1000 / settings.speed
        end_ms = world.start_ms + round(settings.wait_s * 1000 + length_ms)
        event = world.events.get(event_ticker)
        if event is None:
            event = world.events[event_ticker] = _event(event_ticker, series_ticker, sport, world.start_ms)
            listed = SPORT_SERIES.get(series_ticker) or SeriesListing(series_ticker, series_ticker, ("Recorded",))
            world.series.setdefault(series_ticker, listed)
        market = Market(
            ticker=ticker,
            event_ticker=event_ticker,
            market_id=self.tape.market_ids[ticker] or str(uuid5(NAMESPACE_URL, f"touchline:market:{ticker}")),
            grid=LINEAR_CENT,
            fees=FEES,
            close_ms=end_ms + _TWO_WEEKS_MS,
            book=RecordedBook(),
            updated_ms=world.start_ms,
        )
        event.markets[ticker] = market
        world.listings[ticker] = MarketListing(
            market=market,
            title=f"Will {name} win?",
            yes_sub_title=name,
            no_sub_title=name,
            rules_primary=f"A recorded market: it resolves as {ticker} did.",
            rules_secondary="",
            early_close_condition="This market will close and expire after a winner is declared.",
            created_ms=world.start_ms,
            expected_end_ms=end_ms,
            scheduled_close_ms=end_ms + _TWO_WEEKS_MS,
            settlement_seconds=settings.settlement_s,
            team=suffix,
        )
        self.exchange.add_market(market)
        lifecycle.activate(self.exchange, market, world.start_ms)

    # -- playing -------------------------------------------------------------------------------------------

    def _start(self, now_ms: int) -> None:
        if not self.started:
            self._open()
            self._play(self._chain, now_ms)

    def _open(self) -> None:
        self.started = True
        self._begin = self.world.schedule.script_ms
        self._lines = self.tape.lines()

    def _recorded_now(self) -> float:
        """Recorded time in microseconds."""
        passed = self.world.schedule.script_ms - self._begin
        return self.tape.times[0] + passed * 1000 * self.settings.speed

    def _play(self, chain: int, now_ms: int) -> None:
        """Everything that is due, then come back for the next; a chain that a step has cut plays nothing."""
        if chain != self._chain:
            return
        times, end = self.tape.times, len(self.tape)
        due = self._recorded_now()
        while self.position < end and times[self.position] <= due:
            self._play_one(now_ms)
        self._come_back()

    def _come_back(self) -> None:
        if self.position == len(self.tape):
            return
        times, schedule = self.tape.times, self.world.schedule
        ahead = (times[self.position] - times[0]) / 1000 / self.settings.speed
        # At least a millisecond on, lest a rounded division come back at once and for ever.
        following = max(self._begin + math.ceil(ahead), schedule.script_ms + 1)
        schedule.at_script(following, partial(self._play, self._chain))

    def step(self, frames: int, now_ms: int) -> None:
        """While paused, play that many frames; the recording goes on from there. Raises ``ValueError``."""
        schedule = self.world.schedule
        if not schedule.paused:
            raise ValueError("a script that is not paused cannot be stepped")
        if not self.started:
            self._open()
        until = min(len(self.tape), self.position + frames)
        while self.position < until:
            self._play_one(now_ms)
        if self.position:
            passed = (self.tape.times[self.position - 1] - self.tape.times[0]) / 1000 / self.settings.speed
            self._begin = schedule.script_ms - math.floor(passed)
        self._chain += 1
        self._come_back()

    def _play_one(self, now_ms: int) -> None:
        """The next recorded frame, preceded by what the recorder left out."""
        if self._lines is None:
            raise RuntimeError("the recording has not been started")
        if not self.settings.raw_gaps:
            for fill in self.tape.fills.get(self.position, ()):
                self._tell(self._reply(fill), None, now_ms)
        raw = next(self._lines)
        self.position += 1
        line = self._decode(raw)
        if line.type == "ok":
            self._tell(Recorded(self._channels[line.sid], b"ok", "", line.seq, b"", raw + b"\n"), None, now_ms)
            return
        msg = bytes(line.msg)
        if line.type == "orderbook_delta":
            ticker = self._change(msg, now_ms)
        elif line.type == "trade":
            ticker = self._traded(msg, now_ms)
        else:
            ticker = self._replace(msg, now_ms)
        frame = Recorded(KINDS[line.type], line.type.encode(), ticker, line.seq, msg, raw + b"\n")
        self._tell(frame, self.exchange.markets[ticker], now_ms)

    def _tell(self, frame: Recorded, market: Market | None, now_ms: int) -> None:
        for listener in self.heard_by:
            listener(frame, market, now_ms)

    def _reply(self, fill: Fill) -> Recorded:
        """An ``ok`` as the exchange would have sent it; commands are numbered per channel as they came."""
        command = self._replies.get(fill.sid, _FIRST_COMMAND)
        self._replies[fill.sid] = command + 1
        body = {"type": "ok", "id": command, "sid": fill.sid, "seq": fill.seq, "msg": {"market_tickers": fill.markets}}
        return Recorded(self._channels[fill.sid], b"ok", "", fill.seq, b"", msgspec.json.encode(body) + b"\n")

    def _change(self, msg: bytes, now_ms: int) -> str:
        delta = self._delta(msg)
        market = self.exchange.markets[delta.market_ticker]
        if market.ticker in self.known:
            price = parse_price(delta.price_dollars, "price_dollars")
            text = delta.delta_fp
            falls = text.startswith("-")
            count = parse_count(text[1:] if falls else text, "delta_fp")
            side: Side = "bid"
            if delta.side == "no":
                side, price = "ask", DOLLAR - price
            self.exchange.depth_changed(market, side, price, -count if falls else count, now_ms)
            market.updated_ms = now_ms
        return market.ticker

    def _traded(self, msg: bytes, now_ms: int) -> str:
        trade = self._trade(msg)
        market = self.exchange.markets[trade.market_ticker]
        price = parse_price(trade.yes_price_dollars, "yes_price_dollars")
        count = parse_count(trade.count_fp, "count_fp")
        taker: Side = "bid" if trade.taker_side == "yes" else "ask"
        at_ms = trade.ts_ms if trade.ts_ms is not None else trade.ts * 1000
        recorded = Trade(trade.trade_id, market.ticker, price, count, taker, at_ms)
        self.exchange.record_trade(market, recorded, now_ms)
        return market.ticker

    def _replace(self, msg: bytes, now_ms: int) -> str:
        """A snapshot: the first makes the book known; one without a single level closes the market."""
        snapshot = self._snapshot(msg)
        market = self.exchange.markets[snapshot.market_ticker]
        book = market.book
        if not isinstance(book, RecordedBook):
            raise TypeError(f"{market.ticker} is not a recorded market")
        book.bids.set(_levels(snapshot.yes_dollars_fp))
        book.asks.set({DOLLAR - price: count for price, count in _levels(snapshot.no_dollars_fp).items()})
        if not book.bids.shown and not book.asks.shown and self.position > 1:
            self._close(market, now_ms)
        self.known.add(market.ticker)
        return market.ticker

    def _close(self, market: Market, now_ms: int) -> None:
        lifecycle.close(self.exchange, market, now_ms)
        result = self.tape.results.get(market.ticker)
        if result is None:
            return  # nobody wrote down how it ended: the market stays closed
        value = DOLLAR if result == "yes" else 0
        schedule, settings = self.world.schedule, self.settings

        def settle(at_ms: int) -> None:
            lifecycle.settle(self.exchange, market, at_ms)

        def determine(at_ms: int) -> None:
            self.world.listings[market.ticker].expiration_value = result.capitalize()
            lifecycle.determine(self.exchange, market, value, at_ms)
            schedule.at(at_ms + settings.settlement_s * 1000, settle)

        schedule.at(now_ms + round(settings.determine_after_s * 1000), determine)


def _levels(ladder: list[tuple[str, str]]) -> dict[int, int]:
    return {parse_price(price, "price"): parse_count(count, "count") for price, count in ladder}


def _event(event_ticker: str, series_ticker: str, sport: Sport | None, now_ms: int) -> EventListing:
    return EventListing(
        event_ticker=event_ticker,
        series_ticker=series_ticker,
        title=f"{event_ticker.partition('-')[2]} Winner?",
        sub_title=event_ticker.partition("-")[2],
        collateral_return_type="MECNET",
        created_ms=now_ms,
        competition=sport.competition if sport is not None else "",
        scope="Game" if sport is not None else "",
    )
