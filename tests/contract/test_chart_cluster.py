"""The chart on a real API server: accepted as it is, restricted pods admitted, keys kept by an upgrade."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.chart import CHARTS, golden_objects, pods, render, template, tool
from tests.contract.kube import Api

pytestmark = pytest.mark.cluster
SECRETS = ("touchline-simulator-house", "touchline-bus-password", "touchline-record-password")


@pytest.fixture
def restricted(api: Api) -> Iterator[str]:
    """A namespace of this test alone in which Pod Security enforces the restricted standard."""
    name = f"touchline-chart-{secrets.token_hex(4)}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    api.create("/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}}).ok()
    yield name
    api.delete(f"/api/v1/namespaces/{name}").ok()


def kubectl(*arguments: str, stdin: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [tool("kubectl"), *arguments], input=stdin, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("values", [{}, {"operator.watchAllNamespaces": "true", "simulator.policies": "{house,guest}"}])
def test_the_api_server_accepts_everything(restricted: str, values: dict[str, str]):
    done = kubectl(
        "apply", "--dry-run=server", "--validate=strict", "-n", restricted, "-f", "-",
        stdin=template("touchline", values, restricted),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    assert len(done.stdout.splitlines()) == len(render(values))


def test_the_api_server_accepts_the_crds():
    done = kubectl(
        "apply",
        "--server-side",
        "--force-conflicts",
        "--dry-run=server",
        "--validate=strict",
        "-f",
        "-",
        stdin=template("touchline-crds"),
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr


@pytest.mark.parametrize("whence", ["chart", "operator"])
def test_restricted_pod_security_admits_every_pod(api: Api, restricted: str, whence: str):
    for whose, pod in pods(render() if whence == "chart" else golden_objects()):
        spec: dict[str, Any] = {key: value for key, value in pod["spec"].items() if key != "serviceAccountName"}
        # The volume of a claim template is the StatefulSet's affair.
        mounted = {mount["name"] for found in spec["containers"] for mount in found["volumeMounts"]}
        given = {volume["name"] for volume in spec.get("volumes", ())}
        spec["volumes"] = [*spec.get("volumes", ()), *({"name": name, "emptyDir": {}} for name in mounted - given)]
        body = {"metadata": {"generateName": "p-", "labels": pod["metadata"]["labels"]}, "spec": spec}
        reply = api.create(f"/api/v1/namespaces/{restricted}/pods", body, dryRun="All")
        assert reply.status == 201, f"{whose}: {reply.message}"


def test_a_pod_that_is_not_restricted_is_refused_there(api: Api, restricted: str):
    body = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "x"}]}}
    reply = api.create(f"/api/v1/namespaces/{restricted}/pods", body, dryRun="All")
    assert reply.status == 403
    assert "restricted" in reply.message


def helm(*arguments: str) -> str:
    """Run helm on the test cluster; `api` has checked which one that is."""
    done = subprocess.run(
        [tool("helm"), *arguments], capture_output=True, text=True, check=False, timeout=100, env=os.environ
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_upgrade_keeps_the_simulators_keys_and_restarts_no_pod(api: Api, restricted: str):
    def secret() -> list[dict[str, str]]:
        return [api.get(f"/api/v1/namespaces/{restricted}/secrets/{name}").ok()["data"] for name in SECRETS]

    def templates() -> dict[str, Any]:
        listed = [
            item
            for plural in ("deployments", "statefulsets")
            for item in api.get(f"/apis/apps/v1/namespaces/{restricted}/{plural}").ok()["items"]
        ]
        return {item["metadata"]["name"]: item["spec"]["template"] for item in listed}

    chart = str(CHARTS / "touchline")
    try:
        helm("install", "touchline", chart, "-n", restricted)
        before, running = secret(), templates()
        helm("upgrade", "touchline", chart, "-n", restricted, "--set", "simulator.policies={house,guest}")
        assert secret() == before
        assert [name for name, pod in templates().items() if pod != running[name]] == ["touchline-simulator"]
        helm("upgrade", "touchline", chart, "-n", restricted, "--set", "operator.serviceAccountAnnotations.team=desk")
        assert secret() == before
        assert templates() == running
    finally:
        helm("uninstall", "touchline", "-n", restricted, "--ignore-not-found")
    left = api.get(f"/api/v1/namespaces/{restricted}/secrets").ok()["items"]
    assert [item["metadata"]["name"] for item in left] == []
