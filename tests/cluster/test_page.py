"""Every command of docs/kubernetes.md, in its order, as it stands there; only the images are those of this run."""

from __future__ import annotations

import re
import shlex

import pytest

from tests.cluster.release import ran, run, until
from tests.contract.chart import ROOT

pytestmark = [pytest.mark.cluster, pytest.mark.node, pytest.mark.timeout(420)]

NAMESPACE = "trading"
INSTALL = "helm upgrade --install touchline charts/touchline "


def commands() -> list[str]:
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / "docs" / "kubernetes.md").read_text(), flags=re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


def test_the_page_can_be_followed(kinds: None, built: dict[str, str]) -> None:
    images = [word for name, image in built.items() for word in ("--set", f"images.{name}={image}")]
    lines = commands()
    assert sum(line.startswith(INSTALL) for line in lines) == 1
    try:
        for line in lines:
            ran(*shlex.split(line), *(images if line.startswith(INSTALL) else ()), seconds=240)
            if line.startswith("kubectl describe riskpolicy"):
                halted = run("kubectl", "get", "rpol", "house", "-n", NAMESPACE, "-o", "jsonpath={.status.halt}")
                assert "off to bed" in halted.stdout
        until(lambda: not run("kubectl", "get", "pods", "-n", NAMESPACE, "-o", "name").stdout, 60, "pods stay")
    finally:
        run("kubectl", "delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=false")
