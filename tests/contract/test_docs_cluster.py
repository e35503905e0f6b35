"""The commands for a cluster in the docs, run as they stand."""

from __future__ import annotations

import base64
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.contract.operating import ROOT, kubectl, namespace
from tests.fakes.resources import policy, strategy
from touchline_operator.desired.platform import Endpoint, Platform
from touchline_operator.desired.render import render_all
from touchline_operator.desired.world import PolicyFacts, World
from touchline_operator.reconcile.gather import policy_of, strategy_of

pytestmark = [pytest.mark.cluster]


def mounted(secret: str) -> set[str]:
    """The keys of a Secret that the ledger of a live policy mounts."""
    raw = policy(
        exchange={"environment": "Demo", "credentialsSecretRef": {"name": "kalshi"}},
        alerts=[{"type": "Webhook", "secretRef": {"name": "alerts"}}],
    )
    user = strategy()
    for made in (raw, user):
        made["metadata"] |= {"uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z", "generation": 1}
    world = World((strategy_of(user),), (policy_of(raw),), {"house": PolicyFacts()})
    platform = Platform("n", "redis://b", "redis://r", endpoints={"Demo": Endpoint("http://s", "ws://s")})
    volumes = [
        volume["secret"]
        for made in render_all(world, platform)
        if made["kind"] == "Deployment"
        for volume in made["spec"]["template"]["spec"]["volumes"]
        if volume.get("secret", {}).get("secretName") == secret
    ]
    assert volumes, f"nobody mounts {secret}"
    return {item["key"] for volume in volumes for item in volume.get("items", ())}


def test_the_secrets_of_the_page_hold_what_processes_read(tmp_path: Path) -> None:
    (block,) = re.findall(r"```text\n(kubectl create secret.*?)```", (ROOT / "docs/secrets.md").read_text(), re.DOTALL)
    for name in ("key.pem", "url", "password"):
        (tmp_path / name).write_text(f"a {name}")
    with namespace(Path(os.environ["KUBECONFIG"])) as kube:
        env = os.environ | {"PATH": f"{kubectl().parent}:{os.environ['PATH']}"}
        script = block.replace("NAMESPACE", kube.namespace)
        subprocess.run(["bash", "-eu", "-c", script], cwd=tmp_path, env=env, check=True, capture_output=True)

        def held(name: str) -> dict[str, str]:
            found = kube.get("Secret", name)
            assert found is not None
            return {key: base64.b64decode(value).decode() for key, value in found["data"].items()}

        assert held("kalshi") == {"keyID": "ID", "privateKey": "a key.pem"}
        assert held("alerts") == {"url": "a url"}
        assert held("my-redis") == {"password": "a password"}
        for name in ("kalshi", "alerts"):
            assert mounted(name) <= set(held(name)), name
