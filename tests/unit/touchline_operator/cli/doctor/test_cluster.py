from __future__ import annotations

import copy
from pathlib import Path

import pytest

from touchline_operator.cli.doctor.cluster import configured, judged


def crd(plural):
    return {
        "metadata": {"name": f"{plural}.touchline.dev", "labels": {"app.kubernetes.io/version": "0.1.0"}},
        "spec": {"versions": [{"name": "v1alpha1", "served": True}]},
        "status": {"conditions": [{"type": "Established", "status": "True"}]},
    }


GOOD = {
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/riskpolicies.touchline.dev": crd("riskpolicies"),
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/tradingstrategies.touchline.dev": crd("tradingstrategies"),
    "/apis/apps/v1/deployments": {
        "items": [
            {
                "metadata": {"name": "op", "namespace": "tl", "labels": {"app.kubernetes.io/version": "0.1.0"}},
                "status": {"readyReplicas": 1},
            }
        ]
    },
    "/api/v1/namespaces/tl": {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}},
}
CRD, _, OPERATOR, NAMESPACE = GOOD


class Server:
    def __init__(self, found, may=True):
        self.found, self.allowed = found, may

    async def get(self, path, _query):
        return self.found.get(path)

    async def may(self, *_asked):
        return self.allowed


async def bad(change=dict, may=True):
    found = copy.deepcopy(GOOD)
    change(found)
    checks = await judged(Server(found, may), "tl")
    assert all(check.remedy for check in checks if check.level != "OK")
    return {check.name: check.level for check in checks if check.level != "OK"}


async def test_an_installation_as_it_should_be():
    assert await bad() == {}


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda f: f.pop(CRD), {"cluster crd riskpolicies": "BLOCK"}),
        (lambda f: f[CRD]["spec"]["versions"][0].update(served=False), {"cluster crd riskpolicies": "BLOCK"}),
        (lambda f: f[CRD]["status"].update(conditions=[]), {"cluster crd riskpolicies": "BLOCK"}),
        (lambda f: f[CRD]["metadata"]["labels"].clear(), {"cluster versions": "WARN"}),
        (
            lambda f: f[OPERATOR]["items"][0]["metadata"]["labels"].update({"app.kubernetes.io/version": "0.2.0"}),
            {"cluster versions": "WARN"},
        ),
        (lambda f: f[OPERATOR]["items"][0].update(status={}), {"cluster operator": "BLOCK"}),
        (lambda f: f[OPERATOR]["items"].clear(), {"cluster operator": "BLOCK"}),
        (lambda f: f[NAMESPACE]["metadata"].update(labels={}), {"cluster Pod Security of tl": "WARN"}),
        (lambda f: f.pop(NAMESPACE), {"cluster Pod Security of tl": "WARN"}),
    ],
)
async def test_each_fault_is_one_line(change, found):
    assert await bad(change) == found


async def test_missing_rights_are_named():
    assert set(await bad(may=False)) == {
        "cluster right to patch riskpolicies", "cluster right to patch tradingstrategies", "cluster right to list pods",
    }  # fmt: skip


def test_a_cluster_is_only_looked_for_where_one_is_named(tmp_path: Path):
    assert not configured({}, tmp_path)
    assert configured({"KUBECONFIG": "x"}, tmp_path)
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube/config").touch()
    assert configured({}, tmp_path)
