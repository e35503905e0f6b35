"""Images and CRDs for one run, and namespaces with a release in each."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.cluster.node import images, need_node
from tests.cluster.release import CRDS_NAMESPACE, Release, namespace, ran
from tests.contract.chart import CHARTS
from tests.contract.kube import connect


def pytest_runtest_setup(item: pytest.Item) -> None:
    """One place for all of them, so that the report folds what was skipped into one line."""
    if item.get_closest_marker("node"):
        need_node(os.environ)


@pytest.fixture(scope="session")
def built() -> dict[str, str]:
    """The three images, where the node finds them."""
    connect()  # refuses a cluster that is no test cluster before anything is made for it
    return images()


@pytest.fixture(scope="session")
def kinds(built: dict[str, str]) -> None:
    """Both CRDs, from their chart. They stay: other releases may use them."""
    ran(
        "helm", "upgrade", "--install", "touchline-crds", str(CHARTS / "touchline-crds"),
        "-n", CRDS_NAMESPACE, "--create-namespace", "--take-ownership", "--wait",
    )  # fmt: skip


@pytest.fixture
def empty(kinds: None, built: dict[str, str]) -> Iterator[Release]:
    """A namespace in which nothing is installed yet."""
    with namespace(os.environ["KUBECONFIG"]) as kube:
        yield Release(kube, built)
