"""When tests on a real node run, and what the judge reads out of the exchange's log. Needs no cluster."""

from __future__ import annotations

import pytest

from tests.cluster.judge import accepted, groups, resting, twice
from tests.cluster.node import need_node

SET = {"KUBECONFIG": "/somewhere"}
BUILDER = {"TOUCHLINE_IMAGE_BUILDER": "make-image"}


@pytest.mark.parametrize(
    ("environ", "ready", "why"),
    [
        ({}, 1, "KUBECONFIG is not set"),
        (SET | BUILDER, 0, "no node of the cluster is ready"),
        (SET, 1, "neither TOUCHLINE_IMAGE_BUILDER nor TOUCHLINE_IMAGES"),
        (SET | {"TOUCHLINE_REQUIRE_CLUSTER": "1"}, 0, "no node of the cluster is ready"),
    ],
)
def test_without_a_node_tests_skip_and_say_why(environ: dict[str, str], ready: int, why: str):
    with pytest.raises(pytest.skip.Exception, match=why):
        need_node(environ, ready)


@pytest.mark.parametrize(("environ", "ready"), [(BUILDER, 0), ({}, 1)])
def test_where_a_node_is_required_tests_fail_instead(environ: dict[str, str], ready: int):
    with pytest.raises(pytest.fail.Exception, match="TOUCHLINE_REQUIRE_NODE=1 requires them"):
        need_node(SET | environ | {"TOUCHLINE_REQUIRE_NODE": "1"}, ready)


@pytest.mark.parametrize("more", [BUILDER, {"TOUCHLINE_IMAGES": "here/{name}:1"}])
def test_with_a_node_and_images_they_run(more: dict[str, str]):
    need_node(SET | more | {"TOUCHLINE_REQUIRE_NODE": "1"}, 1)


def line(kind: str, order: str, count: str = "1.00", client: str = "", at: int = 0) -> dict[str, object]:
    return {
        "kind": kind, "order_id": order, "count": count, "client_order_id": client or f"c-{order}", "wall_ms": at,
        "group": "g",
    }  # fmt: skip


def test_the_judge_knows_what_rests():
    taken = [line("order_accepted", "a", "3.00"), line("order_accepted", "b", "2.50")]
    assert resting(taken) == {"a", "b"}
    assert resting([*taken, line("fill", "a", "1.00"), line("order_canceled", "a", "2.00")]) == {"b"}
    assert resting([*taken, line("fill", "b", "2.49")]) == {"a", "b"}
    assert resting([*taken, line("order_decreased", "b", "0.50"), line("fill", "b", "2.00")]) == {"a"}


def test_the_judge_knows_what_was_sent_twice_and_when():
    sent = [line("order_accepted", "a", client="x", at=5), line("order_rejected", "b", client="y", at=6)]
    assert twice(sent) == []
    assert twice([*sent, line("order_rejected", "c", client="x")]) == ["x"]
    assert [found["order_id"] for found in accepted(sent, 4)] == ["a"]
    assert accepted(sent, 5) == []
    assert groups(sent) == {"g"}
