"""Dashboards, alerts and runbooks: current, parseable, and about metrics that the code has."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.ledger.books import Books
from services.ledger.gauges import Account, Position, metrics
from services.ledger.marks import Valuation
from services.ledger.statement import Kept, Reading, risk_fields
from tests.contract.chart import EVERYTHING, MONITORING, ROOT, absent, golden_objects, one, pods, render, selects, tool
from touchline_operator import names
from trading_logic.contracts.record import HaltState
from trading_logic.risk.drawdown import EquityTrack

ALERTS = yaml.safe_load((MONITORING / "alerts.yaml").read_text())
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
BOARDS = sorted((MONITORING / "dashboards" / "json").glob("*.json"))
RUNBOOKS = ROOT / "docs" / "runbooks"
METRIC = re.compile(r"\b(touchline_[a-z_]+|up)\b(?=\{|\[|\s|\)|$)")
VARIABLES = {"$namespace": "trading", "$policy": "house", "$__rate_interval": "1m"}


# -- what the code has


def literals(node: ast.expr) -> Iterator[str]:
    """Every text that an argument may be, as far as the source says; an f-string up to its first hole."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.IfExp(body=body, orelse=orelse):
            yield from literals(body)
            yield from literals(orelse)
        case ast.JoinedStr(values=[ast.Constant(value=str(text)), *_]):
            yield text


