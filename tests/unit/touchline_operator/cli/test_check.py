from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.fakes.resources import policy, strategy
from touchline_operator.adapters.local.clock import SystemClock
from touchline_operator.adapters.local.folder import Folder
from touchline_operator.adapters.local.resources import LocalResources
from touchline_operator.cli.check import check_together
from touchline_operator.cli.errors import BAD_INPUT, CommandError

DOCS = Path(__file__).parents[4] / "docs"
HOOK = {"type": "Webhook", "secretRef": {"name": "alerts"}}


@pytest.fixture
def checked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "all.yaml").write_text(yaml.safe_dump_all([policy(alerts=[HOOK]), strategy()]))
    folder = Folder(tmp_path)
    resources = LocalResources([tmp_path / "all.yaml"], folder, SystemClock(), pytest.fail)
    return lambda: check_together(resources, folder)


def block(page: str, *, with_: str) -> str:
    """The shell block of a page that holds `with_`."""
    (found,) = [
        text for text in re.findall(r"```bash\n(.*?)```", (DOCS / page).read_text(), re.DOTALL) if with_ in text
    ]
    return found


def test_the_webhook_of_the_docs_is_taken_and_one_that_others_can_read_is_not(checked, tmp_path):
    with pytest.raises(CommandError, match=r"alerts/url does not exist; put the url there, mode 0600") as absent:
        checked()
    assert absent.value.code == BAD_INPUT
    shell = {**os.environ, "URL": "https://example.com/hook"}
    subprocess.run(["bash", "-eu", "-c", block("alerts.md", with_="secrets/alerts")], check=True, env=shell)
    checked()
    url = tmp_path / ".touchline/secrets/alerts/url"
    assert url.read_text() == "https://example.com/hook"
    token = url.with_name("token")
    token.write_text("t")
    token.chmod(0o640)
    with pytest.raises(CommandError, match=r"alerts/token can be read by others; run: chmod 600 .*token"):
        checked()
    token.chmod(0o600)
    checked()
