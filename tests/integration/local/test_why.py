"""`touchline why` on a real run, while it runs and after: a trade that was taken, one that a rule refused."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.integration.local.touchline import SAMPLES, run, start, until
from trading_logic.stages import DECISION_RULES

TAKEN, REFUSED = "KXNFLGAME-25SEP04DALPHI", "KXNFLGAME-25SEP07BALBUF"


def why(where, ticker):
    told = run(where, "why", ticker, "--json")
    return json.loads(told.stdout) if told.returncode == 0 else None


def entries(answer):
    return [
        order for desk in answer["desks"] for order in desk["orders"]
        if order["story"]["intent"] and order["story"]["intent"]["kind"] == "entry" and order["filled"]
    ]  # fmt: skip


def filled(where):
    for market in ("PHI", "DAL"):
        answer = why(where, f"{TAKEN}-{market}")
        if answer and entries(answer):
            return answer
    return None


def refused(where):
    for market in ("BUF", "BAL"):
        answer = why(where, f"{REFUSED}-{market}")
        decision = answer and answer["desks"] and answer["desks"][0]["decision"]
        if decision and decision["rule"] == "minEdge":
            return answer
    return None


def dropped_at_the_gate(where):
    for market in ("PHI", "DAL"):
        for desk in why(where, f"{TAKEN}-{market}")["desks"]:
            for order in desk["orders"]:
                first = order["story"]["steps"][0]
                if first["state"] == "dropped" and first["rule"] == "maxTradesPerDay" and order["gate"][1:]:
                    return order
    return None


def check_dropped(order):
    answers = [(check["rule"], check["answer"]) for check in order["gate"]]
    at = answers.index(("maxTradesPerDay", "NO"))
    assert {answer for _, answer in answers[:at]} == {"yes"}
    assert {answer for _, answer in answers[at + 1 :]} == {"not asked"}
    assert (order["gate"][at]["value"], order["gate"][at]["limit"]) == ("1", "1")
    assert order["decision"]["verdict"] == "trade"
    assert order["decision"]["explanation"]["intent_id"] == order["story"]["intent_id"]


def check_taken(answer):
    order = entries(answer)[-1]
    story, decision = order["story"], order["decision"]
    told = decision["explanation"]
    assert told["intent_id"] == story["intent_id"]
    assert told["models"][0]["name"] == "game-state"
    assert told["models"][0]["weight_ppm"] == 1_000_000
    assert decision["edge"] >= 200
    assert told["fee"] > 0
    assert told["sizing"]["clipped_by"]
    assert told["sizing"]["count"] == decision["count"] == story["intent"]["count"]
    assert [check["rule"] for check in told["checks"]] == list(DECISION_RULES)
    assert story["steps"][0]["state"] == "claimed"
    assert story["steps"][-1]["order_id"]
    assert sum(fill["count"] for fill in order["fills"]) == order["filled"] > 0
    assert {"latch", "tradingLease", "maxTradesPerDay", "maxExposureFraction"} <= {c["rule"] for c in order["gate"]}
    assert all(check["value"] and check["limit"] and check["answer"] == "yes" for check in order["gate"])


def check_refused(answer):
    desk = answer["desks"][0]
    no = [check for check in desk["checks"] if check["answer"] == "NO"]
    assert [(check["rule"], check["limit"]) for check in no] == [("minEdge", "0.5000")]
    assert no[0]["value"]
    assert [check["rule"] for check in desk["checks"]] == list(DECISION_RULES)
    assert desk["checks"][-1]["answer"] == "not asked"
    assert desk["orders"] == []


@pytest.mark.slow
def test_a_taken_and_a_refused_trade_are_explained_while_it_runs_and_after(tmp_path):
    never = (SAMPLES / "resting.yaml").read_text().replace('minEdge: "0.02"', 'minEdge: "0.50"')
    assert '"0.50"' in never
    (tmp_path / "never.yaml").write_text(never)
    few = (SAMPLES / "policy.yaml").read_text().replace("maxTradesPerDay: 20", "maxTradesPerDay: 1")
    assert "maxTradesPerDay: 1 " in few
    (tmp_path / "few.yaml").write_text(few)
    up = start(tmp_path, "up", "few.yaml", SAMPLES / "taking.yaml", "never.yaml", "--json")
    try:
        taken = until(lambda: up.poll() is not None or filled(tmp_path), 90)
        assert up.poll() is None
        no = until(lambda: refused(tmp_path), 90)
        dropped = until(lambda: dropped_at_the_gate(tmp_path), 90)
    finally:
        up.send_signal(signal.SIGINT)
        out, err = up.communicate(timeout=60)
    assert up.returncode == 0, err
    assert taken["running"]
    check_taken(taken)
    check_refused(no)
    check_dropped(dropped)

    after = why(tmp_path, taken["ticker"])
    assert not after["running"]
    check_taken(after)
    text = run(tmp_path, "why", no["ticker"])
    assert text.returncode == 0
    assert "\x1b" not in text.stdout
    assert "checks of the decision" in text.stdout
    assert run(tmp_path, "why", no["ticker"], "--run", after["stamp"]).stdout == text.stdout

    summary = json.loads(out.splitlines()[-1])
    stages = {s["stage"]: s for e in (TAKEN, REFUSED) for f in why(tmp_path, e)["funnels"] for s in f["stages"]}
    assert list(stages) == ["signals", "decisions", "fair", "edge", "size", "intents", "claimed", "accepted", "filled"]
    funnels = [f for event in (TAKEN, REFUSED) for f in why(tmp_path, event)["funnels"]]
    of = {f["strategy"]: {s["stage"]: s["count"] for s in f["stages"]} for f in funnels}
    (drop,) = [r for f in funnels for s in f["stages"] for r in s["refused"] if r["rule"] == "maxTradesPerDay"]
    assert (drop["value"], drop["limit"]) == ("1", "1")
    assert of["taking"]["intents"] >= of["taking"]["claimed"] + drop["count"]
    assert sum(stage["decisions"] for stage in of.values()) == summary["decisions"]
    assert of["taking"]["size"] == of["taking"]["intents"] == summary["intents"] >= of["taking"]["claimed"]
    assert of["resting"]["edge"] == of["resting"]["filled"] == 0
    assert all(no["value"] and no["limit"] for f in funnels for s in f["stages"] for no in s["refused"])
    exits = sum(f["exits"].get("claimed", 0) for f in funnels)
    assert summary["venue_accepted_orders"] <= of["taking"]["claimed"] + exits


def test_what_cannot_be_explained_is_one_line(tmp_path):
    told = run(tmp_path, "why", "KXNFLGAME-25SEP04DALPHI")
    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr == f"touchline: no touchline up has run in {tmp_path}: start one, or change the directory\n"
    golden = Path(__file__).parents[2] / "golden" / "why" / "evidence.json"
    stamp = json.loads(golden.read_text())["stamp"]
    folder = tmp_path / ".touchline" / "runs" / stamp
    folder.mkdir(parents=True)
    told = run(tmp_path, "why", "KX")
    assert told.returncode == 1
    assert "left no evidence.json" in told.stderr
    (folder / "evidence.json").write_text(golden.read_text())
    told = run(tmp_path, "why", "KXNOGAME")
    assert (told.returncode, len(told.stderr.splitlines())) == (2, 1)
    assert "KXNFLGAME-25SEP04DALPHI-PHI" in told.stderr
    told = run(tmp_path, "why", "KXNOGAME", "--run", "2020")
    assert (told.returncode, len(told.stderr.splitlines())) == (2, 1)
    assert stamp in told.stderr
    (folder / "evidence.json").write_text("{}")
    told = run(tmp_path, "why", "KXNOGAME")
    assert (told.returncode, len(told.stderr.splitlines())) == (1, 1)
