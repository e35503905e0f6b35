"""The charts as Helm renders them, and what the restricted Pod Security Standard says of a pod."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from touchline_operator import names

ROOT = Path(__file__).parents[2]
CHARTS = ROOT / "charts"
MONITORING = ROOT / "manifests" / "monitoring"
Object = dict[str, Any]
EVERYTHING = {
    f"monitoring.{part}.enabled": "true" for part in ("podMonitors", "prometheusRules", "dashboards")
}  # all that is off by default

VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"
}  # fmt: skip


def tool(name: str) -> str:
    """Path of a program; without it the test is skipped, or fails in CI."""
    found = shutil.which(name)
    if found is None:
        absent(f"{name} is not on PATH")
    return str(found)


def absent(why: str) -> None:
    """Skip because something is not installed, or fail in CI, where everything is."""
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"{why}, and CI=true requires it", pytrace=False)
    pytest.skip(why)


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run helm; its exit code is for the caller."""
    return subprocess.run([tool("helm"), *arguments], capture_output=True, text=True, check=False, timeout=100)


def template(chart: str, values: Mapping[str, str] | None = None, namespace: str = "trading") -> str:
    """The chart rendered as release `touchline`."""
    sets = [word for name, value in (values or {}).items() for word in ("--set", f"{name}={value}")]
    done = helm("template", "touchline", str(CHARTS / chart), "--namespace", namespace, *sets)
    assert done.returncode == 0, done.stderr
    return done.stdout


def render(
    values: Mapping[str, str] | None = None, *, chart: str = "touchline", namespace: str = "trading"
) -> list[Object]:
    return [made for made in yaml.safe_load_all(template(chart, values, namespace)) if made]


def one(objects: list[Object], kind: str, name: str) -> Object:
    """The object; it is there exactly once."""
    (found,) = [made for made in objects if (made["kind"], made["metadata"]["name"]) == (kind, name)]
    return found


def pods(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    """(whose, pod template) of everything that makes pods."""
    for made in objects:
        template_ = made.get("spec", {}).get("template") if isinstance(made.get("spec"), dict) else None
        if template_ and "containers" in template_.get("spec", {}):
            yield f"{made['kind']}/{made['metadata']['name']}", template_


def golden_objects() -> list[Object]:
    """All that the operator renders in tests/golden."""
    found: list[Object] = []
    for path in sorted((ROOT / "tests" / "golden").glob("*/expected.yaml")):
        found += [made for made in yaml.safe_load_all(path.read_text()) if made and "kind" in made]
    return found


def problems(spec: Object) -> list[str]:
    """What the restricted standard (Kubernetes 1.36) refuses about a pod's spec; empty when it is accepted."""
    found = [f"{field} is set" for field in ("hostNetwork", "hostPID", "hostIPC") if spec.get(field)]
    for volume in spec.get("volumes", ()):
        kinds = set(volume) - {"name"}
        found += [f"volume {volume['name']} is a {kind}" for kind in sorted(kinds - VOLUMES)]
    pod = spec.get("securityContext", {})
    found += ["sysctls are set"] if pod.get("sysctls") else []
    for container in [*spec["containers"], *spec.get("initContainers", ()), *spec.get("ephemeralContainers", ())]:
        own = container.get("securityContext", {})
        both = {**pod, **own}
        capabilities = own.get("capabilities", {})
        checks = {
            "is privileged": own.get("privileged"),
            "may escalate privileges": own.get("allowPrivilegeEscalation") is not False,
            "may run as root": both.get("runAsNonRoot") is not True or both.get("runAsUser") == 0,
            "keeps capabilities": "ALL" not in capabilities.get("drop", ()),
            "adds capabilities": set(capabilities.get("add", ())) - {"NET_BIND_SERVICE"},
            "has no seccomp profile": both.get("seccompProfile", {}).get("type") not in {"RuntimeDefault", "Localhost"},
            "has a host port": any(port.get("hostPort") for port in container.get("ports", ())),
            "changes procMount": own.get("procMount", "Default") != "Default",
        }
        found += [f"container {container['name']} {what}" for what, true in checks.items() if true]
    return found


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector matches."""
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    for rule in selector.get("matchExpressions", ()):
        inside = labels.get(rule["key"]) in rule["values"]
        if inside != {"In": True, "NotIn": False}[rule["operator"]]:
            return False
    return True


def component(template_: Object) -> str:
    return str(template_["metadata"]["labels"][names.COMPONENT])
