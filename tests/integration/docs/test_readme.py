"""Every command in the README is run: here against a running `up`, or by the CI script by its own name."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent
SAMPLES = [str(ROOT / "manifests" / "samples" / f"{name}.yaml") for name in ("policy", "taking", "resting")]
BY_CI = {"make run", "make test"}


def commands() -> list[str]:
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line]


def test_every_command_has_somebody_who_runs_it():
    others = [line for line in commands() if not line.startswith(".venv/bin/touchline ")]
    assert set(others) == BY_CI
    script = (ROOT / ".ci" / "run").read_text()
    for line in BY_CI:
        assert re.search(rf"^{line}\b", script, flags=re.MULTILINE), f"{line} is not run by .ci/run"


@pytest.mark.parametrize("page", ["README.md", "trading_logic/README.md", "services/README.md", "operator/README.md"])
def test_every_linked_file_exists(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / page).read_text()):
        assert ((ROOT / page).parent / target).exists(), target


@pytest.mark.parametrize(
    ("page", "folder"),
    [("trading_logic", "trading_logic"), ("services", "services"), ("operator", "operator/touchline_operator")],
)
def test_the_page_of_a_folder_names_all_that_is_in_it(page, folder):
    text = (ROOT / page / "README.md").read_text()
    inside = {path.stem for path in (ROOT / folder).iterdir() if not path.name.startswith(("_", "README", "py.typed"))}
    assert {name for name in inside if not re.search(rf"`{name}(/|\.py)?`", text)} == set()


@pytest.mark.slow
def test_the_commands_of_while_it_runs(tmp_path):
    up = subprocess.Popen(
        [BIN / "touchline", "up", *SAMPLES, "--json"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while True:
            told = subprocess.run(
                [BIN / "touchline", "get", "--json"], cwd=tmp_path, capture_output=True, text=True, check=False
            )
            if told.returncode == 0 and all(
                any(
                    c["type"] == "Ready" and c["status"] == "True" for c in item.get("status", {}).get("conditions", [])
                )
                for item in json.loads(told.stdout)["items"]
            ):
                break
            assert time.monotonic() < deadline, told.stderr + told.stdout
            assert up.poll() is None, up.stderr.read()
            time.sleep(0.2)
        for line in commands():
            if line.startswith(".venv/bin/touchline "):
                done = subprocess.run(
                    line.replace(".venv/bin", str(BIN)), shell=True, cwd=tmp_path, capture_output=True, text=True, check=False,
                    timeout=60,
                )  # fmt: skip
                assert done.returncode == 0, f"{line}: {done.stderr}"
                assert done.stdout.strip(), line
    finally:
        up.send_signal(signal.SIGINT)
        out, err = up.communicate(timeout=60)
    assert up.returncode == 0, err
    assert json.loads(out.splitlines()[-1])["resting_orders"] == 0
