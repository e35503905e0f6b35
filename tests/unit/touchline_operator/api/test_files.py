from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.resources import policy, strategy
from touchline_operator.api import RiskPolicy, TradingStrategy, parse_policy, parse_strategy
from touchline_operator.api.files import ResourceFileError, read_file, read_files

SAMPLES = Path(__file__).parents[4] / "manifests" / "samples"


def lines_of(tmp_path, text):
    file = tmp_path / "f.yaml"
    file.write_text(text)
    with pytest.raises(ResourceFileError) as caught:
        read_file(file)
    return [line.removeprefix(str(file)) for line in caught.value.lines]


def test_the_samples_are_good_and_name_each_other():
    found = {resource.key for resource in read_files(sorted(SAMPLES.glob("*.yaml")))}
    assert found == {("RiskPolicy", "house"), ("TradingStrategy", "taking"), ("TradingStrategy", "resting")}
    sunday = {resource.key for resource in read_files(sorted(SAMPLES.glob("sunday/*.yaml")))}
    assert sunday == {("RiskPolicy", "sunday"), ("TradingStrategy", "winners"), ("TradingStrategy", "lines")}


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (lambda s: s["spec"]["entry"].update(minEdge=0.02), "spec.entry.minEdge: 0.02 is not allowed; allowed: dollars"),
        (lambda s: s["spec"]["entry"].update(minEgde="0.02"), "spec.entry.minEgde: unknown field; did you mean minEdge?"),
        (lambda s: s["spec"].update(llm={}), "spec.llm: unknown field; allowed: mode, "),
        (lambda s: s["spec"]["sizing"].update(kellyFraction="0.26"), 'from "0.0001" to "0.25"'),
        (lambda s: s["spec"]["markets"][0].update(series="KXNFLGAME"), "spec.markets[0]: exactly one of event, series, ticker"),
        (lambda s: s["spec"]["markets"][0].update(ticker="A-B-C"), "spec.markets[0]: exactly one of event, series, ticker"),
        (lambda s: s["spec"]["markets"][0].pop("event"), "spec.markets[0]: exactly one of event, series, ticker"),
        (lambda s: s["spec"]["markets"].append(s["spec"]["markets"][0] | {"event": "A-B"}), "spec: markets: the name game stands twice"),
        (lambda s: s["spec"]["markets"].append(s["spec"]["markets"][0] | {"name": "b"}), "one entry per event or series is allowed"),
        (lambda s: s["spec"]["entry"].update(orderStyle="Rest"), "spec.entry: restSeconds is missing"),
        (lambda s: s["spec"]["entry"].update(restSeconds=5), "spec.entry: restSeconds is allowed only with orderStyle: Rest"),
        (lambda s: s["spec"]["entry"].update(minPrice="0.9", maxPrice="0.10"), "spec.entry.minPrice: '0.9' is not allowed"),
        (lambda s: s["spec"]["entry"].update(minPrice="0.90", maxPrice="0.10"), "spec.entry: minPrice must be below maxPrice"),
        (lambda s: s["spec"].update(executor={"replicas": 2}), "spec.executor.replicas: 2 is too large; allowed: 1 or less"),
        (lambda s: s["spec"].update(mode="paper"), "spec.mode: 'paper' is not allowed; allowed: 'Paper' or 'Live'"),
        (lambda s: s["spec"].update(suspend="no"), "spec.suspend: 'no' is not allowed; allowed: true or false"),
        (lambda s: s["spec"].pop("exit"), "spec.exit: missing; it is required"),
        (lambda s: s["spec"].update(markets=[]), "spec.markets: empty; allowed: 1 or more"),
        (lambda s: s["spec"].update(analyst={"models": [{"name": "m", "weight": "1"}] * 2}), "each model is allowed once"),
        (lambda s: s["metadata"].update(name="Bad_Name"), "metadata.name: 'Bad_Name' is not allowed; allowed: 1 to 63"),
    ],
)  # fmt: skip
def test_a_bad_strategy_is_refused_with_what_is_allowed(change, wanted):
    raw = strategy(sizing={})
    change(raw)
    problems = parse_strategy(raw)
    assert isinstance(problems, tuple)
    assert any(wanted in str(problem) for problem in problems), [str(p) for p in problems]


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        ({"mode": "Live"}, "with exchange.environment Simulator only Paper is allowed"),
        ({"exchange": {"environment": "Demo"}}, "spec.exchange: credentialsSecretRef is missing"),
        ({"maxDailyLoss": "0.25"}, "maxDailyLoss must be below maxDrawdown"),
        ({"minPositionDollars": "300.00"}, "minPositionDollars must be below maxPositionDollars"),
        ({"haltReason": "why"}, "haltReason is allowed only together with halt: true"),
        ({"tradingDay": {"timeZone": "Mars/Base"}}, "spec.tradingDay.timeZone: 'Mars/Base' is not allowed"),
        ({"tradingDay": {"startsAt": "25:00"}}, "spec.tradingDay.startsAt: '25:00' is not allowed"),
        ({"staleAfterSeconds": 1}, "spec.staleAfterSeconds: 1 is too small; allowed: 2 or more"),
        ({"maxOrdersPerMinute": "30"}, "allowed: a whole number without quotes"),
        ({"maxDrawdown": "25%"}, "spec.maxDrawdown: '25%' is not allowed"),
        ({"resume": {"haltID": ""}}, "spec.resume.haltID: empty"),
    ],
)
def test_a_bad_policy_is_refused_with_what_is_allowed(spec, wanted):
    problems = parse_policy(policy(**spec))
    assert isinstance(problems, tuple)
    assert any(wanted in str(problem) for problem in problems), [str(p) for p in problems]


