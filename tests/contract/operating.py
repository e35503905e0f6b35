"""The real operator as a process, as its own ServiceAccount, against a real API server and a real Redis."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import select
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import redis
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.contract.kube import refuse_other_clusters
from touchline_operator import names
from trading_logic.contracts import codec, record, scripts, topics
from trading_logic.contracts.messages import Fault, Report
from trading_logic.contracts.topics import RecordTopics

ROOT = Path(__file__).parents[2]
RULES = ROOT / "charts/touchline/files/rbac-rules.yaml"
Object = dict[str, Any]

PATHS = {
    "TradingStrategy": "/apis/touchline.dev/v1alpha1/namespaces/{ns}/tradingstrategies",
    "RiskPolicy": "/apis/touchline.dev/v1alpha1/namespaces/{ns}/riskpolicies",
    "Deployment": "/apis/apps/v1/namespaces/{ns}/deployments",
    "ConfigMap": "/api/v1/namespaces/{ns}/configmaps",
    "ServiceAccount": "/api/v1/namespaces/{ns}/serviceaccounts",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/rolebindings",
    "Pod": "/api/v1/namespaces/{ns}/pods",
    "Secret": "/api/v1/namespaces/{ns}/secrets",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{ns}/networkpolicies",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "Event": "/apis/events.k8s.io/v1/namespaces/{ns}/events",
    "Namespace": "/api/v1/namespaces",
    "CustomResourceDefinition": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
}


class Kube:
    """A person with kubectl, one namespace."""

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        body = yaml.safe_load(kubeconfig.read_text())
        refuse_other_clusters(body["current-context"])
        cluster, user = body["clusters"][0]["cluster"], body["users"][0]["user"]
        self.server = cluster["server"]
        self.ca = base64.b64decode(cluster["certificate-authority-data"]).decode()
        context = ssl.create_default_context(cadata=self.ca)
        with tempfile.TemporaryDirectory() as folder:
            for part in ("certificate", "key"):
                Path(folder, part).write_bytes(base64.b64decode(user[f"client-{part}-data"]))
            context.load_cert_chain(Path(folder, "certificate"), Path(folder, "key"))
        self.http = httpx.Client(base_url=self.server, verify=context, timeout=30)
        self.namespace = namespace

    def _path(self, kind: str, name: str = "", sub: str = "") -> str:
        return "/".join(filter(None, (PATHS[kind].format(ns=self.namespace), name, sub)))

    def _call(self, method: str, path: str, **more: Any) -> Object:
        answer = self.http.request(method, path, **more)
        assert answer.status_code < 400, f"{method} {path}: {answer.text}"
        return answer.json()

    def list(self, kind: str, selector: str = "") -> list[Object]:
        return self._call("GET", self._path(kind), params={"labelSelector": selector})["items"]

    def get(self, kind: str, name: str) -> Object | None:
        answer = self.http.get(self._path(kind, name))
        if answer.status_code == 404:
            return None
        assert answer.status_code < 400, answer.text
        return answer.json()

    def create(self, made: Object) -> Object:
        return self._call("POST", self._path(made["kind"]), json=made)

    def merge(self, kind: str, name: str, patch: Object, sub: str = "") -> Object:
        headers = {"Content-Type": "application/merge-patch+json"}
        return self._call("PATCH", self._path(kind, name, sub), content=json.dumps(patch), headers=headers)

    def apply(self, made: Object, manager: str = "test") -> Object:
        headers = {"Content-Type": "application/apply-patch+yaml"}
        path = self._path(made["kind"], made["metadata"]["name"])
        query = {"fieldManager": manager, "force": "true"}
        return self._call("PATCH", path, content=json.dumps(made), headers=headers, params=query)

    def delete(self, kind: str, name: str, **options: Any) -> None:
        answer = self.http.request("DELETE", self._path(kind, name), json=options or None)
        assert answer.status_code < 400 or answer.status_code == 404, answer.text

    def condition(self, kind: str, name: str, wanted: str) -> Object:
        found = self.get(kind, name)
        listed = ((found or {}).get("status") or {}).get("conditions", ())
        return next((c for c in listed if c["type"] == wanted), {})

    def children(self, role: str = "", kind: str = "Deployment") -> list[Object]:
        selector = f"{names.MANAGED_BY}={names.FIELD_MANAGER}"
        return self.list(kind, selector + (f",{names.COMPONENT}={role}" if role else ""))

    def replicas(self, role: str) -> list[int]:
        return [made["spec"]["replicas"] for made in self.children(role)]


def until(what: Callable[[], Any], seconds: float, told: str) -> Any:
    """Poll until `what` is true; its value."""
    deadline = time.monotonic() + seconds
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < deadline, f"after {seconds} s: {told}"
        time.sleep(0.05)


def kubectl() -> Path:
    """The system's, or the one that the test cluster has beside its kubeconfig."""
    return Path(shutil.which("kubectl") or Path(os.environ["KUBECONFIG"]).parents[1] / "bin/kubectl")


