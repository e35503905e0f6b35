"""The account at /metrics, as it was last written to the record: dollars and contracts, for people and alerts.

These are for eyes only. Nothing that decides reads them: money is integers everywhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from services.ledger.desk import Desk
from services.ledger.halting import Halter
from services.ledger.marks import Mark
from trading_logic.contracts.config import Limits
from trading_logic.contracts.messages import TopOfBook
from trading_logic.contracts.record import HaltState
from trading_logic.money import DOLLAR_PRICE, ONE_CONTRACT

DOLLAR_CASH = DOLLAR_PRICE * ONE_CONTRACT
MILLION = 1_000_000

# Metric (behind touchline_ledger_) -> field of the risk hash, unit, what it says.
RISK: Mapping[str, tuple[str, int, str]] = {
    "equity_dollars": ("equity", DOLLAR_CASH, "cash and what the bids would pay for the positions"),
    "cash_dollars": ("cash", DOLLAR_CASH, "cash of the account"),
    "peak_dollars": ("peak", DOLLAR_CASH, "highest equity since the last resume of a drawdown"),
    "day_start_dollars": ("day_start", DOLLAR_CASH, "equity when the trading day began"),
    "started_dollars": ("started_equity", DOLLAR_CASH, "equity when the books were opened"),
    "exposure_dollars": ("exposure", DOLLAR_CASH, "worst-case loss of everything held and resting"),
    "realized_dollars": ("realized", DOLLAR_CASH, "profit of closed positions of all time, before fees"),
    "unrealized_dollars": ("unrealized", DOLLAR_CASH, "what the bids would pay above the positions' cost"),
    "fees_dollars": ("fees", DOLLAR_CASH, "fees of all time"),
    "drawdown_ratio": ("drawdown_ppm", MILLION, "loss since the peak, of the peak"),
    "daily_loss_ratio": ("daily_loss_ppm", MILLION, "loss since the trading day began, of the equity then"),
    "resting_orders": ("resting", 1, "orders that rest at the exchange"),
    "unmanaged_orders": ("unmanaged", 1, "resting orders that are not ours"),
    "reconciled": ("reconciled", 1, "1 when the books agree with the exchange"),
}
LIMITS: Mapping[str, tuple[str, str]] = {
    "max_drawdown_ratio": ("max_drawdown_ppm", "the drawdown that halts"),
    "max_daily_loss_ratio": ("max_daily_loss_ppm", "the daily loss that halts"),
}


@dataclass(frozen=True, slots=True)
class Position:
    """One open position: count in 1/100 contract (above zero YES), cost and mark in cash."""

    market: str
    strategy: str
    count: int
    cost: int
    mark: int


@dataclass(frozen=True, slots=True)
class Account:
    """What there is to show. `risk` is empty before the books are opened."""

    risk: Mapping[str, str]
    written_ms: int
    limits: Limits
    sources: frozenset[str] = frozenset()
    halt: HaltState | None = None
    positions: tuple[Position, ...] = ()
    tops: Mapping[str, TopOfBook] = field(default_factory=dict)


def account(desk: Desk, halter: Halter) -> Account:
    """The account as it stands now."""
    positions = []
    for market, held in desk.books.holdings.items():
        strategy, _ = desk.owners.get(market, ("", ""))
        positions.append(Position(market, strategy, held.count, held.cost, _worth(desk.marks, market, held.count)))
    sources = frozenset(str(cause.source) for cause in desk.causes.values())
    return Account(desk.risk, desk.risk_at_ms, desk.cfg.limits, sources, halter.state, tuple(positions), desk.tops)


def _worth(marks: Mapping[str, Mark], market: str, count: int) -> int:
    return marks[market].price * abs(count) if market in marks else 0


def metrics(shown: Account) -> Iterator[Metric]:
    """Every family of the account. What is not known is absent, never zero."""
    if shown.risk:
        for name, (key, unit, text) in RISK.items():
            yield _one(name, text, int(shown.risk[key]) / unit)
        blind = [market for market in shown.risk["marks"].split(",") if market]
        yield _one("blind_markets", "markets held without a fresh mark, or with an unexplained position", len(blind))
        yield _one("risk_written_timestamp_seconds", "when the account was last written", shown.written_ms / 1000)
    for name, (key, text) in LIMITS.items():
        yield _one(name, text, getattr(shown.limits, key) / MILLION)
    yield _one("halted", "1 while a cause is latched: no order is sent", bool(shown.sources))
    confirmed = shown.halt is not None and shown.halt.state == "confirmed"
    yield _one("halt_confirmed", "1 when nothing rests and every executor has stopped", confirmed)
    if shown.halt is not None:
        yield _one("halt_timestamp_seconds", "when the present halt began", shown.halt.since_ms / 1000)
    causes = GaugeMetricFamily("touchline_ledger_cause", "1 for each source with a latched cause", labels=["source"])
    for source in sorted(shown.sources):
        causes.add_metric([source], 1)
    yield causes
    yield from _positions(shown.positions)
    yield from _prices(shown.tops)


def _one(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"touchline_ledger_{name}", text, value)


def _positions(positions: Iterable[Position]) -> Iterator[Metric]:
    labels = ["market", "owner"]
    contracts = GaugeMetricFamily("touchline_ledger_position_contracts", "above zero YES, below NO", labels=labels)
    cost = GaugeMetricFamily("touchline_ledger_position_cost_dollars", "what it cost, without fees", labels=labels)
    mark = GaugeMetricFamily("touchline_ledger_position_mark_dollars", "what the bids would pay", labels=labels)
    for held in positions:
        key = [held.market, held.strategy]
        contracts.add_metric(key, held.count / ONE_CONTRACT)
        cost.add_metric(key, held.cost / DOLLAR_CASH)
        mark.add_metric(key, held.mark / DOLLAR_CASH)
    yield from (contracts, cost, mark)


def _prices(tops: Mapping[str, TopOfBook]) -> Iterator[Metric]:
    bid = GaugeMetricFamily("touchline_ledger_market_bid_dollars", "best YES bid", labels=["market"])
    ask = GaugeMetricFamily("touchline_ledger_market_ask_dollars", "best YES ask", labels=["market"])
    alive = GaugeMetricFamily(
        "touchline_ledger_market_alive_timestamp_seconds", "when the market's feed was last heard", labels=["market"]
    )
    for market, top in sorted(tops.items()):
        if top.status == "valid" and top.yes_bid_size:
            bid.add_metric([market], top.yes_bid / DOLLAR_PRICE)
        if top.status == "valid" and top.yes_ask_size:
            ask.add_metric([market], top.yes_ask / DOLLAR_PRICE)
        alive.add_metric([market], top.alive_ms / 1000)
    yield from (bid, ask, alive)


class AccountGauges(Collector):
    """Exposes the account of a running ledger."""

    def __init__(self, desk: Desk, halter: Halter) -> None:
        self._desk, self._halter = desk, halter

    def collect(self) -> Iterator[Metric]:
        yield from metrics(account(self._desk, self._halter))

    def describe(self) -> Iterator[Metric]:
        # Names known beforehand: registering must not read books that are not opened yet.
        return iter(())
