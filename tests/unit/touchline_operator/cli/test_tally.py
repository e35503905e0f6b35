from __future__ import annotations

import pytest

from touchline_operator.adapters.local.view import View
from touchline_operator.cli.main import main, seconds
from touchline_operator.cli.table import funnel_line, game_text, policy_line
from touchline_operator.cli.tally import Tally, readable, summarize
from touchline_operator.desired.world import PolicyFacts
from trading_logic.contracts.messages import CatalogEntry, GameState, Report
from trading_logic.contracts.record import Cause, HaltState


def report(name, role, started, **counters):
    return Report(
        name,
        role,
        "s",
        ready=True,
        reason="",
        message="",
        counters=counters,
        resident_bytes=50_000_000,
        started_ms=started,
        at_ms=started,
    )


def risk(**fields):
    base = dict.fromkeys(("drawdown_ppm", "daily_loss_ppm", "resting", "updated_ms"), "0")
    return (
        base
        | {
            "equity": "1010000000",
            "day_start": "1000000000",
            "started_equity": "1000000000",
            "fees": "250000",
            "reconciled": "1",
        }
        | fields
    )


def test_counters_survive_the_restart_of_a_process():
    tally = Tally()
    tally.see({"a": report("a", "ingest", 1, frames=10)})
    tally.see({"a": report("a", "ingest", 1, frames=25), "b": report("b", "ingest", 1, frames=1)})
    tally.see({"a": report("a", "ingest", 2, frames=3)})
    tally.see({})
    assert tally.counters("ingest")["frames"] == 29


def test_the_summary_of_a_halted_run_says_which_limit_and_what_came_after():
    tally = Tally()
    tally.see({"d": report("d", "decision", 1, **{"decisions": 9, "intents": 2, "refusals:minEdge": 7})})
    cause = Cause("dd", "Drawdown", "", "ledger", 50, "maxDrawdown", "0.26", "0.25")
    later = Cause("manual", "Manual", "x", "me", 90)
    halt = HaltState(2, 50, 0, "confirmed", 100, "")
    view = View(
        facts={"house": PolicyFacts((later, cause), 2, halt, risk(drawdown_ppm="260000"))},
        counts={"house": {"accepted": 2, "dropped:latch": 3, "dropped:minEdge": 1}},
        booked={"house": 1},
        open_orders={"house": 0},
        first_decision_ms={"s": 3_500},
    )
    accepts = [{"kind": "order_accepted", "wall_ms": t} for t in (10, 99, 101)] + [{"kind": "fill", "wall_ms": 200}]
    found = summarize(tally, view, accepts=accepts, began_ms=1_000, helpers={"up": 60_000_000})
    assert found.refusals == {"minEdge": 8, "latch": 3}
    assert (found.orders, found.venue_accepted_orders, found.fills, found.intents) == (2, 3, 1, 2)
    assert found.halted is not None
    assert (found.halted.source, found.halted.rule, found.halted.value, found.halted.limit) == (
        "Drawdown",
        "maxDrawdown",
        "0.26",
        "0.25",
    )
    assert found.halted.venue_accepted_after == 1
    assert (found.pnl_dollars, found.equity_dollars, found.fees_dollars, found.drawdown) == (10.0, 1010.0, 0.25, 0.26)
    assert found.seconds_to_first_decision == 2.5
    assert found.resident_mb == {"d": 50.0, "up": 60.0}
    assert "HALTED: policy house by Drawdown: maxDrawdown 0.26, limit 0.25; orders accepted after: 1" in readable(found)


def test_an_empty_run_is_said_as_it_is():
    found = summarize(Tally(), View(), accepts=None, began_ms=0, helpers={})
    assert (found.frames, found.orders, found.equity_dollars, found.venue_accepted_orders, found.halted) == (
        0,
        0,
        None,
        None,
        None,
    )
    assert "equity not known" in readable(found)


def test_lines_say_paper_money_and_reasons():
    halt = HaltState(2, 50, 3, "draining", 0, "")
    cause = Cause("c", "Manual", "rain", "me", 1)
    assert "HALTED by Manual: rain (draining, 3 orders rest)" in policy_line(
        "house", PolicyFacts((cause,), 2, halt, risk())
    )
    assert (
        policy_line("house", PolicyFacts(risk=risk())) == "house: equity $1010.00, today $10.00, drawdown 0.0%, trading"
    )
    assert "not trading: gap" in policy_line("house", PolicyFacts(risk=risk(reconciled="0", reconcile_note="gap")))
    assert policy_line("house", PolicyFacts()) == "house: waiting for the ledger"
    tally = Tally()
    tally.see({"i": report("i", "ingest", 1, frames=4)})
    assert funnel_line(tally, View()).startswith("frames 4 > signals 0 > decisions 0 > refused 0 > orders 0")


def test_a_game_is_told_as_fans_tell_it():
    teams = {"home": "PHI", "away": "DAL", "home_id": "h", "away_id": "a"}
    market_data = {
        "exchange_index": 0,
        "fee_type": "quadratic",
        "fee_multiplier_ppm": 1,
        "exchange_active": True,
        "markets": (),
    }
    names = {"event": "E", "series": "S", "feed": "simulator", "title": "t", "game": "g", "sport": "football"}
    entry = CatalogEntry(**names, **teams, **market_data, start_ms=1, updated_ms=1)
    live = GameState("k", "g", "football", "live", 7, 3, 2, 65, 0, "home", 1, 10, 20, "", 1)
    assert game_text(entry, live) == "DAL 3 PHI 7, Q2 1:05, ball PHI"
    assert game_text(entry, None) == "DAL at PHI"
    assert game_text(None, None) == "not in the catalog yet"


@pytest.mark.parametrize(("text", "wanted"), [("60s", 60), ("2m", 120), ("1h", 3600), ("5", 5), ("0.5s", 0.5)])
def test_times_are_read(text, wanted):
    assert seconds(text) == wanted


@pytest.mark.parametrize(
    "words",
    [["up"], ["up", "f", "--for", "soon"], ["up", "f", "--speed", "0"], ["fly"], [], ["up", "f", "--seed", "x"]],
)
def test_bad_arguments_are_one_line_and_exit_2(words, capsys):
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_commands_in_an_empty_directory_say_what_is_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["get"]) == 1
    assert main(["halt"]) == 1
    assert main(["up", "none.yaml"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert "none.yaml: cannot be read: No such file or directory" in lines[2]
