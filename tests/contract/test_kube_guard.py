"""Which clusters tests touch, and when a missing one is a failure."""

from __future__ import annotations

import pytest

from tests.contract.kube import need_cluster, refuse_other_clusters


@pytest.mark.parametrize("context", ["kind-touchline", "test", "test-1"])
def test_a_test_cluster_is_used(context: str):
    refuse_other_clusters(context)


@pytest.mark.parametrize("context", ["", "production", "kind-", "my-test", "gke_test", "test ", "minikube"])
def test_any_other_cluster_is_refused(context: str):
    with pytest.raises(RuntimeError, match=r"allowed: kind-\*, test, test-\*"):
        refuse_other_clusters(context)


@pytest.mark.parametrize("environ", [{}, {"CI": "false"}, {"KUBECONFIG": "", "TOUCHLINE_REQUIRE_CLUSTER": "0"}])
def test_without_a_cluster_tests_skip_and_say_why(environ: dict[str, str]):
    with pytest.raises(pytest.skip.Exception, match="KUBECONFIG is not set"):
        need_cluster(environ)


@pytest.mark.parametrize("environ", [{"CI": "true"}, {"CI": "True"}, {"TOUCHLINE_REQUIRE_CLUSTER": "1"}])
def test_where_a_cluster_is_required_tests_fail_instead(environ: dict[str, str]):
    with pytest.raises(pytest.fail.Exception, match="requires them"):
        need_cluster(environ)
    need_cluster(environ | {"KUBECONFIG": "/somewhere"})
