"""Images and CRDs for one run, namespaces with a release in each, and a release that is always trading."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.cluster.figures import Figure
from tests.cluster.judge import twice
from tests.cluster.node import images, need_node
from tests.cluster.release import CRDS_NAMESPACE, Release, namespace, ran
from tests.cluster.trading import VALUES, make_it_trade
from tests.contract.chart import CHARTS
from tests.contract.kube import connect

FIGURES = Figure()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """One place for all of them, so that the report folds what was skipped into one line."""
    if item.get_closest_marker("node"):
        need_node(os.environ)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """skaffold's tests last: once the kubelet has pulled an image from a registry it no longer takes the same image
    under another name for preloaded, asks a registry for it, and every later pod of the other tests waits."""
    items.sort(key=lambda item: item.path.name == "test_skaffold.py")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if FIGURES.rows:
        terminalreporter.section("figures of the node")
        for line in FIGURES.lines():
            terminalreporter.line(line)


@pytest.fixture(scope="session")
def figure() -> Figure:
    return FIGURES


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


@pytest.fixture(scope="session")
def installed(kinds: None, built: dict[str, str]) -> Iterator[Release]:
    """A release for all tests that want one at work, with a game that is longer than they are."""
    with namespace(os.environ["KUBECONFIG"]) as kube:
        at = Release(kube, built)
        at.helm("install", **VALUES)
        yield at
        at.keep_log()
        lines = at.log()
    assert twice(lines) == []
    assert at.unexpected == []


@pytest.fixture
def trading(installed: Release) -> Release:
    """The release, as a test finds it: nothing halted, everything ready, orders reaching the exchange."""
    make_it_trade(installed)
    return installed
