"""JSON bodies of candlesticks."""

from typing import Any

from services.simulator.engine.candles import Bar, Span
from trading_logic.money import format_count, format_price

Body = dict[str, Any]


def _span(found: Span) -> Body:
    return {
        "open_dollars": format_price(found.first),
        "low_dollars": format_price(found.low),
        "high_dollars": format_price(found.high),
        "close_dollars": format_price(found.last),
    }


def candle(bar: Bar) -> Body:
    """One bar; the price has only ``previous_dollars`` where nothing traded, and not even that before any trade."""
    price: Body = {}
    if bar.traded is not None:
        mean = (2 * bar.value + bar.volume) // (2 * bar.volume)
        price = _span(bar.traded) | {
            "mean_dollars": format_price(mean),
            "min_dollars": format_price(bar.traded.low),
            "max_dollars": format_price(bar.traded.high),
        }
    if bar.before:
        price["previous_dollars"] = format_price(bar.before)
    return {
        "end_period_ts": bar.end_s,
        "yes_bid": _span(bar.bid),
        "yes_ask": _span(bar.ask),
        "price": price,
        "volume_fp": format_count(bar.volume),
        "open_interest_fp": format_count(bar.open_interest),
    }


def empty(end_s: int, before: int, following: Bar | None) -> Body:
    """The made-up first candle that carries nothing but the last price before the range."""
    quotes = following or Bar(end_s, Span(0, 0, 0, 0), Span(10_000, 10_000, 10_000, 10_000), before, 0)
    bid, ask = quotes.bid.first, quotes.ask.first
    flat = Bar(end_s, Span(bid, bid, bid, bid), Span(ask, ask, ask, ask), before, quotes.open_interest)
    return candle(flat)
