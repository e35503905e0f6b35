"""One Touchline installed with helm in a namespace of its own, as a person with kubectl and helm sees it."""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from services.exchange.signing import Signer
from tests.cluster.judge import Line
from tests.contract.chart import CHARTS, ROOT, tool
from tests.contract.operating import Kube, Object
from touchline_operator import names
from trading_logic.contracts.topics import RecordTopics

SAMPLES = ROOT / "manifests/samples"
CRDS_NAMESPACE = "touchline-crds"
SIMULATOR = "touchline-simulator:8080"
ORDERS = "/trade-api/v2/portfolio/events/orders"
UNEXPECTED = ("Traceback", '"unexpected"', '"exception"')
BY_US = f"{names.MANAGED_BY}={names.FIELD_MANAGER}"


def until(what: Callable[[], Any], seconds: float, told: str) -> Any:
    """Poll until `what` is true; its value."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, f"not after {seconds:.0f} s: {told}"
        time.sleep(0.1)
    return found


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def environment() -> dict[str, str]:
    """A shell in which kubectl, its plug-ins of this repository and touchline are found."""
    found = (ROOT / "operator/plugins", Path(sys.executable).parent, Path(tool("kubectl")).parent, os.environ["PATH"])
    return os.environ | {"PATH": ":".join(map(str, found))}


def run(*command: str, stdin: str | None = None, seconds: float = 120) -> subprocess.CompletedProcess[str]:
    """A command; its exit code is for the caller."""
    return subprocess.run(
        command, input=stdin, capture_output=True, text=True, check=False, timeout=seconds, env=environment(), cwd=ROOT
    )


def ran(*command: str, stdin: str | None = None, seconds: float = 120) -> str:
    """Output of a command that must succeed."""
    done = run(*command, stdin=stdin, seconds=seconds)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
    return done.stdout


@dataclass
class Release:
    """One namespace with one release `touchline`, and the API server beside it."""

    kube: Kube
    images: Mapping[str, str]
    values: dict[str, str] = field(default_factory=dict)
    unexpected: list[str] = field(default_factory=list)
    """Lines of the operator's logs that nobody expects."""

    @property
    def namespace(self) -> str:
        return self.kube.namespace

    # -- people's commands
    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        return ran("kubectl", "-n", self.namespace, *words, stdin=stdin)

    def plugin(self, verb: str, *words: str) -> str:
        """`kubectl halt|resume riskpolicy/house` by the plug-ins of this repository."""
        return ran("kubectl", verb, "riskpolicy/house", "-n", self.namespace, *words)

    def helm(self, verb: str, **values: str) -> None:
        """Install or upgrade with the images of this run; waits until everything of the chart is ready."""
        self.values |= values
        given = {f"images.{name}": image for name, image in self.images.items()} | self.values
        sets = [word for name, value in given.items() for word in ("--set", f"{name}={value}")]
        ran(
            "helm", verb, "touchline", str(CHARTS / "touchline"), "-n", self.namespace,
            "--wait", "--timeout", "180s", *sets, seconds=200,
        )  # fmt: skip

    def uninstall(self) -> None:
        ran("helm", "uninstall", "touchline", "-n", self.namespace, "--wait", "--timeout", "120s", seconds=140)

    def apply(self, *resources: Object) -> None:
        self.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(resources))

    def patch(self, kind: str, name: str, spec: Object) -> None:
        self.kube.merge(kind, name, {"spec": spec})

    def scale(self, what: str, replicas: int) -> None:
        self.kubectl("scale", what, f"--replicas={replicas}")

    def kill(self, role: str) -> None:
        """Take the pods of a role away at once: their successors may start while they are still there."""
        self.kubectl("delete", "pod", "-l", f"{names.COMPONENT}={role}", "--grace-period=0", "--force")

    def no_new_pods(self) -> None:
        """From here on what is killed stays dead: the namespace may start no pod."""
        quota: Object = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "nothing-starts"}}
        self.apply(quota | {"spec": {"hard": {"pods": "0"}}})

    def new_pods(self) -> None:
        self.kubectl("delete", "resourcequota", "nothing-starts", "--ignore-not-found")

    def keep_log(self) -> None:
        """Look into the operator's log while its pod is there."""
        for pod in self.kube.list("Pod", f"{names.COMPONENT}=operator"):
            log = self.kubectl("logs", pod["metadata"]["name"])
            self.unexpected += [line for line in log.splitlines() if any(word in line for word in UNEXPECTED)]

    # -- what the cluster says
    def policy(self) -> Object:
        found = self.kube.get("RiskPolicy", "house")
        assert found is not None
        return found

    def condition(self, kind: str, name: str, wanted: str) -> Object:
        """A condition, once it is about the present spec; else nothing."""
        found = self.kube.get(kind, name) or {}
        listed = (found.get("status") or {}).get("conditions", ())
        generation = found.get("metadata", {}).get("generation", 0)
        return next((c for c in listed if c["type"] == wanted and c.get("observedGeneration", 0) >= generation), {})

    def halted(self) -> bool:
        return self.condition("RiskPolicy", "house", "Halted").get("status") == "True"

    def pods(self, role: str = "", selector: str = BY_US) -> list[Object]:
        return self.kube.list("Pod", selector + (f",{names.COMPONENT}={role}" if role else ""))

    def unready(self) -> list[str]:
        """Processes of the operator's that should run and whose pod is not ready."""
        return sorted(
            made["metadata"]["name"]
            for made in self.kube.children()
            if made["status"].get("readyReplicas", 0) != made["spec"]["replicas"]
        )

    def deployment(self, role: str, strategy: str = "") -> Object:
        """The one Deployment of a role (of a strategy)."""
        found = [
            made
            for made in self.kube.children(role)
            if not strategy or made["metadata"]["labels"].get(names.STRATEGY) == strategy
        ]
        assert len(found) == 1, [made["metadata"]["name"] for made in found]
        return found[0]

    # -- the exchange and the record
    def log(self) -> list[Line]:
        """The simulator's accept log."""
        path = f"/api/v1/namespaces/{self.namespace}/services/{SIMULATOR}/proxy/sim/accept-log"
        answer = self.kube.http.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()["lines"]

    def place(self, ticker: str, price: str, count: str, client_order_id: str) -> None:
        """Rest an order that no strategy knows, signed with the account's own key."""
        secret = self.kube.get("Secret", "touchline-simulator-house")
        assert secret is not None
        key = {name: base64.b64decode(secret["data"][name]) for name in ("keyID", "privateKey")}
        body = {
            "ticker": ticker, "client_order_id": client_order_id, "side": "bid", "count": count, "price": price,
            "time_in_force": "good_till_canceled", "self_trade_prevention_type": "taker_at_cross", "subaccount": 0,
        }  # fmt: skip
        signer = Signer(key["keyID"].decode(), key["privateKey"])
        path = f"/api/v1/namespaces/{self.namespace}/services/{SIMULATOR}/proxy{ORDERS}"

        def placed() -> bool:
            answer = self.kube.http.post(path, json=body, headers=signer.headers("POST", ORDERS, now_ms()))
            assert answer.status_code in {201, 429}, answer.text
            return answer.status_code == 201

        until(placed, 10, "the account's rate limit leaves no room")

    def topics(self) -> RecordTopics:
        return RecordTopics(self.namespace, "house")

    def record(self, *words: str) -> Any:
        """A command to the record Redis, by its own client inside its pod."""
        return json.loads(self.kubectl("exec", "touchline-record-0", "--", "redis-cli", "--json", *words))

    def confirmed_ms(self) -> int:
        """When the ledger confirmed the present halt, epoch milliseconds; 0 when it has not."""
        found: Object = self.record("hgetall", self.topics().halt())
        return int(found.get("confirmed_ms", 0))

    def causes(self) -> list[str]:
        return sorted(self.record("hkeys", self.topics().latch()))


def sample(name: str) -> list[Object]:
    return list(yaml.safe_load_all((SAMPLES / f"{name}.yaml").read_text()))


@contextmanager
def namespace(kubeconfig: str) -> Iterator[Kube]:
    """A namespace that enforces restricted Pod Security; at its end nothing of a failed test holds it up."""
    kube = Kube(Path(kubeconfig), f"touchline-{secrets.token_hex(4)}")
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": kube.namespace, "labels": labels}})
    try:
        yield kube
    finally:
        # The operator first: it puts its finalizers back, and nobody would take them away after it.
        ran("helm", "uninstall", "touchline", "-n", kube.namespace, "--ignore-not-found", "--wait", "--timeout", "120s")
        for kind in names.KINDS:
            for made in kube.list(kind):
                kube.merge(kind, made["metadata"]["name"], {"metadata": {"finalizers": None}})
        kube._call("DELETE", f"/api/v1/namespaces/{kube.namespace}")
        kube.http.close()
