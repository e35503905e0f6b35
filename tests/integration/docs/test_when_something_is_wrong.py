"""Every command of the emergency pages is run on a real `up`, in the pages' order; every link leads somewhere."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.integration.local.touchline import SAMPLES, ready, start, until

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
BIN = Path(sys.executable).parent
PAGES = ("when-something-is-wrong.md", "secrets.md", "alerts.md", "flatten.md")
ALLOWED = {"doctor": {0, 1}, "flatten": {0, 1}}
"""Exit codes beside 0 that are no failure: a WARN of the doctor; a game in which nobody bids for a while."""


def lines(page: str) -> list[str]:
    blocks = re.findall(r"```bash\n(.*?)```", (DOCS / page).read_text(), flags=re.DOTALL)
    found = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in found if line]


def anchors(text: str) -> set[str]:
    return {title.lower().replace(" ", "-") for title in re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    text = (DOCS / page).read_text()
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
        path, _, anchor = target.partition("#")
        file = DOCS / path if path else DOCS / page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file.read_text()), target


def test_the_page_is_linked_and_every_alert_of_prometheus_is_named_or_has_its_runbook() -> None:
    assert "docs/when-something-is-wrong.md" in (ROOT / "README.md").read_text()
    rules = yaml.safe_load((ROOT / "manifests" / "monitoring" / "alerts.yaml").read_text())["groups"]
    for rule in (rule for group in rules for rule in group["rules"]):
        assert (DOCS / "runbooks" / f"{rule['alert']}.md").exists()
        assert rule["alert"] in (DOCS / "alerts.md").read_text()


def test_the_keys_of_the_page_are_private(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("a key")
    shell = {**os.environ, "KEY_ID": "id-1", "KEY_FILE": "key.pem"}
    script = "\n".join(lines("secrets.md"))
    done = subprocess.run(
        ["bash", "-eu", "-c", script], cwd=tmp_path, env=shell, capture_output=True, text=True, check=True
    )
    folder = tmp_path / ".touchline" / "secrets" / "kalshi"
    assert (folder / "keyID").read_text() == "id-1"
    assert (folder / "privateKey").read_text() == "a key"
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}
    assert "privateKey" in done.stdout


def test_every_command_of_the_program_is_one_of_touchline() -> None:
    for line in lines("when-something-is-wrong.md"):
        assert line.startswith(".venv/bin/touchline "), line


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_commands_of_the_page(tmp_path: Path) -> None:
    up = start(tmp_path, "up", SAMPLES / "policy.yaml", SAMPLES / "taking.yaml", "--json")
    try:
        until(lambda: ready(tmp_path))
        for line in lines("when-something-is-wrong.md"):
            done = subprocess.run(
                line.replace(".venv/bin", str(BIN)), shell=True, cwd=tmp_path, capture_output=True, text=True,
                check=False, timeout=100,
            )  # fmt: skip
            command = line.split()[1]
            assert done.returncode in {0} | ALLOWED.get(command, set()), f"{line}: {done.stdout}{done.stderr}"
            assert (done.stdout + done.stderr).strip(), line
            if command == "halt":
                shown = subprocess.run(
                    [BIN / "touchline", "get", "--json"], cwd=tmp_path, capture_output=True, check=True
                )
                (policy,) = [i for i in json.loads(shown.stdout)["items"] if i["kind"] == "RiskPolicy"]
                assert policy["status"]["halt"]["causes"][0]["reason"] == "something is wrong"
            if command == "resume":
                until(lambda: ready(tmp_path))
            time.sleep(0.1)
    finally:
        up.send_signal(signal.SIGINT)
        up.communicate(timeout=60)
