"""The commands of docs/flatten.md for a cluster, as they stand there; only the names are those of this run."""

from __future__ import annotations

import re
import socket
import subprocess
from pathlib import Path

import pytest

from tests.cluster.release import Release, environment, until
from tests.contract.chart import ROOT

pytestmark = [pytest.mark.cluster, pytest.mark.node, pytest.mark.timeout(300)]


def listens(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def test_what_would_be_sold_on_a_cluster_is_shown(trading: Release, tmp_path: Path) -> None:
    (block,) = re.findall(r"```text\n(kubectl port-forward.*?)```", (ROOT / "docs/flatten.md").read_text(), re.DOTALL)
    names = {"NAMESPACE": trading.namespace, "RELEASE": "touchline", "--feed production": "--feed simulator"}
    for name, ours in names.items():
        assert name in block
        block = block.replace(name, ours)
    lines = block.splitlines(keepends=True)
    behind = [line.removesuffix(" &\n") for line in lines if line.endswith(" &\n")]
    ports = [int(line.split()[-1].split(":")[0]) for line in behind]
    assert ports
    until(lambda: trading.record("hlen", trading.topics().positions()), 90, "nothing is held")
    forwards = [
        subprocess.Popen(["bash", "-c", f"exec {line}"], env=environment(), stdout=subprocess.DEVNULL)
        for line in behind
    ]
    try:
        until(lambda: all(map(listens, ports)), 20, "no port is forwarded")
        typed = "".join(line for line in lines if not line.endswith(" &\n"))
        done = subprocess.run(
            ["bash", "-u", "-c", typed], cwd=tmp_path, env=environment(), capture_output=True, text=True,
            check=False, timeout=60,
        )  # fmt: skip
    finally:
        for forward in forwards:
            forward.terminate()
            forward.wait(10)
    assert "nothing was sent: confirm with --yes" in done.stdout + done.stderr, done.stdout + done.stderr
    assert "KXNFLGAME-" in done.stdout
    assert {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {
        "record.password": 0o600,
        "bus.password": 0o600,
    }
