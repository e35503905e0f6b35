"""The page of bad input is what the commands print today."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("bad_input.py")


def load():
    spec = importlib.util.spec_from_file_location("bad_input", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["bad_input"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_page_is_current():
    bad_input = load()
    told = f"run python {SCRIPT.relative_to(bad_input.ROOT)}"
    assert bad_input.PAGE.read_text().splitlines() == bad_input.page().splitlines(), told
