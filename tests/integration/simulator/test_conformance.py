"""The table in the docs is what the tests do today."""

import importlib.util
from pathlib import Path

SCRIPT = Path(__file__).with_name("conformance.py")


def load():
    spec = importlib.util.spec_from_file_location("conformance", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_current():
    conformance = load()
    told = f"run python {SCRIPT.relative_to(conformance.ROOT)}"
    assert conformance.PAGE.read_text() == conformance.page(), told


def test_every_call_that_is_served_is_tested():
    conformance = load()
    found = conformance.tested()
    assert [(route.method, route.path) for route in conformance.ROUTES if not found[route.method, route.path]] == []