class Proxy:
    """A TCP proxy before the API server that can be cut."""

    def __init__(self, server: str) -> None:
        host, _, port = server.removeprefix("https://").partition(":")
        self._target = (host, int(port))
        self._up = True
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        self._up = False
        for one in list(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self._up = True

    def close(self) -> None:
        self.cut()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if not self._up:
                near.close()
                continue
            threading.Thread(target=self._pump, args=(near,), daemon=True).start()

    def _pump(self, near: socket.socket) -> None:
        with near, socket.create_connection(self._target) as far:
            pair = {near: far, far: near}
            self._open |= pair.keys()
            try:
                while self._up:
                    ready, _, _ = select.select(list(pair), [], [], 1.0)
                    for one in ready:
                        data = one.recv(65536)
                        if not data:
                            return
                        pair[one].sendall(data)
            except OSError:
                return
            finally:
                self._open -= pair.keys()


class Bench:
    """One namespace with its operator."""

    def __init__(self, kube: Kube, redis_url: str, folder: Path, *, wide: bool = False, server: str = "") -> None:
        """`wide`: for all namespaces, by a ClusterRole. `server`: where the operator finds the API server instead."""
        self.kube, self.redis_url, self.folder, self.wide = kube, redis_url, folder, wide
        self.server = server
        self.redis = redis.Redis.from_url(redis_url, decode_responses=True)
        self.proxy = Proxy(kube.server)
        self.log = folder / "operator.log"
        self.process: subprocess.Popen[bytes] | None = None
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.listen = f"127.0.0.1:{free.getsockname()[1]}"

    # -- the operator
    def account(self) -> None:
        """A ServiceAccount with exactly the rules that the chart ships."""
        ns = self.kube.namespace
        rbac = "rbac.authorization.k8s.io"
        self.kube.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "operator"}})
        self.role = (f"{'Cluster' if self.wide else ''}Role", f"{ns}-operator" if self.wide else "operator")
        kind, name = self.role
        self.kube.create(
            {
                "apiVersion": f"{rbac}/v1",
                "kind": kind,
                "metadata": {"name": name},
                "rules": yaml.safe_load(RULES.read_text()),
            }
        )
        self.kube.create(
            {
                "apiVersion": f"{rbac}/v1",
                "kind": f"{kind}Binding",
                "metadata": {"name": name},
                "roleRef": {"apiGroup": rbac, "kind": kind, "name": name},
                "subjects": [{"kind": "ServiceAccount", "name": "operator", "namespace": ns}],
            }
        )
        self.kubeconfig = self.folder / "kubeconfig"
        self.write_kubeconfig(self.kubeconfig, "operator", self.proxy.port)

    def permit(self, *taken: tuple[str, str]) -> None:
        """The operator's rules without (resource, verb) of `taken`."""
        rules = yaml.safe_load(RULES.read_text())
        for rule in rules:
            rule["verbs"] = [v for v in rule["verbs"] if not any((r, v) in taken for r in rule["resources"])]
        self.kube.merge(*self.role, {"rules": [rule for rule in rules if rule["verbs"]]})

    def write_kubeconfig(self, path: Path, account: str, port: int) -> None:
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
        token = self.kube._call("POST", self.kube._path("ServiceAccount", account, "token"), json=asked)
        body = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": "test",
                    "cluster": {
                        "server": self.server or f"https://127.0.0.1:{port}",
                        "certificate-authority-data": base64.b64encode(self.kube.ca.encode()).decode(),
                    },
                }
            ],
            "users": [{"name": "operator", "user": {"token": token["status"]["token"]}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "operator"}}],
            "current-context": "test",
        }
        path.write_text(yaml.safe_dump(body))

    def start(self) -> None:
        config = {
            "namespace": "" if self.wide else self.kube.namespace,
            "busUrl": self.redis_url,
            "recordUrl": self.redis_url,
            "image": "touchline/service:test",
            "listen": self.listen,
            "network": {
                "home": self.kube.namespace,
                "bundledRedis": True,
                "externalRedisPorts": [],
                "redisCidrs": [],
                "exchangeCidrs": [],
                "outsideCidrs": [],
                "apiServerPorts": [6443],
                "apiServerCidrs": [],
                "metricsFrom": [{"namespaceSelector": {}}],
            },
            "simulator": {
                "restUrl": "http://simulator:8080/trade-api/v2",
                "wsUrl": "ws://simulator:8080/trade-api/ws/v2",
            },
        }
        path = self.folder / "operator.json"
        path.write_text(json.dumps(config))
        env = {name: value for name, value in os.environ.items() if name != "KUBERNETES_SERVICE_HOST"}
        command = [sys.executable, "-m", "touchline_operator.operator_main", "--config", str(path)]
        with self.log.open("ab") as log:
            env |= {"KUBECONFIG": str(self.kubeconfig), "PYTHONPATH": f"{ROOT}/operator:{ROOT}"}
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=env)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def close(self) -> None:
        """Nothing of it is left."""
        if self.wide:
            for kind in (self.role[0], f"{self.role[0]}Binding"):
                self.kube.delete(kind, self.role[1])
        if self.process is not None and self.process.poll() is None:
            self.kill()
        self.proxy.close()
        self.redis.close()

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(20)

    def healthy(self) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return self.asked("/healthz").status_code == 200
        return False

    def asked(self, path: str) -> httpx.Response:
        """What the operator answers on its own port."""
        return httpx.get(f"http://{self.listen}{path}", timeout=5)

    def metric(self, name: str, **labels: str) -> float:
        """A metric of the operator; the sum over all labels but these."""
        found = [
            sample.value
            for family in text_string_to_metric_families(self.asked("/metrics").text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        assert found, f"no metric {name} {labels}"
        return sum(found)

    # -- people
    def plugin(self, verb: str, *words: str) -> tuple[int, str]:
        """Run a kubectl plug-in; its exit code, and which of its known sentences it said."""
        env = os.environ | {"PATH": f"{ROOT}/operator/plugins:{kubectl().parent}:{os.environ['PATH']}"}
        command = ["kubectl", verb, *words, "-n", self.kube.namespace]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=90, check=False)
        known = ("not confirmed", "halted; nothing rests", "still halted by drawdown-1", "no cause is left")
        return done.returncode, next((said for said in known if said in done.stdout), done.stdout + done.stderr)

    # -- the record
    def topics(self, policy: str = "house") -> RecordTopics:
        return RecordTopics(self.kube.namespace, policy)

    def latched(self, policy: str = "house") -> dict[str, str]:
        return self.redis.hgetall(self.topics(policy).latch())

    def unlatch(self, cause: str, policy: str = "house") -> None:
        """What the ledger alone does."""
        t = self.topics(policy)
        keys = [t.latch(), t.epoch(), t.risk_events(), t.halt()]
        self.redis.eval(
            scripts.LATCH, len(keys), *keys, "remove", cause, "", str(time.time_ns() // 1_000_000), t.nudge()
        )

    def latch_manual(self, policy: str = "house") -> None:
        """What the operator does on `spec.halt`."""
        t, now = self.topics(policy), time.time_ns() // 1_000_000
        keys = [t.latch(), t.epoch(), t.risk_events(), t.halt()]
        cause = record.encode(record.Cause(record.MANUAL_CAUSE, "Manual", "test", "operator", now))
        self.redis.eval(scripts.LATCH, len(keys), *keys, "add", record.MANUAL_CAUSE, cause, str(now), t.nudge())

    def confirm_halt(self, policy: str = "house") -> None:
        """What the ledger says at the end of a halt."""
        t = self.topics(policy)
        now = time.time_ns() // 1_000_000
        state = record.HaltState(int(self.redis.get(t.epoch())), now, 0, "confirmed", now, "")
        self.redis.hset(t.halt(), mapping={f: str(getattr(state, f)) for f in state.__struct_fields__})
        self.redis.publish(t.nudge(), "halt")

    def report(self, process: str, *faults: Fault) -> None:
        """What a process says of itself, every half second in its life; once here."""
        first = faults[0] if faults else Fault("", "")
        now = time.time_ns() // 1_000_000
        made = Report(
            *(process, process, "", not faults, first.reason, first.message, {}, 1, now, now),
            faults=faults,
        )
        self.redis.set(topics.report(self.kube.namespace, process), codec.encode(made), px=600_000)

    def faults(self) -> list[str]:
        """Lines of the log that nobody expects."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line for line in lines if "Traceback" in line or '"unexpected"' in line or '"exception"' in line]


@contextlib.contextmanager
def namespace(kubeconfig: Path) -> Iterator[Kube]:
    """A random namespace; at the end nothing of it holds up its deletion."""
    kube = Kube(kubeconfig, f"op-{secrets.token_hex(4)}")
    for path in sorted((ROOT / "manifests/crd").glob("*.yaml")):
        kube.apply(yaml.safe_load(path.read_text()), "touchline-crds")
    until(lambda: kube.http.get(kube._path("RiskPolicy")).status_code == 200, 20, "the CRDs are not served")
    kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": kube.namespace}})
    try:
        yield kube
    finally:
        for kind in names.KINDS:
            for made in kube.list(kind):
                kube.merge(kind, made["metadata"]["name"], {"metadata": {"finalizers": None}})
        kube._call("DELETE", f"/api/v1/namespaces/{kube.namespace}")
        kube.http.close()


@contextlib.contextmanager
def bench(redis_url: str, *, wide: bool = False, server: str = "") -> Iterator[Bench]:
    """An operator at work in a namespace of its own; its log must hold no fault at the end."""
    with namespace(Path(os.environ["KUBECONFIG"])) as kube, tempfile.TemporaryDirectory() as folder:
        made = Bench(kube, redis_url, Path(folder), wide=wide, server=server)
        made.account()
        made.start()
        try:
            yield made
        finally:
            made.close()
            if os.environ.get("TOUCHLINE_SHOW_LOG"):
                print(made.log.read_text())
        assert made.faults() == []
