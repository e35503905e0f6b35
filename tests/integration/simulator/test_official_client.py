"""The exchange's own Python client against the simulator. It needs Python 3.13, which runs it in an environment of its own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = "kalshi-python-async==3.34.0"
SCRIPT = Path(__file__).with_name("official_client.py")
ROOT = Path(__file__).parents[3]


def python_3_13() -> str | None:
    """The first interpreter that starts: a shim may be there without one."""
    kept = sorted(map(str, Path.home().glob(".pyenv/versions/3.13*/bin/python")))
    for found in [*kept, shutil.which("python3.13")]:
        if found and subprocess.run([found, "-c", ""], check=False, capture_output=True).returncode == 0:
            return found
    return None


@pytest.fixture(scope="module")
def client_python():
    """An interpreter that has the client; made once and kept in the user's cache."""
    base = python_3_13()
    if base is None:
        pytest.skip("no Python 3.13 here: the official client is not tried")
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "touchline" / PACKAGE.replace("==", "-")
    python = cache / "bin" / "python"
    check = [str(python), "-c", "import kalshi_python_async"]
    if python.exists() and subprocess.run(check, check=False, capture_output=True).returncode == 0:
        return str(python)
    made = subprocess.run([base, "-m", "venv", "--clear", str(cache)], check=False, capture_output=True, text=True)
    if made.returncode == 0:
        install = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", PACKAGE]
        made = subprocess.run(install, check=False, capture_output=True, text=True, timeout=100)
    if made.returncode != 0:
        why = f"{PACKAGE} cannot be installed: {(made.stderr or made.stdout).strip().splitlines()[-1]}"
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    return str(python)


@pytest.mark.slow
def test_the_official_client_reads_every_model_and_trades(client_python, tmp_path):
    command = [
        sys.executable,
        "-m",
        "services.simulator",
        "--state-dir",
        str(tmp_path),
        "--admin",
        "--tier",
        "prestige",
    ]
    simulator = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        ready = json.loads(simulator.stdout.readline())
        account = ready["accounts"][0]
        admin = ready["rest_url"].replace("/trade-api/v2", "/sim")
        done = subprocess.run(
            [client_python, str(SCRIPT), ready["rest_url"], account["key_id"], account["private_key_path"], admin],
            check=False,
            capture_output=True,
            text=True,
            timeout=90,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        seen = json.loads(done.stdout)
        assert [name for name, good in seen.items() if not good] == []
        assert len(seen) > 70
    finally:
        simulator.terminate()
        _, errors = simulator.communicate(timeout=10)
    assert "Traceback" not in errors
