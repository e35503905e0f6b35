"""One-minute bars of every market, made from what happens, and longer ones made from them."""

from bisect import bisect_left
from collections.abc import Iterator

import msgspec

from services.simulator.engine.events import BookChange, Event, Traded
from services.simulator.engine.model import DOLLAR, Market

MINUTE_S = 60


class Span(msgspec.Struct):
    """Open, low, high and close of one quantity (price units)."""

    first: int
    low: int
    high: int
    last: int

    def see(self, value: int) -> None:
        self.low, self.high, self.last = min(self.low, value), max(self.high, value), value


class Bar(msgspec.Struct):
    """``end_s`` is the inclusive end of the bar. ``traded`` is None and ``value`` 0 where nothing traded.

    ``value`` is price x count, ``volume`` in 1/100 contract, ``before`` the last price before the bar.
    """

    end_s: int
    bid: Span
    ask: Span
    before: int
    open_interest: int
    traded: Span | None = None
    value: int = 0
    volume: int = 0


class Candles:
    """Keeps only minutes in which something happened; the others are filled in when they are read."""

    def __init__(self) -> None:
        self._bars: dict[str, list[Bar]] = {}

    def on_event(self, event: Event) -> None:
        if isinstance(event, BookChange):
            market = event.market
            bid, ask = touch(market)
            bar = self._bar(market, event.ts_ms, bid, ask)
            if bid != bar.bid.last:
                bar.bid.see(bid)
            if ask != bar.ask.last:
                bar.ask.see(ask)
        elif isinstance(event, Traded):
            market, trade = event.market, event.trade
            bar = self._bar(market, trade.ts_ms, *touch(market))
            if bar.traded is None:
                bar.traded = Span(trade.price, trade.price, trade.price, trade.price)
            else:
                bar.traded.see(trade.price)
            bar.value += trade.price * trade.count
            bar.volume += trade.count
            bar.open_interest = market.open_interest

    def _bar(self, market: Market, ts_ms: int, bid: int, ask: int) -> Bar:
        end_s = -(-ts_ms // (MINUTE_S * 1000)) * MINUTE_S
        bars = self._bars.get(market.ticker)
        if bars is None:
            bars = self._bars[market.ticker] = []
        if bars and bars[-1].end_s >= end_s:
            return bars[-1]
        # A bar opens with what the one before left.
        if bars:
            before = bars[-1]
            bid, ask = before.bid.last, before.ask.last
        previous = _last_price(bars[-1]) if bars else 0
        bar = Bar(end_s, Span(bid, bid, bid, bid), Span(ask, ask, ask, ask), previous, market.open_interest)
        bars.append(bar)
        return bar

    def read(self, ticker: str, start_s: int, end_s: int, minutes: int, now_s: int) -> Iterator[Bar]:
        """Bars of ``minutes`` that end from ``start_s`` to ``end_s``, from the market's first minute to now."""
        bars, step = self._bars.get(ticker, []), minutes * MINUTE_S
        if not bars:
            return
        at = max(-(-start_s // step) * step, -(-bars[0].end_s // step) * step)
        last = min(end_s, -(-now_s // step) * step)
        while at <= last:
            yield _merged(bars, at, step)
            at += step

    def before(self, ticker: str, at_s: int) -> int | None:
        """The last price (price units) before ``at_s``, None when the market was not there yet."""
        bars = self._bars.get(ticker, [])
        place = bisect_left(bars, at_s, key=_end)
        return _last_price(bars[place - 1]) if place else None


def touch(market: Market) -> tuple[int, int]:
    """Best bid and ask; 0 and one dollar where there is none."""
    bids, asks = market.book.bids.prices, market.book.asks.prices
    return (bids[-1] if bids else 0), (asks[0] if asks else DOLLAR)


def _end(bar: Bar) -> int:
    return bar.end_s


def _last_price(bar: Bar) -> int:
    return bar.before if bar.traded is None else bar.traded.last


def _merged(bars: list[Bar], end_s: int, step: int) -> Bar:
    """The bar of (end_s - step, end_s]; a flat one where nothing happened."""
    low = bisect_left(bars, end_s - step + 1, key=_end)
    high = bisect_left(bars, end_s + 1, key=_end)
    if low == high:
        old = bars[low - 1]
        bid, ask = old.bid.last, old.ask.last
        return Bar(end_s, Span(bid, bid, bid, bid), Span(ask, ask, ask, ask), _last_price(old), old.open_interest)
    part = bars[low:high]
    traded = [bar.traded for bar in part if bar.traded is not None]
    return Bar(
        end_s,
        _joined([bar.bid for bar in part]),
        _joined([bar.ask for bar in part]),
        part[0].before,
        part[-1].open_interest,
        _joined(traded) if traded else None,
        sum(bar.value for bar in part),
        sum(bar.volume for bar in part),
    )


def _joined(spans: list[Span]) -> Span:
    return Span(spans[0].first, min(span.low for span in spans), max(span.high for span in spans), spans[-1].last)
