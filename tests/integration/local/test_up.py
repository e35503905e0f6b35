"""`touchline up` as people run it: real processes, real Redis, the simulator and a recorded game."""

from __future__ import annotations

import json
import signal

import pytest

from tests.integration.local.touchline import SAMPLES, items, mine, ready, run, start, until


@pytest.mark.slow
def test_a_game_is_traded_halted_resumed_and_wound_up(tmp_path):
    up = start(tmp_path, "up", SAMPLES / "policy.yaml", SAMPLES / "taking.yaml", "--json")
    try:
        until(lambda: ready(tmp_path))
        second = run(tmp_path, "up", SAMPLES / "policy.yaml", SAMPLES / "taking.yaml")
        assert (second.returncode, len(second.stderr.splitlines())) == (1, 1)
        assert f"process {up.pid}" in second.stderr
        halted = run(tmp_path, "halt", "--reason", "a test", "--json")
        assert halted.returncode == 0, halted.stderr
        assert json.loads(halted.stdout)["halted"] is True
        shown = items(tmp_path)
        assert shown["house"]["status"]["halt"]["causes"][0]["reason"] == "a test"
        assert shown["taking"]["status"]["replicas"] == 0
        resumed = run(tmp_path, "resume", "--json")
        assert resumed.returncode == 0, resumed.stderr
        until(lambda: items(tmp_path)["taking"]["status"]["replicas"] == 1)
        until(lambda: ready(tmp_path))
    finally:
        up.send_signal(signal.SIGINT)
        out, err = up.communicate(timeout=60)
    assert up.returncode == 0, err
    (line,) = out.splitlines()
    summary = json.loads(line)
    assert summary["resting_orders"] == 0
    assert summary["orders"] == summary["venue_accepted_orders"]
    assert summary["decisions"] > 0
    assert summary["halted"] is None
    assert 0 < summary["seconds_to_first_decision"] < 60
    assert {"up", "simulator", "bus-redis", "record-redis"} < set(summary["resident_mb"])
    assert mine(tmp_path) == []


@pytest.mark.slow
def test_nothing_is_left_when_up_is_killed(tmp_path):
    up = start(tmp_path, "up", SAMPLES / "policy.yaml", SAMPLES / "taking.yaml")
    try:
        until(lambda: ready(tmp_path))
    finally:
        up.kill()
        up.communicate()
    until(
        lambda: (
            not any("services." in " ".join(p.cmdline()) and "simulator" not in p.cmdline()[2] for p in mine(tmp_path))
        )
    )
    until(lambda: mine(tmp_path) == [])


def test_an_unknown_game_ends_with_one_line(tmp_path):
    text = (SAMPLES / "taking.yaml").read_text().replace("25SEP04DALPHI", "25SEP04DALXXX")
    (tmp_path / "bad.yaml").write_text(text)
    ended = run(tmp_path, "up", SAMPLES / "policy.yaml", "bad.yaml")
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith("touchline: simulator: ")
    assert "KXNFLGAME-25SEP04DALXXX" in ended.stderr
    assert "Traceback" not in ended.stderr
    until(lambda: mine(tmp_path) == [])


def reason(where) -> tuple[str, str, int]:
    status = items(where).get("taking", {}).get("status", {})
    found = {c["type"]: c for c in status.get("conditions", [])}.get("Ready", {})
    return found.get("reason", ""), found.get("message", ""), status.get("replicas", -1)


@pytest.mark.slow
def test_bad_input_that_only_a_process_can_refuse_stops_the_strategy_and_a_revert_recovers(tmp_path):
    good = (SAMPLES / "taking.yaml").read_text()
    edited = tmp_path / "taking.yaml"
    edited.write_text(good)
    up = start(tmp_path, "up", SAMPLES / "policy.yaml", edited, "--json")
    try:
        until(lambda: ready(tmp_path))
        edited.write_text(good.replace("plugin: kalshi-live-data", "plugin: oracle"))
        until(lambda: reason(tmp_path)[0] == "UnknownPlugin")
        assert reason(tmp_path)[1].startswith("spec.sources[")
        assert "known: kalshi-live-data" in reason(tmp_path)[1]
        until(lambda: reason(tmp_path)[2] == 0)
        edited.write_text(good)
        until(lambda: ready(tmp_path) and reason(tmp_path)[2] == 1)
    finally:
        up.send_signal(signal.SIGINT)
        _, err = up.communicate(timeout=60)
    assert up.returncode == 0, err