def counted(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """(what, name) of each counter and histogram of a module."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="count" | "histogram" as what), args=[first, *_]):
                yield from ((what, text.partition(":")[0]) for text in literals(first))
            case ast.Call(func=ast.Name(id="Counter"), args=[ast.Constant(value=str(text)), *_]):
                yield "whole", text
            case ast.Subscript(value=ast.Name(id="counters"), slice=ast.Constant(value=str(text))):
                yield "count", text


def account() -> Account:
    """An account that shows everything there is."""
    track = EquityTrack(equity=1, peak=1, day="2026-09-17", day_start=1)
    risk = risk_fields(Books(cash=1), Valuation({}, 0, ()), 0, Kept(track, 1, 1, ""), Reading())
    limits = type("Limits", (), {"max_drawdown_ppm": 1, "max_daily_loss_ppm": 1})()
    halt = HaltState(epoch=1, since_ms=1, resting=0, state="confirmed", confirmed_ms=1, message="")
    return Account(risk, 1, limits, frozenset({"Manual"}), halt, (Position("M", "s", 1, 1, 1),))


def exposed() -> set[str]:
    """Names of all metrics of all processes, as Prometheus stores them."""
    found = {"up", "touchline_ready", *(family.name for family in metrics(account()))}
    for path in (ROOT / "services").rglob("*.py"):
        package = path.relative_to(ROOT / "services").parts[0]
        role = {"sources": "source"}.get(package, package)
        if role not in {str(known) for known in names.Role}:
            continue
        for what, name in counted(ast.parse(path.read_text())):
            base = f"touchline_{role}_{name}".replace("-", "_")
            if what == "whole":
                found.add(f"{name}_total")
            elif what == "count":
                found.add(f"{base}_total")
            else:
                found |= {f"{base}_seconds_{part}" for part in ("bucket", "sum", "count")}
    return found


def test_the_search_for_metrics_finds_each_way_to_make_one():
    source = 'app.count("a")\napp.count("b" if x else "c")\napp.count(f"d:{rule}")\napp.histogram("e", "text")\ncounters["f"] = 1\nCounter("touchline_g", "text")'
    assert list(counted(ast.parse(source))) == [
        ("count", "a"), ("count", "b"), ("count", "c"), ("count", "d"), ("histogram", "e"), ("count", "f"), ("whole", "touchline_g")
    ]  # fmt: skip


# -- what is asked for


def walk(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from walk(item)
    elif isinstance(value, list):
        for item in value:
            yield from walk(item)


def queries(path: Path) -> list[str]:
    """Every PromQL of a dashboard, with its variables filled in."""
    found = [node["expr"] for node in walk(json.loads(path.read_text())) if "expr" in node]
    for name, value in VARIABLES.items():
        found = [expr.replace(name, value) for expr in found]
    return found


def test_there_are_the_three_dashboards():
    assert [path.stem for path in BOARDS] == ["games", "money", "pipeline"]


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_every_query_of_a_dashboard_asks_for_metrics_that_exist(path):
    found = queries(path)
    assert len(found) >= 8
    known = exposed()
    for expr in found:
        asked = set(METRIC.findall(expr))
        assert asked, expr
        assert asked <= known, expr


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_every_panel_asks_the_chosen_source_and_no_variable_is_unknown(path):
    board = json.loads(path.read_text())
    defined = {variable["name"] for variable in board["templating"]["list"]}
    assert set(re.findall(r"\$\{?([a-z]\w*)", path.read_text())) <= defined | {"__rate_interval"}
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    assert {panel["datasource"]["uid"] for panel in panels} == {"${datasource}"}
    assert len({panel["title"] for panel in panels}) == len(panels)


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_prometheus_understands_every_query(path, tmp_path):
    rules = [{"record": f"query:{at}", "expr": expr} for at, expr in enumerate(queries(path))]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    done = subprocess.run([tool("promtool"), "check", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout


def test_dashboards_are_made_by_their_code():
    if importlib.util.find_spec("grafana_foundation_sdk") is None:
        absent("grafana-foundation-sdk is not installed")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import generate\n"
        "print(*[n for n, t in generate.texts().items() if (generate.HERE / 'dashboards/json' / n).read_text() != t])"
    )
    done = subprocess.run([sys.executable, "-c", code, MONITORING], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("", ""), "run: python manifests/monitoring/generate.py"


# -- alerts


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_metrics_that_exist(rule):
    asked = set(METRIC.findall(rule["expr"]))
    assert asked
    assert asked <= exposed()
    assert rule["labels"]["severity"] in {"warning", "critical"}


def test_alerts_fire_when_they_should_and_not_before():
    done = subprocess.run(
        [tool("promtool"), "test", "rules", "alerts_test.yaml"],
        cwd=MONITORING,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout


def test_every_alert_is_tested():
    cases = yaml.safe_load((MONITORING / "alerts_test.yaml").read_text())["tests"]
    fired = {case["alertname"] for test in cases for case in test["alert_rule_test"] if case["exp_alerts"]}
    silent = {case["alertname"] for test in cases for case in test["alert_rule_test"] if not case["exp_alerts"]}
    assert fired == silent == {rule["alert"] for rule in RULES}


def test_every_alert_has_a_runbook_with_commands_and_no_runbook_is_left_over():
    assert {path.stem for path in RUNBOOKS.glob("*.md")} == {rule["alert"] for rule in RULES}
    for path in RUNBOOKS.glob("*.md"):
        parts = re.split(r"^## ", path.read_text(), flags=re.MULTILINE)
        assert [part.split("\n")[0] for part in parts[1:]] == ["Meaning", "Impact", "Diagnosis", "Mitigation"], (
            path.name
        )
        assert parts[0].strip() == f"# {path.stem}"
        for part in parts[3:]:
            assert "kubectl " in part, f"{path.name}: no command in {part.splitlines()[0]}"


# -- in the chart


def test_the_chart_ships_the_alerts_with_their_runbooks():
    rule = one(
        render(EVERYTHING | {"monitoring.prometheusRules.runbooks": "https://books.example"}),
        "PrometheusRule",
        "touchline",
    )
    shipped = [found for group in rule["spec"]["groups"] for found in group["rules"]]
    assert [found["annotations"].pop("runbook_url") for found in shipped] == [
        f"https://books.example/{rule['alert']}.md" for rule in RULES
    ]
    assert shipped == RULES


def test_the_chart_ships_the_dashboards_with_the_sidecars_label():
    objects = render(EVERYTHING | {"monitoring.dashboards.label": "board"})
    for path in BOARDS:
        made = one(objects, "ConfigMap", f"touchline-dashboard-{path.stem}")
        assert made["metadata"]["labels"]["board"] == "1"
        assert json.loads(made["data"][path.name]) == json.loads(path.read_text())


def test_the_pod_monitor_finds_every_process_and_gives_the_labels_that_are_asked_for():
    monitor = one(render(EVERYTHING), "PodMonitor", "touchline")["spec"]
    found = {
        pod["metadata"]["labels"][names.COMPONENT]
        for _, pod in pods(golden_objects())
        if selects(monitor["selector"], pod["metadata"]["labels"])
    }
    assert found == {str(role) for role in names.Role}
    (endpoint,) = monitor["podMetricsEndpoints"]
    given = {}
    for rule in endpoint["relabelings"]:
        given[rule["targetLabel"]] = rule["sourceLabels"][0]
    assert given == {
        label: "__meta_kubernetes_pod_label_" + re.sub(r"[^a-z]", "_", key)
        for label, key in {
            "role": names.COMPONENT, "policy": names.POLICY, "strategy": names.STRATEGY, "feed": names.FEED,
            "process": names.INSTANCE,
        }.items()
    }  # fmt: skip
    ports = {
        port["name"]
        for _, pod in pods(golden_objects())
        for container in pod["spec"]["containers"]
        for port in container["ports"]
    }
    assert ports == {endpoint["port"]}


def test_monitoring_is_off_by_default():
    assert not {"PodMonitor", "PrometheusRule"} & {made["kind"] for made in render()}
