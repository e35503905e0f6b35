"""Equity against its peak and against the start of the trading day.

A trading day begins at a local time of day in a time zone and is named by the date it begins on. All money is cash
(1/1,000,000 dollar), all fractions are ppm, and no comparison is rounded.
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from trading_logic.contracts.config import Limits
from trading_logic.contracts.record import CauseSource
from trading_logic.money import ONE_PPM, Cash, Ppm, format_fraction
from trading_logic.refusal import Refusal

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY: Final = timedelta(days=1)


class TradingDayError(ValueError):
    """A time zone or a time of day that does not exist; names the field and the value."""


@lru_cache(maxsize=64)
def _rule(time_zone: str, starts_at: str) -> tuple[ZoneInfo, time]:
    try:
        zone = ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise TradingDayError(f"tradingDay.timeZone: {time_zone!r} is not a known IANA time zone") from error
    hours, colon, minutes = starts_at.partition(":")
    written = starts_at.isascii() and colon and len(hours) == len(minutes) == 2 and (hours + minutes).isdigit()
    if not written or int(hours) > 23 or int(minutes) > 59:
        raise TradingDayError(f"tradingDay.startsAt: {starts_at!r} is not allowed; allowed: HH:MM from 00:00 to 23:59")
    return zone, time(int(hours), int(minutes))


def _start(day: date, zone: ZoneInfo, starts: time) -> datetime:
    """The instant a day begins.

    A local time that comes twice counts the first time; one that is skipped, when it would have come by the clock
    before the change.
    """
    return datetime.combine(day, starts, zone).astimezone(UTC)


def trading_day(at_ms: int, time_zone: str, starts_at: str) -> str:
    """The trading day, as ``YYYY-MM-DD``, that the instant ``at_ms`` (epoch milliseconds) belongs to.

    Raises:
        TradingDayError: the zone or the time of day does not exist.
    """
    zone, starts = _rule(time_zone, starts_at)
    at = _EPOCH + timedelta(milliseconds=at_ms)
    day = at.astimezone(zone).date()
    return (day if at >= _start(day, zone, starts) else day - _DAY).isoformat()


def day_starts_ms(day: str, time_zone: str, starts_at: str) -> int:
    """Epoch milliseconds at which the trading day ``day`` begins."""
    zone, starts = _rule(time_zone, starts_at)
    return (_start(date.fromisoformat(day), zone, starts) - _EPOCH) // timedelta(milliseconds=1)


class EquityTrack(msgspec.Struct, frozen=True, gc=False):
    """What must outlive every restart for the limits to mean anything.

    Attributes:
        equity: as last seen.
        peak: highest equity since the start or since a Drawdown halt was resumed.
        day: trading day of ``day_start``.
        day_start: equity that the day began with.
    """

    equity: Cash
    peak: Cash
    day: str
    day_start: Cash


class Breach(msgspec.Struct, frozen=True, gc=False):
    """A crossed limit: the cause it latches, the rule, and value and limit as decimal fractions."""

    source: CauseSource
    rule: str
    value: str
    limit: str


def begin(equity: Cash, day: str) -> EquityTrack:
    """The track of an account seen for the first time."""
    return EquityTrack(equity, equity, day, equity)


def observe(track: EquityTrack, equity: Cash, day: str) -> EquityTrack:
    """The track after seeing ``equity`` on trading day ``day``.

    A new day begins with the equity last seen before it, so that what was lost while nobody looked still counts.
    An instant of an earlier day (a clock set back) never reopens that day.
    """
    peak = max(track.peak, equity)
    if day > track.day:
        return EquityTrack(equity, peak, day, track.equity)
    return EquityTrack(equity, peak, track.day, track.day_start)


def transfer(track: EquityTrack, amount: Cash) -> EquityTrack:
    """The track after a deposit (above zero) or withdrawal: neither is a gain or a loss."""
    return EquityTrack(track.equity + amount, track.peak + amount, track.day, track.day_start + amount)


def _loss(equity: Cash, base: Cash) -> Ppm:
    """Part of ``base`` that is lost, rounded up so that a crossed limit never looks kept."""
    if equity >= base:
        return 0
    return ONE_PPM if base <= 0 else -(-(base - equity) * ONE_PPM // base)


def drawdown(track: EquityTrack) -> Ppm:
    """Part of the peak that is lost. Can exceed one million when equity is below zero."""
    return _loss(track.equity, track.peak)


def daily_loss(track: EquityTrack) -> Ppm:
    """Part of the day's starting equity that is lost; 0 on a winning day."""
    return _loss(track.equity, track.day_start)


def breaches(track: EquityTrack, limits: Limits) -> tuple[Breach, ...]:
    """Limits that are crossed now: a loss of exactly the limit is still within it."""
    found: list[Breach] = []
    rules: tuple[tuple[CauseSource, str, Cash, Ppm], ...] = (
        ("Drawdown", "maxDrawdown", track.peak, limits.max_drawdown_ppm),
        ("DailyLoss", "maxDailyLoss", track.day_start, limits.max_daily_loss_ppm),
    )
    for source, rule, base, limit in rules:
        lost = max(0, base - track.equity)
        # Cross-multiplied: exact. With nothing or less at the base, any loss is beyond every limit.
        if lost * ONE_PPM > limit * max(0, base):
            found.append(Breach(source, rule, format_fraction(_loss(track.equity, base)), format_fraction(limit)))
    return tuple(found)


def resume_drawdown(track: EquityTrack) -> tuple[EquityTrack, Cash]:
    """A person accepted the loss: the peak is now the equity. Returns the old peak too, which must be recorded."""
    return EquityTrack(track.equity, track.equity, track.day, track.day_start), track.peak


def resume_daily_loss(track: EquityTrack, *, breached_day: str, day: str, rebaseline: bool) -> EquityTrack | Refusal:
    """The track with which trading may go on after a daily loss.

    Not before the next trading day, unless ``rebaseline`` makes the present equity the day's start.
    """
    if rebaseline:
        return EquityTrack(track.equity, track.peak, track.day, track.equity)
    if day <= breached_day:
        return Refusal("maxDailyLoss", day, f"a trading day after {breached_day}, or resume.rebaseline")
    return track
