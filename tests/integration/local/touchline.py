"""`touchline` as its users run it, for tests: start it, ask it, wait for it, and find what it left running."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

SAMPLES = Path(__file__).parents[3] / "manifests" / "samples"
UP = [sys.executable, "-m", "touchline_operator"]


def run(where, *words, **options):
    return subprocess.run(
        [*UP, *map(str, words)], cwd=where, capture_output=True, text=True, timeout=110, check=False, **options
    )


def start(where, *words):
    return subprocess.Popen(
        [*UP, *map(str, words)], cwd=where, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def mine(where) -> list[psutil.Process]:
    """Processes of ours that mention this directory, or run in it."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd().startswith(str(where)) and process.pid != os.getpid():
                found.append(process)
        except (psutil.AccessDenied, psutil.NoSuchProcess):
            continue
    return found


def until(check, seconds=60.0):
    """Poll until `check` returns something true; that."""
    deadline = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        assert time.monotonic() < deadline
        time.sleep(0.1)


def items(where) -> dict[str, dict]:
    told = run(where, "get", "--json")
    return {r["metadata"]["name"]: r for r in json.loads(told.stdout)["items"]} if told.returncode == 0 else {}


def ready(where) -> bool:
    found = items(where).get("taking", {}).get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in found)
