from datetime import UTC, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_logic.contracts.config import Limits
from trading_logic.refusal import Refusal
from trading_logic.risk import drawdown as dd

NEW_YORK = "America/New_York"
money = st.integers(-(10**12), 10**13)
zones = st.sampled_from([NEW_YORK, "UTC", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Santiago"])
clocks = st.builds("{:02d}:{:02d}".format, st.integers(0, 23), st.integers(0, 59))
instants = st.integers(1_577_836_800_000, 1_893_456_000_000)  # 2020 to 2030
HOUR = 3_600_000


def limits(drawdown=250_000, daily=200_000):
    return Limits(drawdown, daily, 50_000, 10**6, 250 * 10**6, 500_000, 100_000, 30, 20, 10_000, 500_000)


def ms(text, zone="UTC", fold=0):
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp() * 1000)


# ---------------------------------------------------------------------------------------------- trading day


@pytest.mark.parametrize(
    ("at", "day"),
    [
        (ms("2026-09-17T05:59:59", NEW_YORK), "2026-09-16"),
        (ms("2026-09-17T06:00:00", NEW_YORK), "2026-09-17"),
        (ms("2026-09-18T05:59:59", NEW_YORK), "2026-09-17"),
        # 06:00 is 10:00 UTC in summer and 11:00 UTC in winter; the clocks change on 1 November 2026 and 14 March 2027.
        (ms("2026-10-31T10:00:00"), "2026-10-31"),
        (ms("2026-11-01T10:59:59"), "2026-10-31"),
        (ms("2026-11-01T11:00:00"), "2026-11-01"),
        (ms("2027-03-13T10:59:59"), "2027-03-12"),
        (ms("2027-03-14T10:00:00"), "2027-03-14"),
    ],
)
def test_a_day_begins_at_its_local_time_in_summer_and_winter(at, day):
    assert dd.trading_day(at, NEW_YORK, "06:00") == day


def test_a_start_that_comes_twice_counts_once():
    # 01:30 comes twice on 1 November 2026; at 01:10 the second time the day has long begun.
    assert dd.trading_day(ms("2026-11-01T01:29:00", NEW_YORK), NEW_YORK, "01:30") == "2026-10-31"
    assert dd.trading_day(ms("2026-11-01T01:30:00", NEW_YORK), NEW_YORK, "01:30") == "2026-11-01"
    assert dd.trading_day(ms("2026-11-01T01:10:00", NEW_YORK, fold=1), NEW_YORK, "01:30") == "2026-11-01"


def test_a_start_that_is_skipped_still_begins_the_day():
    # 02:30 does not exist on 14 March 2027: 01:59 is followed by 03:00.
    assert dd.day_starts_ms("2027-03-14", NEW_YORK, "02:30") == ms("2027-03-14T03:30:00", NEW_YORK)


@given(instants, st.integers(0, 400 * HOUR), zones, clocks)
def test_days_never_go_back_and_an_instant_lies_within_its_day(at, later, zone, starts):
    day = dd.trading_day(at, zone, starts)
    following = (datetime.fromisoformat(day) + timedelta(days=1)).date().isoformat()
    assert dd.day_starts_ms(day, zone, starts) <= at < dd.day_starts_ms(following, zone, starts)
    assert dd.trading_day(at + later, zone, starts) >= day
    assert dd.trading_day(dd.day_starts_ms(day, zone, starts), zone, starts) == day


@given(instants, clocks)
def test_without_clock_changes_a_day_is_the_date_shifted_by_its_start(at, starts):
    hours, minutes = map(int, starts.split(":"))
    shifted = datetime.fromtimestamp(at // 1000, UTC) - timedelta(hours=hours, minutes=minutes)
    assert dd.trading_day(at, "UTC", starts) == shifted.date().isoformat()


@pytest.mark.parametrize(
    ("zone", "starts", "field"),
    [
        ("Mars/Olympus", "06:00", "timeZone"),
        ("", "06:00", "timeZone"),
        ("../etc", "06:00", "timeZone"),
        *(
            (NEW_YORK, bad, "startsAt")
            for bad in ["6:00", "24:00", "06:60", "0600", "06:00:00", "", "-6:00", "\u0660\u0666:00", "06:0 "]
        ),
    ],
)
def test_an_impossible_trading_day_names_its_field(zone, starts, field):
    with pytest.raises(dd.TradingDayError, match=f"tradingDay.{field}: "):
        dd.trading_day(0, zone, starts)


# ---------------------------------------------------------------------------------------------- equity


class Reference:
    """The same rules over the whole history, with exact fractions and nothing carried along."""

    def __init__(self, equity, day):
        self.history = [(day, equity)]  # equity in today's terms: transfers shift what came before
        self.peak_since = 0
        self.base = None

    def see(self, equity, days):
        day = max(day for day, _ in self.history)
        self.history.append((day + days, equity))
        if days:
            self.base = None

    def transfer(self, amount):
        self.history = [(day, equity + amount) for day, equity in self.history]
        if self.base is not None:
            self.base += amount

    def resume_drawdown(self):
        self.peak_since = len(self.history) - 1

    def rebaseline(self):
        self.base = self.history[-1][1]

    def peak(self):
        return max(equity for _, equity in self.history[self.peak_since :])

    def day_start(self):
        if self.base is not None:
            return self.base
        today = self.history[-1][0]
        before = [equity for day, equity in self.history if day < today]
        return before[-1] if before else self.history[0][1]

    def lost(self, base):
        equity = self.history[-1][1]
        if equity >= base:
            return Fraction(0)
        return Fraction(base - equity, base) if base > 0 else Fraction(10**12)

    def breaches(self, rule):
        found = {
            "maxDrawdown": self.lost(self.peak()) > Fraction(rule.max_drawdown_ppm, 10**6),
            "maxDailyLoss": self.lost(self.day_start()) > Fraction(rule.max_daily_loss_ppm, 10**6),
        }
        return [name for name, crossed in found.items() if crossed]


moves = st.lists(
    st.one_of(
        st.tuples(st.just("see"), st.integers(0, 10**10), st.sampled_from([0, 0, 0, 1, 3])),
        st.tuples(st.just("transfer"), st.integers(-(10**9), 10**9), st.just(0)),
        st.tuples(st.just("resume"), st.just(0), st.just(0)),
        st.tuples(st.just("rebaseline"), st.just(0), st.just(0)),
    ),
    max_size=30,
)


def name_of(day):
    return (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)).date().isoformat()


@given(st.integers(0, 10**10), moves, st.integers(1, 10**6), st.integers(1, 10**6))
def test_the_track_agrees_with_the_whole_history(start, history, max_drawdown, max_daily):
    rule = limits(max_drawdown, max_daily)
    track, reference, day = dd.begin(start, name_of(0)), Reference(start, 0), 0
    for move, amount, days in history:
        if move == "see":
            day += days
            track = dd.observe(track, amount, name_of(day))
            reference.see(amount, days)
        elif move == "transfer":
            track = dd.transfer(track, amount)
            reference.transfer(amount)
        elif move == "resume":
            track, old = dd.resume_drawdown(track)
            assert old == reference.peak()
            reference.resume_drawdown()
        else:
            track = dd.resume_daily_loss(track, breached_day=name_of(day), day=name_of(day), rebaseline=True)
            reference.rebaseline()
        assert (track.peak, track.day_start, track.day) == (reference.peak(), reference.day_start(), name_of(day))
        assert [breach.rule for breach in dd.breaches(track, rule)] == reference.breaches(rule)


@given(st.integers(1, 10**13), st.integers(1, 10**6 - 1))
def test_a_loss_of_exactly_the_limit_is_within_it_and_one_unit_more_is_not(peak, limit):
    allowed = peak * limit // 10**6
    at = dd.observe(dd.begin(peak, "2026-01-01"), peak - allowed, "2026-01-01")
    beyond = dd.observe(at, peak - allowed - 1, "2026-01-01")
    rule = limits(limit, limit)
    assert dd.breaches(at, rule) == ()
    assert [(b.source, b.rule) for b in dd.breaches(beyond, rule)] == [
        ("Drawdown", "maxDrawdown"),
        ("DailyLoss", "maxDailyLoss"),
    ]
    # What people are shown is above the limit as well.
    assert dd.drawdown(beyond) > limit or Fraction(allowed + 1, peak) * 10**6 <= limit


def test_a_breach_says_rule_value_and_limit():
    track = dd.observe(dd.begin(100_000_000, "2026-01-01"), 74_000_000, "2026-01-01")
    assert dd.breaches(track, limits()) == (
        dd.Breach("Drawdown", "maxDrawdown", "0.26", "0.25"),
        dd.Breach("DailyLoss", "maxDailyLoss", "0.26", "0.2"),
    )


@given(money, money, st.integers(-(10**12), 10**12))
def test_a_deposit_is_no_gain_and_a_withdrawal_no_loss(start, equity, amount):
    before = dd.observe(dd.begin(start, "2026-01-01"), equity, "2026-01-01")
    after = dd.transfer(before, amount)
    assert after.peak - after.equity == before.peak - before.equity
    assert after.day_start - after.equity == before.day_start - before.equity


def test_a_new_day_begins_with_the_equity_last_seen():
    track = dd.observe(dd.begin(100, "2026-01-01"), 90, "2026-01-01")
    track = dd.observe(track, 70, "2026-01-03")
    assert (track.day_start, track.peak, track.equity) == (90, 100, 70)
    # A clock set back does not give the old day's start back.
    assert dd.observe(track, 60, "2026-01-02") == dd.EquityTrack(60, 100, "2026-01-03", 90)


def test_an_account_of_nothing_that_loses_more_breaches_everything():
    track = dd.observe(dd.begin(0, "2026-01-01"), -1, "2026-01-01")
    assert (dd.drawdown(track), dd.daily_loss(track)) == (1_000_000, 1_000_000)
    assert len(dd.breaches(track, limits(10**6, 10**6))) == 2
    assert dd.breaches(dd.begin(0, "2026-01-01"), limits()) == ()


def test_a_daily_loss_is_not_resumed_before_the_next_trading_day():
    track = dd.observe(dd.begin(100, "2026-01-01"), 70, "2026-01-01")
    assert dd.resume_daily_loss(track, breached_day="2026-01-01", day="2026-01-01", rebaseline=False) == Refusal(
        "maxDailyLoss", "2026-01-01", "a trading day after 2026-01-01, or resume.rebaseline"
    )
    tomorrow = dd.observe(track, 70, "2026-01-02")
    assert dd.resume_daily_loss(tomorrow, breached_day="2026-01-01", day="2026-01-02", rebaseline=False) == tomorrow
    now = dd.resume_daily_loss(track, breached_day="2026-01-01", day="2026-01-01", rebaseline=True)
    assert now == dd.EquityTrack(70, 100, "2026-01-01", 70)
