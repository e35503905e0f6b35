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


@pytest.mark.parametrize("case", CASES)
def test_json_holds_the_same_answer(case, evidence):
    answer = explain(evidence, CASES[case], running=False, now_ms=evidence.at_ms)
    again = msgspec.json.decode(msgspec.json.encode(answer), type=type(answer))
    assert again == answer
