"""`skaffold run` and `skaffold dev` on the node, without Docker: the profile `no-docker` with any builder and registry."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from tests.cluster.figures import Figure
from tests.cluster.judge import accepted
from tests.cluster.node import BUILDER
from tests.cluster.release import Release, ran, until
from tests.contract.chart import ROOT, tool
from tests.contract.operating import Kube
from touchline_operator import names

pytestmark = [pytest.mark.cluster, pytest.mark.node, pytest.mark.timeout(600)]
REGISTRY = "TOUCHLINE_REGISTRY"
"""A registry that both this machine and the node reach under one name."""
NOT_SOURCE = shutil.ignore_patterns(".*cache", ".venv", ".git", ".build", ".hypothesis", ".touchline", "__pycache__")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A copy of the repository that a test may edit."""
    return Path(shutil.copytree(ROOT, tmp_path / "source", symlinks=True, ignore=NOT_SOURCE))


@pytest.fixture
def deployed(source: Path) -> Iterator[Release]:
    """Where skaffold.yaml deploys to; at the end nothing of it is left."""
    for name in (BUILDER, REGISTRY):
        if not os.environ.get(name):
            pytest.skip(f"{name} is not set: skaffold did not run")
    kube = Kube(Path(os.environ["KUBECONFIG"]), "touchline")
    yield Release(kube, {})
    try:
        # skaffold deletes in the order in which it deploys: the operator would be gone before what waits for it.
        for kind in ("tradingstrategies", "riskpolicies"):
            ran("kubectl", "-n", "touchline", "delete", kind, "--all", "--timeout=90s")
        skaffold(source, "delete")
        until(lambda: not kube.list("Pod"), 60, "pods stay after skaffold delete")
        assert [made for kind in names.KINDS for made in kube.list(kind)] == []
    finally:
        kube.http.close()


def command(source: Path, verb: str) -> list[str]:
    words = [tool("skaffold"), verb, "-p", "no-docker,ci", f"--default-repo={os.environ[REGISTRY]}"]
    return [*words, *([] if verb == "delete" else [f"--cache-file={source.parent}/cache"])]


def environment() -> dict[str, str]:
    return os.environ | {"SKAFFOLD_UPDATE_CHECK": "false", "SKAFFOLD_INTERACTIVE": "false"}


def skaffold(source: Path, verb: str) -> None:
    done = subprocess.run(
        command(source, verb), cwd=source, env=environment(), capture_output=True, text=True, check=False, timeout=400
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}{done.stderr[-3000:]}"


def said(log: IO[bytes]) -> str:
    return Path(log.name).read_text(errors="replace")


def image(at: Release) -> str:
    return str(at.deployment("catalog")["spec"]["template"]["spec"]["containers"][0]["image"])


def test_run_trades_and_dev_redeploys_after_one_edit(
    deployed: Release, source: Path, tmp_path: Path, figure: Figure
) -> None:
    at, began = deployed, time.monotonic()
    skaffold(source, "run")
    until(lambda: at.kube.children() and not at.unready(), 120, "pods are not ready")
    until(lambda: accepted(at.log()), 120, "no order was accepted")
    figure("skaffold run: build, deploy, first order", time.monotonic() - began, 240)

    before = image(at)
    with (tmp_path / "dev.log").open("wb") as log:
        dev = subprocess.Popen(
            [*command(source, "dev"), "--cleanup=false"], cwd=source, env=environment(), stdout=log, stderr=log
        )
        try:
            until(lambda: "Watching for changes" in said(log), 180, "skaffold dev does not watch")
            assert image(at) == before, "dev built anew what run had built"
            edited = time.monotonic()
            with (source / "services/catalog/process.py").open("a") as file:
                file.write("# One line more.\n")
            until(lambda: image(at) != before and not at.unready(), 300, "the edit is not deployed")
            figure("skaffold dev: edit -> new pods ready", time.monotonic() - edited, 180)
        finally:
            dev.send_signal(signal.SIGINT)
            code = dev.wait(180)
        assert code == 0, said(log)[-3000:]
