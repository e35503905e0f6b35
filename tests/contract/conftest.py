"""A test cluster, a namespace of this run alone, and the CRDs under a group of this run alone.

A private group leaves an installed Touchline, and every other run on the same cluster, as they are.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.contract import crd
from tests.contract.kube import Api, Reply, connect, need_cluster
from touchline_operator import names

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WAIT_S = 30.0


def pytest_runtest_setup(item: pytest.Item) -> None:
    """One place for all of them, so that the report folds what was skipped into one line."""
    if item.get_closest_marker("cluster"):
        need_cluster(os.environ)


def until(what: str, true: Callable[[], bool]) -> None:
    """Poll until it is true, or fail."""
    deadline = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < deadline, f"{what}: not after {WAIT_S:.0f} s"
        time.sleep(0.05)


def regrouped(value: Any, group: str) -> Any:
    """A CRD or a resource with another API group."""
    if isinstance(value, dict):
        return {key: regrouped(item, group) for key, item in value.items()}
    if isinstance(value, list):
        return [regrouped(item, group) for item in value]
    if isinstance(value, str) and (value in {names.GROUP, names.API_VERSION} or value.endswith(f"s.{names.GROUP}")):
        return value.replace(names.GROUP, group)
    return value


@dataclass(frozen=True)
class Installed:
    """The two kinds in one group and one namespace."""

    api: Api
    group: str
    namespace: str

    def made(self, raw: dict[str, Any]) -> dict[str, Any]:
        return regrouped(raw, self.group)

    def path(self, kind: str, name: str = "", sub: str = "") -> str:
        plural = {"RiskPolicy": "riskpolicies", "TradingStrategy": "tradingstrategies"}[kind]
        parts = [f"/apis/{self.group}/{names.VERSION}/namespaces/{self.namespace}/{plural}", name, sub]
        return "/".join(part for part in parts if part)

    def create(self, raw: dict[str, Any], **query: str) -> Reply:
        return self.api.create(self.path(raw["kind"]), self.made(raw), **query)

    def patch(self, kind: str, name: str, body: dict[str, Any], sub: str = "", **query: str) -> Reply:
        return self.api.merge(self.path(kind, name, sub), body, **query)


def install(api: Api, group: str, definitions: list[dict[str, Any]]) -> None:
    """Create CRDs and wait until they are served."""
    for definition in definitions:
        api.create(CRDS, regrouped(definition, group)).ok()
    for definition in definitions:
        name = regrouped(definition, group)["metadata"]["name"]
        until(f"{name} established", lambda name=name: _established(api, name))
        plural = definition["spec"]["names"]["plural"]
        until(f"{name} served", lambda plural=plural: api.get(f"/apis/{group}/{names.VERSION}/{plural}").status == 200)


def _established(api: Api, name: str) -> bool:
    conditions = api.get(f"{CRDS}/{name}").ok().get("status", {}).get("conditions")
    return {c["type"] for c in conditions or () if c["status"] == "True"} >= {"Established", "NamesAccepted"}


def uninstall(api: Api, group: str) -> None:
    """Delete the CRDs of a group; their objects go with them."""
    for definition in api.get(CRDS).ok()["items"]:
        if definition["spec"]["group"] == group:
            api.delete(f"{CRDS}/{definition['metadata']['name']}").ok()


@pytest.fixture(scope="session")
def api() -> Api:
    """A test cluster's API server."""
    return connect()


@pytest.fixture(scope="session")
def namespace(api: Api) -> Iterator[str]:
    """A namespace of this run alone."""
    name = f"touchline-contract-{secrets.token_hex(4)}"
    api.create("/api/v1/namespaces", {"metadata": {"name": name}}).ok()
    yield name
    api.delete(f"/api/v1/namespaces/{name}").ok()


@pytest.fixture(scope="session")
def private_group(api: Api) -> Iterator[Callable[[list[dict[str, Any]]], str]]:
    """Install CRDs under a group of their own; gone after the run."""
    made: list[str] = []

    def make(definitions: list[dict[str, Any]]) -> str:
        made.append(f"contract-{secrets.token_hex(4)}.{names.GROUP}")
        install(api, made[-1], definitions)
        return made[-1]

    yield make
    for group in made:
        uninstall(api, group)


@pytest.fixture(scope="session")
def installed(api: Api, namespace: str, private_group: Callable[[list[dict[str, Any]]], str]) -> Installed:
    """Both CRDs as they are in manifests/crd."""
    return Installed(api, private_group([crd.load(kind) for kind in crd.FILES]), namespace)