def test_a_halt_is_accepted_on_every_good_policy():
    for spec in (
        {},
        {"maxTradesPerDay": 1},
        {"exchange": {"environment": "Demo", "credentialsSecretRef": {"name": "k"}}},
    ):
        parsed = parse_policy(policy(**spec, halt=True, haltReason="x", resume={"haltID": "dd-1"}))
        assert isinstance(parsed, RiskPolicy)
        assert parsed.spec.halt


def test_strings_become_integers():
    parsed = parse_strategy(strategy())
    assert isinstance(parsed, TradingStrategy)
    assert (parsed.spec.entry.min_edge, parsed.spec.exit.stop_loss, parsed.spec.sizing.kelly_fraction) == (
        300,
        1000,
        250_000,
    )
    envelope = parse_policy(policy(maxPositionDollars="12.50"))
    assert isinstance(envelope, RiskPolicy)
    assert (envelope.spec.max_position_dollars, envelope.spec.max_drawdown) == (12_500_000, 250_000)


def test_every_problem_of_a_file_has_its_line_and_its_resource(tmp_path):
    text = yaml.safe_dump(policy()) + "---\n" + yaml.safe_dump(strategy(mode="x"))
    (line,) = lines_of(tmp_path, text)
    number = next(i for i, row in enumerate(text.splitlines(), 1) if row == "  mode: x")
    assert line.startswith(f":{number}: TradingStrategy/sunday: spec.mode: 'x' is not allowed")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a: 1\na: 2\n", ":2: not valid YAML: the key 'a' stands twice"),
        ("a: [1\n", ": not valid YAML: "),
        ("", ": holds no resource"),
        ("- 1\n", ":1: not a resource"),
        ("apiVersion: v1\nkind: Pod\n", ":1: apiVersion: 'v1' is not allowed; allowed: touchline.dev/v1alpha1"),
        (
            "apiVersion: touchline.dev/v1alpha1\nkind: Pod\n",
            ":2: kind: 'Pod' is not allowed; allowed: TradingStrategy or RiskPolicy",
        ),
    ],
)
def test_what_is_no_resource_is_one_clear_line(tmp_path, text, wanted):
    (line,) = lines_of(tmp_path, text)
    assert wanted in line
    assert "\n" not in line


def test_the_same_resource_in_two_files_is_refused(tmp_path):
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(yaml.safe_dump(policy()))
    with pytest.raises(ResourceFileError, match=r"b.yaml:1: RiskPolicy/house is already in .*a.yaml:1"):
        read_files([tmp_path / "a.yaml", tmp_path / "b.yaml"])


JSONISH = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "event", "x", "replicas"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(field=st.sampled_from(sorted(strategy()["spec"])), value=JSONISH)
def test_nothing_that_people_write_breaks_the_parser(field, value):
    raw = strategy()
    raw["spec"][field] = value
    parsed = parse_strategy(raw)
    assert isinstance(parsed, TradingStrategy) or all(str(problem) for problem in parsed)
