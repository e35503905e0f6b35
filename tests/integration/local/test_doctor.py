"""`touchline doctor` on nothing, on a healthy run, and on one that is broken in each way in turn."""

from __future__ import annotations

import http.server
import json
import os
import signal
import subprocess
import threading
import time
from email.utils import formatdate

import psutil
import pytest
import redis

from tests.integration.local.touchline import SAMPLES, UP, until
from touchline_operator.cli.doctor.probe import probe
from trading_logic.contracts.config import Exchange

ALONE = {name: value for name, value in os.environ.items() if not name.startswith("KUBE")}


def doctor(where, *words):
    env = ALONE | {"HOME": str(where)}  # no cluster of this machine's user
    told = subprocess.run(
        [*UP, "doctor", *words, "--json"], cwd=where, capture_output=True, text=True, timeout=60, check=False, env=env
    )
    assert not told.stderr, told.stderr
    body = json.loads(told.stdout)
    assert told.returncode == {"OK": 0, "WARN": 1, "BLOCK": 2}[body["level"]]
    assert all(check["value"] and check["limit"] for check in body["checks"])
    assert all(check["remedy"] for check in body["checks"] if check["level"] != "OK"), body
    return {check["name"]: check for check in body["checks"]}


def wrong(where, *words):
    return {name: check["level"] for name, check in doctor(where, *words).items() if check["level"] != "OK"}


def test_with_nothing_running_nothing_is_called_well(tmp_path):
    found = doctor(tmp_path)
    assert {check["level"] for check in found.values()} == {"WARN"}
    assert {"touchline up", "redis bus", "redis record", "disk record", "exchange, key and clock"} <= set(found)
    text = subprocess.run(
        [*UP, "doctor"], cwd=tmp_path, capture_output=True, text=True, check=False, env=ALONE | {"HOME": str(tmp_path)}
    )
    assert text.returncode == 1
    assert text.stdout.startswith("doctor: WARN\n")


@pytest.mark.slow
def test_a_healthy_run_and_each_way_to_break_it(tmp_path):
    up = subprocess.Popen(
        [*UP, "up", SAMPLES / "policy.yaml", SAMPLES / "taking.yaml", "--json"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        until(lambda: up.poll() is None and (tmp_path / ".touchline/run.json").exists() and not wrong(tmp_path))
        run = json.loads((tmp_path / ".touchline/run.json").read_text())
        record = redis.Redis.from_url(run["record_url"])

        record.config_set("appendfsync", "everysec")
        assert wrong(tmp_path) == {"redis record appendfsync": "BLOCK"}
        record.config_set("appendfsync", "always")
        record.close()

        (key,) = tmp_path.glob(".touchline/secrets/*/keyID")
        known = key.read_text()
        key.chmod(0o644)
        assert wrong(tmp_path) == {f"key file {key.relative_to(tmp_path)}": "BLOCK"}
        key.chmod(0o600)
        key.write_text("not-a-key-of-this-exchange")
        found = wrong(tmp_path)
        assert [level for name, level in found.items() if name.startswith("key ")] == ["BLOCK"]
        key.write_text(known)
        until(lambda: not wrong(tmp_path))

        away = wrong(tmp_path, "--record-url", f"unix://{tmp_path}/nothing.sock")
        assert away["redis record"] == "BLOCK"
        assert away["leases, feeds and processes"] == "WARN"

        (ingest,) = [p for p in psutil.Process(up.pid).children(recursive=True) if "services.ingest" in p.cmdline()]
        ingest.suspend()
        stale = until(lambda: {n: v for n, v in wrong(tmp_path).items() if n.startswith("feed ")})
        assert set(stale) == {"feed KXNFLGAME-25SEP04DALPHI"}
        ingest.resume()

        until(lambda: not wrong(tmp_path))
        subprocess.run([*UP, "halt", "--reason", "test"], cwd=tmp_path, capture_output=True, timeout=60, check=True)
        assert wrong(tmp_path)["latch house"] == "WARN"
    finally:
        up.send_signal(signal.SIGINT)
        _, err = up.communicate(timeout=60)
    assert up.returncode == 0, err
    (last,) = (tmp_path / ".touchline/runs").iterdir()
    (last / "record").rename(tmp_path / "elsewhere")
    assert doctor(tmp_path)["disk record"]["level"] == "BLOCK"


@pytest.fixture
def exchange_an_hour_off():
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = b'{"exchange_active": true, "trading_active": true}'
            self.send_response_only(200)
            self.send_header("Date", formatdate(time.time() + 3600, usegmt=True))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/trade-api/v2"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_clock_that_is_an_hour_off_blocks(exchange_an_hour_off):
    checks = probe({"x": Exchange("Simulator", exchange_an_hour_off, "ws://x", "", "", 0)})
    by_name = {check.name: check for check in checks}
    assert (by_name["exchange x"].level, by_name["clock x"].level) == ("OK", "BLOCK")
    least, most = by_name["clock x"].value.removesuffix(" ms ahead").split(" to ")
    assert -3_602_000 <= int(least) <= int(most) <= -3_598_000


def test_an_exchange_that_is_away_blocks_in_one_line():
    checks = probe({"x": Exchange("Simulator", "http://127.0.0.1:9/trade-api/v2", "ws://x", "", "", 0)})
    assert [(check.name, check.level) for check in checks] == [("environment x", "OK"), ("exchange x", "BLOCK")]
