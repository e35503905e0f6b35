"""The CRDs, the typed API and the status writer cannot drift apart. Needs no cluster."""

from __future__ import annotations

import re
from decimal import Decimal as Exact
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.contract import typed
from tests.contract.cases import BAD, GOOD, Bad, Good
from tests.contract.crd import FILES, defaulted, problems, samples, schema, walk
from tests.contract.worlds import statuses
from touchline_operator.api import parse_policy, parse_strategy
from touchline_operator.api.common import Decimal, dollars, fraction, price
from touchline_operator.api.policy import _TIME, _ZONE, RiskPolicy
from touchline_operator.api.strategy import TradingStrategy

KINDS = sorted(FILES)
PARSE = {"RiskPolicy": parse_policy, "TradingStrategy": parse_strategy}
MODELS: dict[str, type[Any]] = {"RiskPolicy": RiskPolicy, "TradingStrategy": TradingStrategy}


@pytest.mark.parametrize("kind", KINDS)
def test_fields_types_bounds_and_messages_are_the_typed_apis(kind: str):
    spec = schema(kind)["properties"]["spec"]
    assert typed.actual(spec, "spec") == typed.expected(typed.SPECS[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_defaults_are_the_typed_apis(kind: str):
    found = typed.defaults(typed.SPECS[kind], schema(kind)["properties"]["spec"], "spec")
    assert len(found) > 20
    assert {path: pair for path, pair in found.items() if pair[0] != pair[1]} == {}


@pytest.mark.parametrize("sample", [pytest.param(doc, id=doc["metadata"]["name"]) for doc in samples()])
def test_what_the_api_server_adds_changes_nothing(sample: dict):
    parse = PARSE[sample["kind"]]
    stored = defaulted(schema(sample["kind"]), sample)
    assert stored["spec"] != sample["spec"]
    assert isinstance(parse(sample), MODELS[sample["kind"]])
    assert parse(stored) == parse(sample)


@pytest.mark.parametrize("good", GOOD, ids=lambda good: good.name)
def test_what_the_schema_accepts_the_typed_api_accepts(good: Good):
    assert not list(problems(schema(good.kind), good.made()))
    assert isinstance(PARSE[good.kind](good.made()), MODELS[good.kind])


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_what_the_schema_refuses_the_typed_api_refuses(bad: Bad):
    assert isinstance(PARSE[bad.kind](bad.made()), tuple)


def test_the_tables_are_as_long_as_promised_and_name_every_field():
    assert len(BAD) >= 60
    assert len(GOOD) >= 20
    told = " ".join(bad.expected for bad in BAD)
    for kind in KINDS:
        for place in walk(schema(kind)["properties"]["spec"]):
            for rule in place.node.get("x-kubernetes-validations", ()):
                assert rule["message"] in told or "immutable" in rule["message"], "a rule that no bad spec meets"


NEAR = st.from_regex(r"-?[0-9]{1,8}([.][0-9]{0,8})?", fullmatch=True)


@pytest.mark.parametrize(
    "decimal",
    [fraction("0.0001", "0.25"), fraction("0", "1"), price("0.001", "0.999"), dollars("0.01", "100000.00"), dollars("0.01", "1000000.00")],
    ids=lambda d: f"{d.what} {d.least} {d.most}",
)  # fmt: skip
@given(written=NEAR | st.text(max_size=10))
@example(written="1.000000")
@example(written="01.00")
@example(written="0.10\n")
@example(written="\u0660.\u0662\u0665")
@example(written="1000000.000000")
def test_a_pattern_and_its_bounds_accept_exactly_what_the_typed_api_reads(decimal: Decimal, written: str):
    # "$" of Python also matches before a newline at the end; RE2's and this pattern's "\Z" do not.
    shape = re.search(decimal.pattern.removesuffix("$") + r"\Z", written, re.ASCII)
    by_schema = (
        len(written) <= decimal.max_length
        and shape is not None
        and Exact(decimal.least) <= Exact(written) <= Exact(decimal.most)
    )
    try:
        decimal.read(written)
    except ValueError:
        assert not by_schema
    else:
        assert by_schema


def test_bounds_of_patterns_are_readable_by_go_and_python_alike():
    for pattern in (_TIME.pattern, _ZONE.pattern):
        assert not re.search(r"\\[dwsb]|\(\?", pattern), "classes differ between RE2 and re"


@pytest.mark.parametrize("kind", KINDS)
def test_every_status_that_is_written_fits(kind: str):
    written = statuses(kind)
    assert len(written) >= 8
    node = schema(kind)["properties"]["status"]
    for status in written:
        assert not list(problems(node, status, "status"))


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_a_status_is_written_by_somebody(kind: str):
    node = schema(kind)["properties"]["status"]
    known = {place.path for place in walk(node, "status")}
    seen = {path for status in statuses(kind) for path in _paths(status, "status")}
    assert known == seen


def _paths(value: Any, path: str) -> set[str]:
    if isinstance(value, list):
        return {path}.union(*(_paths(item, f"{path}[]") for item in value))
    if isinstance(value, dict):
        return {path}.union(*(_paths(item, f"{path}.{key}") for key, item in value.items()))
    return {path}
