"""PURE: an answer as titled tables of text, which one renderer draws with boxes and the other without."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from touchline_operator.cli.table import game_text
from touchline_operator.cli.why.answer import Check, DeskAnswer, EventAnswer, FunnelAnswer, MarketAnswer, OrderAnswer
from trading_logic.contracts.messages import (
    CatalogEntry,
    Decision,
    Explanation,
    FillReport,
    Intent,
    MarketInfo,
    TopOfBook,
)
from trading_logic.money import DOLLAR_PRICE, format_cash, format_count, format_dollars, format_fraction, format_price

Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A title and rows; without `head` the rows are pairs of a name and what it is."""

    title: str
    rows: list[Row]
    head: Row = ()


CHECKS_HEAD = ("rule", "value", "limit", "passed")


def _header(ticker: str, what: str, stamp: str, *, running: bool, age_ms: int) -> str:
    when = f"as of {seconds(age_ms)} ago" if running else "as it ended"
    return f"{ticker}: {what} (run {stamp}, {when})"


def seconds(ms: int) -> str:
    """A span as people read it."""
    return f"{ms} ms" if abs(ms) < 1_000 else f"{ms / 1000:.1f} s" if abs(ms) < 120_000 else f"{ms // 60_000} min"


def clock(at_ms: int) -> str:
    """Time of day, UTC, to the millisecond."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%H:%M:%S.%f")[:-3]


def book_text(top: TopOfBook) -> str:
    """Both best prices with their sizes."""
    bid = f"{format_price(top.yes_bid)} x {format_count(top.yes_bid_size)}" if top.yes_bid_size else "none"
    ask = f"{format_price(top.yes_ask)} x {format_count(top.yes_ask_size)}" if top.yes_ask_size else "none"
    return f"bid {bid}, ask {ask}, {top.status}"


def verdict_text(decision: Decision) -> str:
    """The verdict in one line, a refusal with rule, value and limit."""
    if decision.verdict == "trade":
        return f"trade: buy {format_count(decision.count)} {decision.side.upper()} at {_price(decision.price)}"
    return f"{decision.verdict} by {decision.rule}: {decision.value}, limit {decision.limit}"


def _price(price: int | None) -> str:
    return "-" if price is None else format_price(price)


def _position(count: int) -> str:
    return "flat" if count == 0 else f"{format_count(abs(count))} {'YES' if count > 0 else 'NO'}"


# ---------------------------------------------------------------------------------------------- a market


def market_sections(found: MarketAnswer, entry: CatalogEntry) -> list[Section]:
    """Everything about one market."""
    rows: list[Row] = [
        (
            "market",
            f"{found.market.title}, {found.market.status}"
            + (f", {found.market.result} won" if found.market.result else ""),
        ),
        ("line", _line(found.market, entry)),
        ("game", game_text(entry, found.game)),
    ]
    if found.top is None or found.feed_age_ms is None:
        rows.append(("feed", "no book yet"))
    else:
        rows += [("feed", f"heard {seconds(found.feed_age_ms)} before"), ("book", book_text(found.top))]
    pnl = "not known" if found.pnl is None else format_dollars(found.pnl)
    rows.append(("position", f"{_position(found.position)}, P&L {pnl} net of fees"))
    title = _header(found.ticker, found.title, found.stamp, running=found.running, age_ms=found.age_ms)
    sections = [Section(title, rows)]
    for desk in found.desks:
        sections += _desk_sections(desk, entry)
    return sections


def _line(market: MarketInfo, entry: CatalogEntry) -> str:
    """On what YES pays, and what that cost before the start."""
    team = entry.home if market.outcome == "home" else entry.away
    points = _points(market.strike)
    pays = {
        "winner": f"{team} wins",
        "spread": f"{team} wins by more than {points}",
        "total": f"more than {points} points are scored",
    }[market.line]
    prior = (
        "no price yet from before the start"
        if market.prior is None
        else f"{format_price(market.prior)} before the start"
    )
    return f"{market.line}: YES pays when {pays}; {prior}"


def _points(hundredths: int) -> str:
    return format_count(hundredths).rstrip("0").rstrip(".")


def _desk_sections(desk: DeskAnswer, entry: CatalogEntry) -> list[Section]:
    name = f"strategy {desk.strategy}, policy {desk.policy}"
    if desk.decision is None:
        return [Section(name, [("decision", "none yet")])]
    sections = [*_decision(f"{name}: last decision", desk.decision, entry)]
    sections.append(Section("checks of the decision", _rows(desk.checks), CHECKS_HEAD))
    entries = [o for o in desk.orders if o.story.intent is None or o.story.intent.kind == "entry"]
    if not entries:
        return [*sections, Section("order", [("none", "no wish of this strategy in this market reached the gate")])]
    last = entries[-1]
    if last.decision is not None and last.decision.id != desk.decision.id:
        sections += _decision("the decision of the last order", last.decision, entry)
    sections += _order(last)
    exits = {order.story.intent_id: order for order in desk.orders}
    for intent_id in last.exits:
        sections += _order(exits[intent_id])
    return sections


def _decision(title: str, decision: Decision, entry: CatalogEntry) -> list[Section]:
    rows: list[Row] = [("verdict", f"{verdict_text(decision)} ({clock(decision.decided_ms)})")]
    told = decision.explanation
    if told is not None:
        age = decision.decided_ms - told.top.alive_ms
        rows += [
            ("book used", f"{book_text(told.top)}, feed heard {age} ms before"),
            ("depth", f"bids {format_count(told.yes_bid_depth)}, asks {format_count(told.yes_ask_depth)}"),
            ("facts", _facts(told, decision, entry)),
        ]
        rows += [
            (
                "model",
                f"{m.name} {m.version}: {format_fraction(m.probability_ppm)}, weight {format_fraction(m.weight_ppm)}",
            )
            for m in told.models
        ]
    if decision.fair_ppm is not None:
        rows.append(("pooled", f"{format_fraction(decision.fair_ppm)} that YES pays"))
    if decision.edge is not None:
        fee = f"fee {format_cash(told.fee)}, " if told is not None and told.fee is not None else ""
        rows.append(
            (
                "edge",
                f"{decision.side.upper()} at {_price(decision.price)}: {fee}net {_price(decision.edge)} a contract",
            )
        )
    if told is not None and told.sizing is not None:
        rows += _sizing(told)
    return [Section(title, rows)]


def _facts(told: Explanation, decision: Decision, entry: CatalogEntry) -> str:
    if told.game is None:
        return "no game state"
    prior = "" if told.prior_home_ppm is None else f", prior of a home win {format_fraction(told.prior_home_ppm)}"
    if told.prior_total is not None:
        prior += f", prior total {_points(told.prior_total)} points"
    cached = ", from a cache" if told.game_degraded else ""
    age = decision.decided_ms - told.game.received_ms
    return f"{game_text(entry, told.game)}, {told.game.status}, {age} ms old{cached}{prior}"


def _sizing(told: Explanation) -> list[Row]:
    sizing = told.sizing
    assert sizing is not None
    rooms = ", ".join(f"{rule} {format_cash(room)}" for rule, room in sizing.rooms.items())
    clipped = f", clipped by {sizing.clipped_by}" if sizing.clipped_by else ""
    available = "" if sizing.available is None else f", for sale {format_count(sizing.available)}"
    of = f"{format_fraction(sizing.kelly_ppm)} of Kelly on {format_cash(sizing.equity)}"
    return [
        ("Kelly", f"{of}: stake {format_cash(sizing.stake)}, held {format_cash(sizing.held)}"),
        ("room", f"{rooms}{available}"),
        ("size", f"{format_count(sizing.count)} for {format_cash(sizing.cost)} at worst{clipped}"),
    ]


def _order(order: OrderAnswer) -> list[Section]:
    wish, story = order.story.intent, order.story
    kind = wish.kind if wish else story.steps[0].kind or "wish"
    rows: list[Row] = []
    if wish is not None:
        rows.append(("wish", _wish(wish)))
        if wish.exit_plan is not None:
            plan = wish.exit_plan
            rows.append(("exit plan", f"stop {format_price(plan.stop_price)}, take {format_price(plan.take_price)}"))
    for step in story.steps:
        filled = f", filled {format_count(step.filled)}" if step.filled else ""
        why = (
            f": {step.rule}: {step.value}, limit {step.limit}"
            if step.rule
            else f": {step.reason}"
            if step.reason
            else ""
        )
        rows.append((step.state, f"{clock(step.at_ms)}{filled}{why}"))
    rows += [("fill", _fill(wish, fill)) for fill in order.fills]
    if order.average_price is not None:
        rows.append(
            (
                "filled",
                f"{format_count(order.filled)} at {format_price(order.average_price)}, fees {format_cash(order.fees)}",
            )
        )
    sections = [Section(f"{kind} {story.intent_id}", rows)]
    if order.gate:
        read = "" if order.gate_age_ms is None else f", account as read {order.gate_age_ms} ms before"
        sections.append(Section(f"checks of the gate{read}", _rows(order.gate), CHECKS_HEAD))
    return sections


def _wish(wish: Intent) -> str:
    what = "buy" if wish.kind == "entry" else "sell"
    return f"{what} {format_count(wish.count)} {wish.side.upper()} at {format_price(wish.price)}, {wish.style}"


def _fill(wish: Intent | None, fill: FillReport) -> str:
    side = wish.side if wish else fill.side
    price = fill.yes_price if side == "yes" else DOLLAR_PRICE - fill.yes_price
    role = "taker" if fill.is_taker else "maker"
    return f"{format_count(fill.count)} {side.upper()} at {format_price(price)}, fee {format_cash(fill.fee)}, {role}"


def _rows(checks: tuple[Check, ...]) -> list[Row]:
    return [(check.rule, check.value or "-", check.limit or "-", check.answer) for check in checks]


# ---------------------------------------------------------------------------------------------- an event


def event_sections(found: EventAnswer, entry: CatalogEntry | None) -> list[Section]:
    """The funnels of a game."""
    title = _header(found.ticker, found.title, found.stamp, running=found.running, age_ms=found.age_ms)
    about: list[Row] = [
        ("game", game_text(entry, found.game)),
        ("markets", ", ".join(found.markets) or "not in the catalog yet"),
    ]
    return [Section(title, about), *(_funnel(funnel) for funnel in found.funnels)]


def _funnel(funnel: FunnelAnswer) -> Section:
    rows: list[Row] = []
    for stage in funnel.stages:
        rows.append((stage.stage, str(stage.count), "", "", ""))
        rows += [("", "", f"{no.rule} {no.count}", no.value or "-", no.limit or "-") for no in stage.refused]
    if funnel.exits:
        rows.append(("exits", str(funnel.exits.get("claimed", 0)), "", "", ""))
        rows += [
            ("", "", f"{name.partition(':')[2]} {n}", "-", "-")
            for name, n in funnel.exits.items()
            if name.startswith(("dropped:", "refused:"))
        ]
    title = f"strategy {funnel.strategy}, policy {funnel.policy}"
    return Section(title, rows, ("stage", "left", "refused by", "last value", "limit"))
