"""Every query of the dashboards and of the alerts, asked of a real Prometheus that scraped a real `touchline up`."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import psutil
import pytest
import yaml

from tests.fakes.relay import relay
from tests.integration.local.touchline import SAMPLES, mine, ready, start, until
from trading_logic.contracts import config

ROOT = Path(__file__).parents[3]
MONITORING = ROOT / "manifests" / "monitoring"
VARIABLES = {"$namespace": "trading", "$policy": ".*", "$__rate_interval": "15s"}
RULES = {
    rule["alert"]: rule["expr"]
    for group in yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
}
ONLY_WHEN_HALTED = "no cause is latched"
EMPTY_WHILE_HEALTHY = {
    "touchline_ledger_cause": ONLY_WHEN_HALTED,
    "touchline_source_errors_total": "a source that answers has no kind of error to name",
}
"""Metric -> why nothing is shown of it in a healthy run; everything else must show something."""

KINDS: list[tuple[str, type[config.Process]]] = [
    ("ledger", config.LedgerConfig),
    ("executor", config.ExecutorConfig),
    ("decision", config.DecisionConfig),
    ("ingest", config.Ingest),
    ("consumer", config.Consumer),
    ("catalog", config.Catalog),
    ("source", config.Source),
]


def queries() -> list[str]:
    """Every PromQL of every dashboard, with its variables filled in."""
    found: list[str] = []
    for path in sorted((MONITORING / "dashboards" / "json").glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            found += [target["expr"] for target in panel.get("targets", ())]
    for name, value in VARIABLES.items():
        found = [expr.replace(name, value) for expr in found]
    return list(dict.fromkeys(found))


def labels_of(file: Path) -> dict[str, str]:
    """The labels that the chart's PodMonitor takes from a pod: role, policy, strategy, feed, process."""
    body = json.loads(file.read_text())
    role = next(role for role, kind in KINDS if decodes(file, kind))
    shown = {"role": role, "process": body["process"], "namespace": "trading"}
    for name in {"ledger": ["policy"], "executor": ["policy", "strategy"], "decision": ["policy", "strategy"]}.get(
        role, ["feed"]
    ):
        shown[name] = body[name]
    return shown


def decodes(file: Path, kind: type[config.Process]) -> bool:
    try:
        config.decode(file.read_bytes(), kind)
    except ValueError:
        return False
    return True


class Prometheus:
    """A real one, scraping every process of one run each second."""

    def __init__(self, folder: Path, relayed: str, processes: dict[str, dict[str, str]]) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        shutil.copy(MONITORING / "alerts.yaml", folder / "alerts.yaml")
        targets = [
            {"targets": [relayed], "labels": {**labels, "__metrics_path__": f"/{name}/metrics"}}
            for name, labels in processes.items()
        ]
        own = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": ["alerts.yaml"],
            "scrape_configs": [{"job_name": "touchline", "static_configs": targets}],
        }
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(own))
        command = [
            "prometheus", f"--config.file={folder}/prometheus.yaml", f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{self._port}", "--log.level=warn",
        ]  # fmt: skip
        self.process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
        until(self.healthy, 30)

    def ask(self, path: str, **arguments: str) -> Any:
        url = f"http://127.0.0.1:{self._port}{path}?{urllib.parse.urlencode(arguments)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]

    def healthy(self) -> bool:
        try:
            return bool(self.ask("/api/v1/status/runtimeinfo"))
        except (OSError, ValueError):
            return False

    def shows(self, expr: str) -> bool:
        """Whether the query returns a number now: NaN is what a panel leaves blank."""
        found = self.ask("/api/v1/query", query=expr)["result"]
        return any(sample["value"][1] != "NaN" for sample in found)

    def rules(self) -> dict[str, dict[str, Any]]:
        groups = self.ask("/api/v1/rules")["groups"]
        return {rule["name"]: rule for group in groups for rule in group["rules"]}


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Path]:
    """A run of the samples whose policy tells a receiver that is not there."""
    policy = (SAMPLES / "policy.yaml").read_text().rstrip() + "\n  alerts: [{type: Webhook, secretRef: {name: hook}}]\n"
    (tmp_path / "policy.yaml").write_text(policy)
    hook = tmp_path / ".touchline" / "secrets" / "hook" / "url"
    hook.parent.mkdir(parents=True)
    hook.write_text("http://127.0.0.1:9/nobody")
    hook.chmod(0o600)
    up = start(tmp_path, "up", "policy.yaml", SAMPLES / "taking.yaml", SAMPLES / "resting.yaml", "--speed", "60")
    drained = Thread(target=up.communicate)
    drained.start()
    try:
        until(lambda: ready(tmp_path), 60)
        yield tmp_path
    finally:
        for process in mine(tmp_path):
            if process.status() == psutil.STATUS_STOPPED:
                process.resume()
        up.send_signal(signal.SIGINT)
        drained.join(60)
    assert mine(tmp_path) == []


