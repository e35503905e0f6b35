"""What `touchline why` prints of a real run's evidence; refreshed like the rest of the golden files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import msgspec
import pytest

from touchline_operator.adapters.local.evidence import read_evidence
from touchline_operator.cli.render import plain
from touchline_operator.cli.why.answer import EventAnswer
from touchline_operator.cli.why.command import explain
from touchline_operator.cli.why.sections import event_sections, market_sections

HERE = Path(__file__).parent
CASES = {
    "taken": "KXNFLGAME-25SEP07BALBUF-BUF",
    "dropped-at-the-gate": "KXNFLGAME-25SEP04DALPHI-DAL",
    "refused": "KXNFLGAME-25SEP04DALPHI-PHI",
    "funnel": "KXNFLGAME-25SEP04DALPHI",
}


@pytest.fixture
def evidence(tmp_path):
    shutil.copy(HERE / "evidence.json", tmp_path)
    return read_evidence(tmp_path)


@pytest.mark.parametrize("case", CASES)
def test_the_text_is_what_the_file_says(case, evidence):
    answer = explain(evidence, CASES[case], running=True, now_ms=evidence.at_ms + 800)
    if isinstance(answer, EventAnswer):
        made = plain(event_sections(answer, evidence.catalog[answer.ticker]))
    else:
        made = plain(market_sections(answer, evidence.catalog[answer.event]))
    expected = HERE / f"{case}.txt"
    if os.environ.get("TOUCHLINE_REFRESH_GOLDEN") == "1":
        expected.write_text(made)
    assert made == expected.read_text()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"line": "spread", "strike": 650},
            "spread: YES pays when Buffalo wins by more than 6.5; 0.4550 before the start",
        ),
        (
            {"line": "spread", "strike": 300, "outcome": "away", "prior": None},
            "spread: YES pays when Baltimore wins by more than 3; no price yet from before the start",
        ),
        (
            {"line": "total", "strike": 4_450, "outcome": "over"},
            "total: YES pays when more than 44.5 points are scored; 0.4550 before the start",
        ),
    ],
)
def test_spreads_and_totals_say_on_what_yes_pays(evidence, change, said):
    answer = explain(evidence, CASES["taken"], running=False, now_ms=evidence.at_ms)
    answer = msgspec.structs.replace(answer, market=msgspec.structs.replace(answer.market, **change))
    head = market_sections(answer, evidence.catalog[answer.event])[0]
    assert ("line", said) in head.rows


def test_the_total_that_a_decision_used_is_among_its_facts(evidence):
    answer = explain(evidence, CASES["refused"], running=False, now_ms=evidence.at_ms)
    [desk] = [desk for desk in answer.desks if desk.decision]
    told = msgspec.structs.replace(desk.decision.explanation, prior_total=4_712)
    desk = msgspec.structs.replace(desk, decision=msgspec.structs.replace(desk.decision, explanation=told))
    text = plain(market_sections(msgspec.structs.replace(answer, desks=(desk,)), evidence.catalog[answer.event]))
    assert ", prior total 47.12 points" in text


@pytest.mark.parametrize("case", CASES)
def test_json_holds_the_same_answer(case, evidence):
    answer = explain(evidence, CASES[case], running=False, now_ms=evidence.at_ms)
    again = msgspec.json.decode(msgspec.json.encode(answer), type=type(answer))
    assert again == answer
