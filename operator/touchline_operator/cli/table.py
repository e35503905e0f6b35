"""The live picture of a run: a table on a terminal, one line otherwise."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Group
from rich.table import Table
from rich.text import Text

from touchline_operator.adapters.local.view import View, Wanted
from touchline_operator.cli.tally import Tally, first_cause, refusals
from touchline_operator.decide.money import figures, percent
from touchline_operator.desired.world import PolicyFacts
from trading_logic.contracts.messages import CatalogEntry, GameState, MarketInfo
from trading_logic.money import format_dollars, format_price

SHOWN_REFUSALS = 3


def policy_line(policy: str, facts: PolicyFacts) -> str:
    """One account: equity, today, drawdown, trading or halted and why."""
    account = figures(facts.risk)
    if facts.latched:
        cause = first_cause(facts.causes)
        why = f"{cause.rule} {cause.value} of {cause.limit}" if cause.rule else cause.reason or cause.id
        stage = facts.halt.state if facts.halt else "draining"
        resting = f", {facts.halt.resting} orders rest" if facts.halt and facts.halt.resting else ""
        state = f"HALTED by {cause.source}: {why} ({stage}{resting})"
    elif account is None:
        return f"{policy}: waiting for the ledger"
    elif not account.reconciled:
        state = f"not trading: {account.note or 'reconciling'}"
    else:
        state = f"trading, but no entries: no good mark for {account.marks}" if account.marks else "trading"
    if account is None:
        return f"{policy}: {state}"
    return (
        f"{policy}: equity {format_dollars(account.equity)}, today {format_dollars(account.today)}, "
        f"drawdown {percent(account.drawdown_ppm)}, {state}"
    )


def funnel_line(tally: Tally, view: View) -> str:
    """Frames to fills, and what said no on the way."""
    frames, signals = tally.counters("ingest")["frames"], tally.counters("consumer")["signals"]
    decisions = tally.counters("decision")["decisions"]
    orders = sum(counts.get("accepted", 0) for counts in view.counts.values())
    rules = list(refusals(tally, view).items())
    refused = ", ".join(f"{rule} {n}" for rule, n in rules[:SHOWN_REFUSALS])
    more = ", ..." if len(rules) > SHOWN_REFUSALS else ""
    return (
        f"frames {frames} > signals {signals} > decisions {decisions} > "
        f"refused {sum(n for _, n in rules)}{f' ({refused}{more})' if rules else ''} > "
        f"orders {orders} > fills {sum(view.booked.values())}"
    )


def game_text(entry: CatalogEntry | None, game: GameState | None) -> str:
    """Score, period and clock as fans say it."""
    if entry is None:
        return "not in the catalog yet"
    teams = f"{entry.away} at {entry.home}"
    if game is None:
        return teams
    score = f"{entry.away} {game.away_points} {entry.home} {game.home_points}"
    match game.status:
        case "scheduled":
            return f"{teams}, before the start"
        case "halftime":
            return f"{score}, half-time"
        case "final":
            return f"{score}, final"
        case "live":
            ball = {"home": f", ball {entry.home}", "away": f", ball {entry.away}", "": ""}[game.possession]
            period = f"Q{game.period}" if game.period <= 4 else "OT"
            return f"{score}, {period} {game.clock_seconds // 60}:{game.clock_seconds % 60:02d}{ball}"


def _row(strategy: str, market: MarketInfo, view: View, facts: PolicyFacts) -> tuple[str, ...]:
    top = view.tops.get(market.market)
    decision = view.decisions.get((strategy, market.market))
    position = next((p for p in facts.positions if p.market == market.market), None)
    prices = "-"
    if top is not None:
        bid = format_price(top.yes_bid) if top.yes_bid_size else "none"
        ask = format_price(top.yes_ask) if top.yes_ask_size else "none"
        prices = f"{bid} / {ask}" + ("" if top.status == "valid" else f" ({top.status})")
    fair, why = "-", "-"
    if decision is not None:
        fair = f"{decision.fair_ppm / 1_000_000:.4f}" if decision.fair_ppm is not None else "-"
        why = f"{decision.verdict} {decision.side}" if decision.verdict == "trade" else decision.rule
    held, pnl = "-", "-"
    if position is not None:
        side = "yes" if position.count > 0 else "no"
        held = f"{abs(position.count) / 100:g} {side}" if position.count else "flat"
        pnl = format_dollars(position.realized + position.mark - position.cost - position.fees)
    return market.market, prices, fair, why, held, pnl


def picture(wanted: Wanted, events: Mapping[str, list[str]], mode: str, view: View, tally: Tally, note: str) -> Group:
    """Everything, for a terminal. `events` are the events of each strategy; `note` is the last complaint."""
    style = "bold white on blue" if mode == "PAPER" else "bold white on red"
    table = Table(expand=False)
    for column in ("strategy", "game", "market", "bid / ask", "fair", "decision", "position", "P&L"):
        table.add_column(column, no_wrap=column != "game")
    for strategy, policy in wanted.strategies.items():
        for event in events[strategy]:
            entry = view.catalog.get(event)
            game = game_text(entry, view.games.get(entry.game) if entry else None)
            if entry is None:
                table.add_row(strategy, game, event, "-", "-", "-", "-", "-")
                continue
            for market in entry.markets:
                table.add_row(strategy, game, *_row(strategy, market, view, view.facts[policy]))
                game = ""
    lines = [Text(policy_line(policy, facts)) for policy, facts in view.facts.items()]
    notes = [Text(note, style="yellow")] if note else []
    return Group(Text(f" {mode} ", style=style), table, *lines, Text(funnel_line(tally, view)), *notes)


def one_line(mode: str, view: View, tally: Tally) -> str:
    """The same for a log: games, accounts and funnel in one line."""
    # Winner, spread and total of one game are events of their own: the game is told once.
    entries = {entry.game: entry for entry in sorted(view.catalog.values(), key=lambda e: e.event, reverse=True)}
    games = [game_text(entry, view.games.get(game)) for game, entry in reversed(entries.items())]
    accounts = [policy_line(policy, facts) for policy, facts in view.facts.items()]
    return " | ".join([mode, *games, *accounts, funnel_line(tally, view)])
