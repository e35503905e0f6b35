from __future__ import annotations

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from services.ledger.books import Books
from services.ledger.gauges import LIMITS, RISK, Account, AccountGauges, Position, metrics
from services.ledger.marks import Valuation
from services.ledger.statement import Kept, Reading, risk_fields
from trading_logic.contracts import config
from trading_logic.contracts.messages import TopOfBook
from trading_logic.contracts.record import HaltState
from trading_logic.risk.drawdown import EquityTrack

LIMIT = config.Limits(
    max_drawdown_ppm=250_000,
    max_daily_loss_ppm=200_000,
    max_position_fraction_ppm=50_000,
    min_position_cash=0,
    max_position_cash=1,
    max_exposure_fraction_ppm=1,
    max_game_fraction_ppm=1,
    max_orders_per_minute=1,
    max_trades_per_day=1,
    stale_after_ms=10_000,
    degraded_kelly_ppm=1,
)
DOLLAR = 1_000_000
TRACK = EquityTrack(equity=1_000 * DOLLAR, peak=1_250 * DOLLAR, day="2026-09-17", day_start=1_100 * DOLLAR)
FIELDS = risk_fields(
    Books(cash=990 * DOLLAR, realized=-3 * DOLLAR, fees=2 * DOLLAR),
    Valuation({}, 10 * DOLLAR, ("M1", "M2")),
    12 * DOLLAR,
    Kept(TRACK, 7, 1_200 * DOLLAR, ""),
    Reading(complete=True, resting=4),
)
TOP = TopOfBook(
    market="M1", status="valid", yes_bid=4_500, yes_bid_size=100, yes_ask=10_000, yes_ask_size=0,
    session="s", sid=1, seq=2, received_ms=1, alive_ms=5_500,
)  # fmt: skip


def shown(account: Account) -> dict[tuple[str, tuple[str, ...]], float]:
    return {
        (sample.name.removeprefix("touchline_ledger_"), tuple(sample.labels.values())): sample.value
        for family in metrics(account)
        for sample in family.samples
    }


def test_money_is_told_in_dollars_and_fractions():
    found = shown(Account(FIELDS, 9_000, LIMIT))
    wanted = {
        "equity_dollars": 1000.0, "cash_dollars": 990.0, "peak_dollars": 1250.0, "day_start_dollars": 1100.0,
        "started_dollars": 1200.0, "exposure_dollars": 12.0, "realized_dollars": -3.0, "unrealized_dollars": 10.0,
        "fees_dollars": 2.0, "drawdown_ratio": 0.2, "daily_loss_ratio": 0.09091, "resting_orders": 4.0,
        "unmanaged_orders": 0.0, "reconciled": 1.0, "blind_markets": 2.0, "risk_written_timestamp_seconds": 9.0,
        "max_drawdown_ratio": 0.25, "max_daily_loss_ratio": 0.2, "halted": 0.0, "halt_confirmed": 0.0,
    }  # fmt: skip
    assert {name: found[name, ()] for name in wanted} == pytest.approx(wanted, abs=1e-6)
    assert {name for name, _ in found} == set(wanted)


def test_before_the_books_are_opened_no_amount_is_told():
    names = {name for name, _ in shown(Account({}, 0, LIMIT))}
    assert names == {*LIMITS, "halted", "halt_confirmed"}


@pytest.mark.parametrize(("state", "confirmed"), [("draining", 0.0), ("pending-venue", 0.0), ("confirmed", 1.0)])
def test_a_halt_is_told_with_its_sources_and_is_not_confirmed_before_it_is(state: str, confirmed: float):
    halt = HaltState(epoch=2, since_ms=4_000, resting=1, state=state, confirmed_ms=0, message="")
    found = shown(Account(FIELDS, 9_000, LIMIT, frozenset({"Manual", "Drawdown"}), halt))
    assert found["halted", ()] == 1.0
    assert found["halt_confirmed", ()] == confirmed
    assert found["halt_timestamp_seconds", ()] == 4.0
    assert [key for key in found if key[0] == "cause"] == [("cause", ("Drawdown",)), ("cause", ("Manual",))]


def test_positions_and_prices_by_market():
    stale = msgspec.structs.replace(TOP, market="M2", status="stale", yes_ask_size=5)
    held = Position("M1", "sunday", count=-250, cost=1_125_000, mark=1_375_000)
    found = shown(Account(FIELDS, 9_000, LIMIT, positions=(held,), tops={"M1": TOP, "M2": stale}))
    assert found["position_contracts", ("M1", "sunday")] == -2.5
    assert found["position_cost_dollars", ("M1", "sunday")] == 1.125
    assert found["position_mark_dollars", ("M1", "sunday")] == 1.375
    # An empty side and a book that is not valid have no price; when they were last heard is known all the same.
    assert found["market_bid_dollars", ("M1",)] == 0.45
    assert {key for key in found if key[0] in {"market_bid_dollars", "market_ask_dollars"}} == {
        ("market_bid_dollars", ("M1",))
    }
    assert found["market_alive_timestamp_seconds", ("M2",)] == 5.5


def test_every_field_that_is_told_is_in_the_record():
    assert {key for key, _, _ in RISK.values()} <= set(FIELDS)


def test_registering_reads_nothing():
    # The books are opened later; a collector without `describe` would be asked for everything at once.
    CollectorRegistry(auto_describe=False).register(AccountGauges(desk=None, halter=None))
