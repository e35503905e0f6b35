"""What `touchline doctor` says of a real API server."""

from __future__ import annotations

import pytest

from tests.contract.conftest import Installed
from touchline_operator.adapters.kubernetes.ask import asking
from touchline_operator.adapters.local.clock import SystemClock
from touchline_operator.cli.doctor.cluster import ENFORCE, judged
from touchline_operator.ports import ClusterError


async def levels(namespace: str, group: str) -> dict[str, tuple[str, str]]:
    async with asking(SystemClock()) as api:
        return {check.name: (check.level, check.value) for check in await judged(api, namespace, group)}


@pytest.mark.cluster
async def test_crds_pod_security_and_rights(installed: Installed) -> None:
    found = await levels(installed.namespace, installed.group)
    for plural in ("riskpolicies", "tradingstrategies"):
        assert found[f"cluster crd {plural}"] == ("OK", "established, serves v1alpha1")
    assert found["cluster versions"][0] == "WARN"  # applied by hand: no chart has labelled them
    assert {found[name][0] for name in found if name.startswith("cluster right")} == {"OK"}
    if found["cluster operator"][1] == "not installed":
        name = f"cluster Pod Security of {installed.namespace}"
        assert found[name] == ("WARN", "none")
        installed.api.merge(
            f"/api/v1/namespaces/{installed.namespace}", {"metadata": {"labels": {ENFORCE: "restricted"}}}
        ).ok()
        again = await levels(installed.namespace, installed.group)
        installed.api.merge(f"/api/v1/namespaces/{installed.namespace}", {"metadata": {"labels": {ENFORCE: None}}}).ok()
        assert again[name] == ("OK", "restricted")


@pytest.mark.cluster
async def test_crds_that_are_not_installed_block(installed: Installed) -> None:
    found = await levels(installed.namespace, "nobody.touchline.dev")
    assert found["cluster crd riskpolicies"] == ("BLOCK", "not installed")


async def test_an_api_server_that_is_away_is_one_error(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    config = tmp_path / "config"
    config.write_text(
        "{apiVersion: v1, kind: Config, current-context: a, contexts: [{name: a, context: {cluster: a, user: a}}], "
        "users: [{name: a, user: {token: x}}], clusters: [{name: a, cluster: {server: 'http://127.0.0.1:9'}}]}"
    )
    monkeypatch.setattr("kubernetes.aio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(config))
    with pytest.raises(ClusterError, match=r"127\.0\.0\.1:9"):
        await levels("default", "touchline.dev")
