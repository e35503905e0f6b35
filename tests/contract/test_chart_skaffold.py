"""skaffold.yaml agrees with the Dockerfile, the charts and the samples, and skaffold itself accepts it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from fnmatch import fnmatch
from typing import Any

import pytest
import yaml

from tests.contract.chart import CHARTS, ROOT, tool

CONFIGS: dict[str, dict[str, Any]] = {
    config["metadata"]["name"]: config for config in yaml.safe_load_all((ROOT / "skaffold.yaml").read_text())
}
MAIN = CONFIGS["touchline"]
PROFILES = {profile["name"]: profile for profile in MAIN["profiles"]}
IMAGES = {f"touchline-{name}" for name in ("operator", "service", "simulator")}


def targets() -> set[str]:
    return set(re.findall(r"^FROM \S+ AS (\S+)$", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE))


def test_every_image_has_its_target_with_docker_and_without():
    with_docker = {made["image"]: made["docker"]["target"] for made in MAIN["build"]["artifacts"]}
    words = {
        made["image"]: shlex.split(made["custom"]["buildCommand"])
        for made in PROFILES["no-docker"]["build"]["artifacts"]
    }
    without = {image: found[found.index("--target") + 1] for image, found in words.items()}
    assert with_docker == without == {image: image.removeprefix("touchline-") for image in IMAGES}
    assert set(with_docker.values()) <= targets()
    # Whose command it is stands in the environment, not in the repository.
    assert {found[0] for found in words.values()} == {"$TOUCHLINE_IMAGE_BUILDER"}


def test_every_image_reaches_the_chart():
    (release,) = MAIN["deploy"]["helm"]["releases"]
    values = yaml.safe_load((CHARTS / "touchline" / "values.yaml").read_text())["images"]
    wanted = {
        f"images.{name}": f"{{{{.IMAGE_FULLY_QUALIFIED_touchline_{name}}}}}"
        for name in ("operator", "service", "simulator")
    }
    assert release["setValueTemplates"] == wanted
    assert {key.removeprefix("images.") for key in wanted} <= set(values)


def test_charts_samples_and_order():
    for config in CONFIGS.values():
        for release in config["deploy"].get("helm", {}).get("releases", ()):
            assert (ROOT / release["chartPath"] / "Chart.yaml").is_file()
    for pattern in CONFIGS["touchline-samples"]["manifests"]["rawYaml"]:
        assert list(ROOT.glob(pattern))
    order = {name: config.get("requires", [{"configs": []}])[0]["configs"] for name, config in CONFIGS.items()}
    assert order == {"touchline-crds": [], "touchline": ["touchline-crds"], "touchline-samples": ["touchline"]}


def test_what_is_copied_into_the_build_is_what_triggers_one():
    copied = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for made in PROFILES["no-docker"]["build"]["artifacts"]:
        assert set(made["custom"]["dependencies"]["paths"]) == copied | {"Dockerfile", ".dockerignore"}


def test_the_build_sees_all_that_the_wheel_is_made_of():
    text = (ROOT / "pyproject.toml").read_text()
    (packages,) = re.findall(r"^packages = \[(.*)\]$", text, flags=re.MULTILINE)[:1]
    copied = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for package in re.findall(r'"([^"]+)"', packages):
        assert any(package == entry or fnmatch(package, f"{entry}/*") for entry in copied), package


@pytest.mark.parametrize("profile", ["", *PROFILES])
def test_skaffold_accepts_it(profile, tmp_path):
    environment = {
        **os.environ,
        "SKAFFOLD_UPDATE_CHECK": "false",
        "SKAFFOLD_INTERACTIVE": "false",
        "HOME": str(tmp_path),
    }
    arguments = ["diagnose", "--yaml-only", *(["-p", profile] if profile else [])]
    done = subprocess.run(
        [tool("skaffold"), *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    shown = {config["metadata"]["name"]: config for config in yaml.safe_load_all(done.stdout)}
    assert set(shown) == set(CONFIGS)
    given = shown["touchline"]["deploy"]["helm"]["releases"][0].get("setValues", {})
    if profile in {"dev", "ci"}:
        assert given["simulator.admin"] in {True, "true"}
    else:
        assert given == {}