def one(run: Path, module: str) -> psutil.Process:
    (found,) = [process for process in mine(run) if module in process.cmdline()]
    return found


def seen(prometheus: Prometheus, asked: list[str], seconds: float) -> list[str]:
    """Those queries that returned nothing at any time within `seconds`."""
    left, deadline = list(asked), time.monotonic() + seconds
    while left and time.monotonic() < deadline:
        left = [expr for expr in left if not prometheus.shows(expr)]
        time.sleep(0.5)
    return left


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed")
def test_every_panel_and_every_alert_shows_what_it_promises(
    run: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    configs = {path.parent.name: path for path in (run / ".touchline" / "last" / "config").glob("*/config.json")}
    processes = {name: labels_of(path) for name, path in configs.items()}
    assert {labels["role"] for labels in processes.values()} == {role for role, _ in KINDS}
    sockets = {
        name: json.loads(path.read_text())["health"]["listen"].removeprefix("unix:") for name, path in configs.items()
    }
    with relay(sockets) as address:
        prometheus = Prometheus(tmp_path_factory.mktemp("prometheus"), address, processes)
        try:
            _asked(prometheus, run)
        finally:
            prometheus.process.kill()
            prometheus.process.wait()


def _asked(prometheus: Prometheus, run: Path) -> None:
    every = queries()
    assert len(every) >= 50
    calm = [expr for expr in every if not any(metric in expr for metric in EMPTY_WHILE_HEALTHY)]
    assert seen(prometheus, calm, 60) == [], "a panel stays blank in a healthy run"
    assert {rule["health"] for rule in prometheus.rules().values()} == {"ok"}
    assert set(prometheus.rules()) == set(RULES)
    assert [name for name, expr in RULES.items() if prometheus.shows(expr)] == [], "an alert in a healthy run"

    # The exchange is away and people halt: halted, not confirmed, stale, and nobody receives the alert.
    exchange = one(run, "services.simulator")
    exchange.suspend()
    (run / ".touchline" / "overlay").mkdir(exist_ok=True)
    overlay = run / ".touchline" / "overlay" / "riskpolicy-house.json"
    overlay.write_text(json.dumps({"halt": True, "haltReason": "a test"}))
    halting = [expr for expr in every if any(metric in expr for metric in EMPTY_WHILE_HEALTHY)]
    assert len(halting) == len(EMPTY_WHILE_HEALTHY)
    alarms = [RULES[f"Touchline{name}"] for name in ("Halted", "HaltNotConfirmed", "FeedStale", "AlertsFailing")]
    assert seen(prometheus, [*halting, *alarms], 45) == []

    ledger = one(run, "services.ledger")
    ledger.suspend()
    assert seen(prometheus, [RULES["TouchlineLedgerSilent"]], 30) == []
    ledger.resume()
    exchange.resume()
    until(lambda: not prometheus.shows(RULES["TouchlineHaltNotConfirmed"]), 60)
    until(lambda: prometheus.shows('touchline_ledger_halt_confirmed{policy="house"} == 1'), 30)
