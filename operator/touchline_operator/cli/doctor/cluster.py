"""PURE but for the asking: the cluster that the current context names, when there is one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from touchline_operator import names
from touchline_operator.cli.doctor.judge import Check, unknown
from touchline_operator.ports import Clock, ClusterError

Object = dict[str, Any]
CRDS: Final = ("riskpolicies", "tradingstrategies")
CRD_PATH: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
VERSION_LABEL: Final = "app.kubernetes.io/version"
ENFORCE: Final = "pod-security.kubernetes.io/enforce"
MAY: Final = (
    ("patch", names.GROUP, "riskpolicies", "halt and resume"),
    ("patch", names.GROUP, "tradingstrategies", "suspend a strategy"),
    ("list", "", "pods", "see the processes"),
)


class Asks(Protocol):
    """A reader of an API server. `get` gives None for what does not exist; both raise ClusterError."""

    async def get(self, path: str, query: Mapping[str, str]) -> Object | None: ...
    async def may(self, verb: str, group: str, resource: str, namespace: str) -> bool: ...


def configured(environ: Mapping[str, str], home: Path) -> bool:
    """Whether anything names a cluster."""
    return (
        any(name in environ for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST")) or (home / ".kube/config").exists()
    )


async def cluster_checks(clock: Clock, namespace: str) -> list[Check]:
    """Nothing when no cluster is configured; a WARN when it cannot be asked."""
    if not configured(os.environ, Path.home()):
        return []
    remedy = "see: kubectl cluster-info"
    try:
        from touchline_operator.adapters.kubernetes.ask import asking  # noqa: PLC0415  - needs the extra `operator`
    except ImportError as error:
        return [unknown("cluster", str(error), "an answer", "pip install 'touchline[operator]'")]
    try:
        async with asking(clock) as api:
            return await judged(api, namespace)
    except ClusterError as error:
        return [unknown("cluster", str(error), "an answer", remedy)]


async def judged(api: Asks, namespace: str, group: str = names.GROUP) -> list[Check]:
    """CRDs, operator, Pod Security, rights. Raises ClusterError when the API server is away."""
    crds = {plural: await api.get(f"{CRD_PATH}/{plural}.{group}", {}) for plural in CRDS}
    checks = [_crd(plural, found) for plural, found in crds.items()]
    selector = {"labelSelector": f"{names.APP}=touchline,{names.COMPONENT}=operator"}
    listed = await api.get("/apis/apps/v1/deployments", selector)
    operators = listed["items"] if listed else []
    checks.append(_operator(operators))
    checks.append(_versions({plural: found for plural, found in crds.items() if found}, operators))
    where = operators[0]["metadata"]["namespace"] if len(operators) == 1 else namespace
    checks.append(_pod_security(where, await api.get(f"/api/v1/namespaces/{where}", {})))
    for verb, of, resource, what in MAY:
        name = f"cluster right to {verb} {resource}"
        if await api.may(verb, of, resource, where):
            checks.append(Check("OK", name, "yes", "yes"))
        else:
            checks.append(Check("WARN", name, "no", "yes", f"you cannot {what} in {where}: ask for a role with it"))
    return checks


def _crd(plural: str, found: Object | None) -> Check:
    name, limit = f"cluster crd {plural}", f"established, serves {names.VERSION}"
    remedy = "helm upgrade --install touchline-crds charts/touchline-crds"
    if found is None:
        return Check("BLOCK", name, "not installed", limit, remedy)
    served = [version["name"] for version in found["spec"]["versions"] if version["served"]]
    listed = found.get("status", {}).get("conditions", [])
    ready = any(c["type"] == "Established" and c["status"] == "True" for c in listed)
    good = ready and names.VERSION in served
    value = f"{'established' if ready else 'not established'}, serves {', '.join(served) or 'none'}"
    return Check("OK" if good else "BLOCK", name, value, limit, "" if good else remedy)


def _operator(found: list[Object]) -> Check:
    name = "cluster operator"
    if not found:
        return Check("BLOCK", name, "not installed", "1 ready", "helm upgrade --install touchline charts/touchline")
    ready = sum(one.get("status", {}).get("readyReplicas", 0) for one in found)
    where = ", ".join(sorted(one["metadata"]["namespace"] for one in found))
    if ready == len(found):
        return Check("OK", name, f"{ready} ready in {where}", "1 ready for each namespace")
    remedy = f"kubectl -n {found[0]['metadata']['namespace']} describe deployment {found[0]['metadata']['name']}"
    return Check("BLOCK", name, f"{ready} of {len(found)} ready in {where}", "all ready", remedy)


def _versions(crds: Mapping[str, Object], operators: list[Object]) -> Check:
    """What the CRDs' chart and the operator's say of their version."""
    name = "cluster versions"
    said = {f"crd {plural}": _label(found) for plural, found in crds.items()}
    said |= {f"operator in {one['metadata']['namespace']}": _label(one) for one in operators}
    value = ", ".join(f"{who} {version or 'unlabelled'}" for who, version in said.items()) or "nothing installed"
    if len(set(said.values())) == 1 and all(said.values()):
        return Check("OK", name, value, "equal")
    return Check("WARN", name, value, "equal", "upgrade both charts to one version, CRDs first")


def _label(found: Object) -> str:
    return str(found["metadata"].get("labels", {}).get(VERSION_LABEL, ""))


def _pod_security(namespace: str, found: Object | None) -> Check:
    name = f"cluster Pod Security of {namespace}"
    if found is None:
        return Check("WARN", name, "no such namespace", "restricted", f"kubectl create namespace {namespace}")
    value = str(found["metadata"].get("labels", {}).get(ENFORCE, "none"))
    remedy = f"kubectl label namespace {namespace} {ENFORCE}=restricted"
    return Check(
        "OK" if value == "restricted" else "WARN", name, value, "restricted", "" if value == "restricted" else remedy
    )
