"""Whether pods run on the cluster at hand, and which images they run. Nothing here knows where a node comes from."""

from __future__ import annotations

import functools
import json
import os
import shlex
import subprocess
from collections.abc import Mapping

import pytest

from tests.contract.chart import ROOT, tool
from tests.contract.kube import need_cluster

NAMES = ("operator", "service", "simulator")
BUILDER = "TOUCHLINE_IMAGE_BUILDER"
"""A command that gets an image's name, the folder and `--target NAME`, and leaves the image where the node finds it."""
IMAGES = "TOUCHLINE_IMAGES"
"""Names of images that are there already, with `{name}` for operator, service, simulator."""
BUILT = "docker.io/library/touchline-{name}:node-test"


def need_node(environ: Mapping[str, str], ready: int | None = None) -> None:
    """Skip where no pod runs, or fail where a node is required. `ready` is the number of ready nodes, for tests."""
    need_cluster(environ)
    if not (ready_nodes() if ready is None else ready):
        why = "no node of the cluster is ready"
    elif not environ.get(BUILDER) and not environ.get(IMAGES):
        why = f"neither {BUILDER} nor {IMAGES} says which images to run"
    else:
        return
    why += ": tests on a real node did not run"
    if environ.get("TOUCHLINE_REQUIRE_NODE") == "1":
        pytest.fail(f"{why}, and TOUCHLINE_REQUIRE_NODE=1 requires them", pytrace=False)
    pytest.skip(why)


@functools.cache
def ready_nodes() -> int:
    """Nodes on which pods run."""
    done = subprocess.run(
        [tool("kubectl"), "get", "nodes", "-o", "json"], capture_output=True, text=True, check=True, timeout=30
    )
    return sum(
        any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions", ()))
        for node in json.loads(done.stdout)["items"]
    )


def images(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Name -> image; built from the Dockerfile unless they are said to be there."""
    pattern = environ.get(IMAGES) or BUILT
    made = {name: pattern.format(name=name) for name in NAMES}
    if not environ.get(IMAGES):
        for name, image in made.items():
            command = [*shlex.split(environ[BUILDER]), image, str(ROOT), "--target", name]
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
            assert done.returncode == 0, f"{shlex.join(command)}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
    return made
