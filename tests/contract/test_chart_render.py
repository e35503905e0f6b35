"""What the charts make of their values. Needs helm, no cluster."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from uuid import UUID

import msgspec
import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from services.simulator.__main__ import parser
from tests.contract import crd
from tests.contract.chart import (
    CHARTS,
    EVERYTHING,
    ROOT,
    component,
    golden_objects,
    helm,
    one,
    pods,
    problems,
    render,
    selects,
)
from touchline_operator import names
from touchline_operator.adapters.local import redis_server
from touchline_operator.desired.platform import CONFIG_FOLDER, KEY_ID, PASSWORD, PRIVATE_KEY, Platform
from trading_logic.contracts import address

BUS = "redis://touchline-bus.trading.svc:6379/0"
OURS = "redis://ours.example:6390/2"


@pytest.mark.parametrize("chart", ["touchline", "touchline-crds"])
def test_lint(chart):
    done = helm("lint", "--strict", str(CHARTS / chart))
    assert done.returncode == 0, done.stdout + done.stderr


def test_schema_and_readme_are_made_from_the_comments():
    code = "import sys; sys.path.insert(0, sys.argv[1]); import generate; print(*[f for f, t in generate.texts().items() if f.read_text() != t])"
    done = subprocess.run(
        [sys.executable, "-c", code, str(CHARTS)], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert (done.stdout.strip(), done.stderr) == ("", ""), "run: python charts/generate.py"


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("redis.record.url=redis://:secret@host:6379", "redis/record/url"),
        ("redis.record.url=redis://user:secret@host:6379", "redis/record/url"),
        ("redis.bus.url=host:6379", "redis/bus/url"),
        ("operator.logFormat=xml", "operator/logFormat"),
        ("operator.replicas=2", "operator"),
        ("simulator.speed=0", "simulator/speed"),
        ("simulator.policies={a,b,c}", "simulator/policies"),
        ("simulator.policies={House}", "simulator/policies/0"),
        ("simulator.cash=-5", "simulator/cash"),
        ("images.pullPolicy=Sometimes", "images/pullPolicy"),
        ("redis.record.storage.size=1", "redis/record/storage/size"),
        ("networkPolicies.apiServerPorts={0}", "networkPolicies/apiServerPorts/0"),
    ],
)
def test_a_bad_value_is_refused_by_name(value, named):
    done = helm("template", "touchline", str(CHARTS / "touchline"), "--set", value)
    assert done.returncode != 0
    assert f"at '/{named}'" in done.stderr


def test_what_there_is_by_default():
    made = sorted(f"{found['kind']}/{found['metadata']['name']}" for found in render())
    assert [name for name in made if not name.startswith("NetworkPolicy/")] == [
        "ConfigMap/touchline-operator",
        "ConfigMap/touchline-simulator",
        "Deployment/touchline-bus",
        "Deployment/touchline-operator",
        "Deployment/touchline-simulator",
        "Role/touchline-operator",
        "RoleBinding/touchline-operator",
        "Secret/touchline-bus-password",
        "Secret/touchline-record-password",
        "Secret/touchline-simulator-house",
        "Service/touchline-bus",
        "Service/touchline-record",
        "Service/touchline-simulator",
        "ServiceAccount/touchline-operator",
        "StatefulSet/touchline-record",
    ]


def test_nothing_has_a_disruption_budget():
    # With one replica it would only keep nodes from draining.
    assert "PodDisruptionBudget" not in {made["kind"] for made in [*render(EVERYTHING), *golden_objects()]}


def test_the_operator_is_one_and_runs_with_a_configuration_that_it_reads():
    operator_main = pytest.importorskip("touchline_operator.operator_main")
    objects = render({"images.tag": "v7"})
    deployment = one(objects, "Deployment", "touchline-operator")["spec"]
    assert (deployment["replicas"], deployment["strategy"]["type"]) == (1, "Recreate")
    (container,) = deployment["template"]["spec"]["containers"]
    assert container["image"] == "docker.io/library/touchline-operator:v7"
    assert container["command"] == [
        "python", "-m", operator_main.__name__, "--config", f"{CONFIG_FOLDER}/config.json"
    ]  # fmt: skip
    text = one(objects, "ConfigMap", "touchline-operator")["data"]["config.json"]
    config = msgspec.json.decode(text, type=operator_main.OperatorConfig)
    platform = operator_main.platform(config, "trading")
    assert (platform.bus_url, platform.record_url) == (BUS, BUS.replace("bus", "record"))
    assert platform.image == "docker.io/library/touchline-service:v7"
    assert platform.endpoints["Simulator"].rest_url == "http://touchline-simulator.trading.svc:8080/trade-api/v2"
    assert config.namespace == "trading"
    assert config.listen.endswith(f":{container['ports'][0]['containerPort']}")
    assert [container[f"{probe}Probe"]["httpGet"]["path"] for probe in ("liveness", "readiness")] == [
        "/healthz",
        "/readyz",
    ]


def test_a_changed_configuration_restarts_the_operator_and_nothing_else():
    def templates(values):
        return {whose: json.dumps(template) for whose, template in pods(render(values))}

    before, after = (
        templates({"simulator.createSecrets": "false"}),
        templates(
            {"simulator.createSecrets": "false", "operator.logFormat": "console", "networkPolicies.enabled": "false"}
        ),
    )
    assert [whose for whose in before if before[whose] != after[whose]] == ["Deployment/touchline-operator"]


def test_rights_are_those_of_the_file_in_one_namespace_or_in_all():
    rules = yaml.safe_load((CHARTS / "touchline" / "files" / "rbac-rules.yaml").read_text())
    assert one(render(), "Role", "touchline-operator")["rules"] == rules
    objects = render({"operator.watchAllNamespaces": "true"})
    assert one(objects, "ClusterRole", "trading-touchline-operator")["rules"] == rules
    binding = one(objects, "ClusterRoleBinding", "trading-touchline-operator")
    assert binding["roleRef"]["name"] == "trading-touchline-operator"
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "touchline-operator", "namespace": "trading"}]
    assert not {"Role", "RoleBinding"} & {made["kind"] for made in objects}
    config = json.loads(one(objects, "ConfigMap", "touchline-operator")["data"]["config.json"])
    assert config["namespace"] == ""


@pytest.mark.parametrize(("role", "kind"), [("bus", "Deployment"), ("record", "StatefulSet")])
def test_a_bundled_redis_has_the_settings_of_its_role(role, kind):
    (container,) = one(render(), kind, f"touchline-{role}")["spec"]["template"]["spec"]["containers"]
    assert container["args"][0] == "/etc/redis/redis.conf"
    given = dict(zip(container["args"][1::2], container["args"][2::2], strict=True))
    local = redis_server._SETTINGS[role]
    wanted = dict(zip(local[::2], local[1::2], strict=True))
    assert {name: given.get(name) for name in wanted} == wanted


def test_the_record_keeps_its_volume():
    spec = one(render({"redis.record.storage.className": "fast"}), "StatefulSet", "touchline-record")["spec"]
    assert set(spec["persistentVolumeClaimRetentionPolicy"].values()) == {"Retain"}
    (claim,) = spec["volumeClaimTemplates"]
    assert claim["spec"]["storageClassName"] == "fast"


def test_a_redis_of_ones_own():
    objects = render({"redis.record.url": OURS, "networkPolicies.externalRedisPorts": "{6390}"})
    assert not [made for made in objects if "record" in made["metadata"]["name"]]
    config = json.loads(one(objects, "ConfigMap", "touchline-operator")["data"]["config.json"])
    assert (config["recordUrl"], config["busUrl"]) == (OURS, BUS)
    assert (config["network"]["bundledRedis"], config["network"]["externalRedisPorts"]) == (True, [6390])
    opened = one(objects, "NetworkPolicy", "touchline-to-redis")["spec"]["egress"][1]
    assert opened == {"ports": [{"protocol": "TCP", "port": 6390}]}


def passwords(objects, role):
    secret = one(objects, "Secret", f"touchline-{role}-password")["stringData"]
    return secret["password"], secret["redis.conf"]


def test_a_bundled_redis_has_a_password_that_stands_in_its_secret_alone():
    objects = render()
    found = {}
    for role, kind in (("bus", "Deployment"), ("record", "StatefulSet")):
        password, conf = passwords(objects, role)
        assert re.fullmatch(r"[A-Za-z0-9]{32}", password)
        assert conf == f"requirepass {password}\n"
        found[role] = password
        pod = one(objects, kind, f"touchline-{role}")["spec"]["template"]["spec"]
        (volume,) = [volume for volume in pod["volumes"] if volume["name"] == "password"]
        assert volume["secret"]["secretName"] == f"touchline-{role}-password"
        (container,) = pod["containers"]
        assert {"name": "password", "mountPath": "/etc/redis", "readOnly": True} in container["volumeMounts"]
        (login,) = container["env"]
        assert login["valueFrom"]["secretKeyRef"] == {"name": f"touchline-{role}-password", "key": "password"}
    assert found["bus"] != found["record"]
    for made in objects:
        if made["metadata"]["name"] not in {"touchline-bus-password", "touchline-record-password"}:
            assert not any(password in json.dumps(made) for password in found.values()), made["metadata"]["name"]


@pytest.mark.parametrize("values", [{}, {"redis.record.url": OURS, "redis.record.existingSecret": "mine"}])
def test_the_operator_mounts_the_passwords_and_has_them_mounted_in_every_process(values):
    operator_main = pytest.importorskip("touchline_operator.operator_main")
    objects = render(values)
    text = one(objects, "ConfigMap", "touchline-operator")["data"]["config.json"]
    platform = operator_main.platform(msgspec.json.decode(text, type=operator_main.OperatorConfig), "trading")
    record = values.get("redis.record.existingSecret", "touchline-record-password")
    assert (platform.bus_secret, platform.record_secret) == ("touchline-bus-password", record)
    pod = one(objects, "Deployment", "touchline-operator")["spec"]["template"]["spec"]
    secrets = {volume["name"]: volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume}
    (container,) = pod["containers"]
    mounted = {mount["mountPath"]: secrets.get(mount["name"]) for mount in container["volumeMounts"]}
    for told, secret in ((platform.bus_address, platform.bus_secret), (platform.record_address, record)):
        folder, _, name = address.parse(told).password_file.rpartition("/")
        assert (mounted[folder], name) == (secret, PASSWORD)


def test_a_redis_of_ones_own_without_a_secret_wants_no_password():
    config = json.loads(one(render({"redis.bus.url": OURS}), "ConfigMap", "touchline-operator")["data"]["config.json"])
    assert config["busPasswordSecret"] == ""
    assert config["busUrl"] == OURS


def test_a_secret_without_a_redis_of_ones_own_is_refused():
    done = helm("template", "touchline", str(CHARTS / "touchline"), "--set", "redis.bus.existingSecret=mine")
    assert done.returncode != 0
    assert "redis.bus.existingSecret is for a Redis of yours: set redis.bus.url too" in done.stderr


def test_the_simulator_gets_the_keys_that_the_policies_use():
    objects = render({"simulator.policies": "{house,guest}"})
    secrets = [
        one(objects, "Secret", Platform("", "", "").simulator_secret.format(policy=p)) for p in ("house", "guest")
    ]
    ids = json.loads(one(objects, "ConfigMap", "touchline-simulator")["data"]["accounts.json"])["key_ids"]
    assert [secret["stringData"][KEY_ID] for secret in secrets] == ids
    assert ids == [str(UUID(found)) for found in ids]
    assert len(set(ids)) == 2
    for secret in secrets:
        key = serialization.load_pem_private_key(secret["stringData"][PRIVATE_KEY].encode(), None)
        assert isinstance(key, rsa.RSAPrivateKey)
        assert key.key_size == 2048
    spec = one(objects, "Deployment", "touchline-simulator")["spec"]["template"]["spec"]
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    mounted = {
        mount["mountPath"]: volumes[mount["name"]]["secret"]["secretName"]
        for mount in spec["containers"][0]["volumeMounts"]
        if mount["mountPath"].endswith(".pem")
    }
    assert mounted == {
        f"/state/account-{at}.pem": secret["metadata"]["name"] for at, secret in enumerate(secrets, start=1)
    }


def test_the_simulator_understands_its_arguments():
    objects = render({"simulator.admin": "true", "simulator.speed": "3", "simulator.games": "{A,B}"})
    (container,) = one(objects, "Deployment", "touchline-simulator")["spec"]["template"]["spec"]["containers"]
    found = parser().parse_args(container["args"])
    assert (found.speed, found.games, found.admin, found.host) == (3, "A,B", True, "0.0.0.0")
    assert (found.cash, found.port, str(found.state_dir)) == (1_000_000_000, 8080, "/state")


def test_no_simulator_leaves_nothing_of_it():
    objects = render({"simulator.enabled": "false"})
    assert not [made for made in objects if "simulator" in made["metadata"]["name"]]
    assert "simulator" not in json.loads(one(objects, "ConfigMap", "touchline-operator")["data"]["config.json"])


def test_the_sample_policy_has_an_account():
    policy = yaml.safe_load((ROOT / "manifests" / "samples" / "policy.yaml").read_text())
    one(render(), "Secret", f"touchline-simulator-{policy['metadata']['name']}")


def test_every_sample_event_is_played():
    (container,) = one(render(), "Deployment", "touchline-simulator")["spec"]["template"]["spec"]["containers"]
    played = set(parser().parse_args(container["args"]).games.split(","))
    for path in (ROOT / "manifests" / "samples").glob("*.yaml"):
        spec = yaml.safe_load(path.read_text())["spec"]
        wanted = {market["event"] for market in spec.get("markets", ()) if "event" in market}
        assert wanted <= played, path.name


def test_services_and_workloads_select_their_own_pods_only():
    objects = render()
    templates = dict(pods(objects))
    templates |= dict(pods(golden_objects()))
    for made in objects:
        if made["kind"] in {"Deployment", "StatefulSet", "Service"}:
            selector = made["spec"]["selector"]
            labels = selector.get("matchLabels", selector)
            chosen = [
                whose for whose, pod in templates.items() if selects({"matchLabels": labels}, pod["metadata"]["labels"])
            ]
            assert [whose.split("/")[1] for whose in chosen] == [made["metadata"]["name"]]


def test_names_fit_a_long_release_name():
    done = helm("template", "a" * 53, str(CHARTS / "touchline"))
    assert done.returncode == 0, done.stderr
    for made in yaml.safe_load_all(done.stdout):
        assert len(made["metadata"]["name"]) <= 63


def test_another_release_beside_it_shares_no_name():
    done = helm("template", "other", str(CHARTS / "touchline"), "--set", "simulator.policies={spare}")
    others = {(made["kind"], made["metadata"]["name"]) for made in yaml.safe_load_all(done.stdout)}
    assert not others & {(made["kind"], made["metadata"]["name"]) for made in render()}


def test_crds_are_those_of_the_repository_and_are_kept():
    made = {found["metadata"]["name"]: found for found in render(chart="touchline-crds")}
    written = {found["metadata"]["name"]: found for found in (crd.load(kind) for kind in crd.FILES)}
    assert set(made) == set(written)
    for name, found in made.items():
        annotations = found["metadata"].pop("annotations")
        assert annotations["helm.sh/resource-policy"] == "keep"
        wanted = dict(written[name])
        own = wanted["metadata"].get("annotations", {})
        assert {key: value for key, value in annotations.items() if key != "helm.sh/resource-policy"} == own
        wanted["metadata"] = {key: value for key, value in wanted["metadata"].items() if key != "annotations"}
        assert found == wanted
    for found in render({"keep": "false"}, chart="touchline-crds"):
        assert "helm.sh/resource-policy" not in found["metadata"].get("annotations", {})


# -- pods


@pytest.mark.parametrize("whence", ["chart", "operator"])
def test_every_pod_satisfies_the_restricted_standard(whence):
    templates = list(pods(render(EVERYTHING) if whence == "chart" else golden_objects()))
    assert len(templates) >= 4
    for whose, template in templates:
        assert problems(template["spec"]) == [], whose


@pytest.mark.parametrize("whence", ["chart", "operator"])
def test_every_container_is_read_only_and_bounded(whence):
    for whose, template in pods(render() if whence == "chart" else golden_objects()):
        token = template["spec"]["automountServiceAccountToken"]
        assert not token or component(template) in {"operator", "ledger"}, whose
        for container in template["spec"]["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True, whose
            assert "memory" in container["resources"]["limits"], whose
            assert {"cpu", "memory"} <= set(container["resources"]["requests"]), whose
            assert {"livenessProbe", "readinessProbe"} <= set(container), whose


GOOD = {
    "securityContext": {"runAsNonRoot": True, "runAsUser": 1, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [
        {"name": "c", "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}}
    ],
}


def changed(**own):
    return {
        **GOOD,
        "containers": [{"name": "c", "securityContext": {**GOOD["containers"][0]["securityContext"], **own}}],
    }


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({**GOOD, "hostNetwork": True}, "hostNetwork is set"),
        ({**GOOD, "volumes": [{"name": "v", "hostPath": {"path": "/"}}]}, "volume v is a hostPath"),
        ({**GOOD, "securityContext": {"runAsNonRoot": True}}, "container c has no seccomp profile"),
        ({**GOOD, "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}, "container c may run as root"),
        (changed(runAsUser=0), "container c may run as root"),
        (changed(privileged=True), "container c is privileged"),
        (changed(allowPrivilegeEscalation=None), "container c may escalate privileges"),
        (changed(capabilities={"drop": ["NET_RAW"]}), "container c keeps capabilities"),
        (changed(capabilities={"drop": ["ALL"], "add": ["SYS_TIME"]}), "container c adds capabilities"),
        ({**GOOD, "initContainers": [{"name": "i", "securityContext": changed()["containers"][0]["securityContext"], "ports": [{"hostPort": 1}]}]}, "container i has a host port"),
    ],
)  # fmt: skip
def test_the_check_of_the_standard_finds(spec, problem):
    assert problems(GOOD) == []
    assert problems(spec) == [problem]


# -- network


def reach(objects, labels, direction):
    return [
        rule
        for made in objects
        if made["kind"] == "NetworkPolicy" and selects(made["spec"]["podSelector"], labels)
        for rule in made["spec"].get(direction, ())
    ]


def ports_out(objects, labels):
    return {port["port"] for rule in reach(objects, labels, "egress") for port in rule["ports"]}


def test_every_pod_is_denied_all_that_it_does_not_need():
    objects = [*render(), *(made for made in golden_objects() if made["kind"] == "NetworkPolicy")]
    deny = one(objects, "NetworkPolicy", "touchline-deny")["spec"]
    assert deny["policyTypes"] == ["Ingress", "Egress"]
    labels = {whose: template["metadata"]["labels"] for whose, template in [*pods(objects), *pods(golden_objects())]}
    assert {found[names.COMPONENT] for found in labels.values()} >= {str(role) for role in names.Role}
    for whose, found in labels.items():
        assert selects(deny["podSelector"], found), whose
        wanted = {53}
        role = found[names.COMPONENT]
        if role not in {"bus", "record", "simulator"}:
            wanted |= {6379}
        if role in {"operator", "ledger"}:
            wanted |= {443, 6443}
        if role in {"catalog", "ingest", "source", "executor", "ledger"}:
            wanted |= {443, 8080}
        assert ports_out(objects, found) == wanted, whose


def test_cidrs_narrow_what_leaves_and_reach_the_operator():
    operator_main = pytest.importorskip("touchline_operator.operator_main")
    objects = render(
        {
            "networkPolicies.apiServerCIDRs": "{10.0.0.1/32}",
            "networkPolicies.exchangeCIDRs": "{203.0.113.0/24}",
            "redis.bus.url": OURS,
            "redis.record.url": OURS,
            "networkPolicies.redisCIDRs": "{10.9.0.0/16}",
        }
    )
    (rule,) = one(objects, "NetworkPolicy", "touchline-api-server")["spec"]["egress"]
    assert rule["to"] == [{"ipBlock": {"cidr": "10.0.0.1/32"}}]
    assert one(objects, "NetworkPolicy", "touchline-to-redis")["spec"]["egress"][1]["to"] == [
        {"ipBlock": {"cidr": "10.9.0.0/16"}}
    ]
    text = one(objects, "ConfigMap", "touchline-operator")["data"]["config.json"]
    config = msgspec.json.decode(text, type=operator_main.OperatorConfig)
    network = operator_main.platform(config, "trading").network
    assert (network.home, network.bundled_redis, network.simulator) == ("trading", False, True)
    assert (network.exchange_cidrs, network.redis_cidrs) == (("203.0.113.0/24",), ("10.9.0.0/16",))
    assert network.metrics_from == ({"namespaceSelector": {}},)
    off = one(render({"networkPolicies.enabled": "false"}), "ConfigMap", "touchline-operator")["data"]["config.json"]
    assert "network" not in json.loads(off)


def test_redis_hears_our_pods_and_nobody_else():
    for values, peer in (
        ({}, {"podSelector": {"matchLabels": {names.APP: "touchline"}}}),
        (
            {"operator.watchAllNamespaces": "true"},
            {"podSelector": {"matchLabels": {names.APP: "touchline"}}, "namespaceSelector": {}},
        ),
    ):
        objects = render(values)
        for role in ("bus", "record"):
            labels = {names.APP: "touchline", names.COMPONENT: role}
            assert reach(objects, labels, "ingress") == [{"from": [peer], "ports": [{"protocol": "TCP", "port": 6379}]}]


def test_notes_hold_the_next_three_commands():
    text = (CHARTS / "touchline" / "templates" / "NOTES.txt").read_text()
    assert len([line for line in text.splitlines() if line.startswith("  kubectl ")]) == 3


@pytest.mark.parametrize("chart", ["touchline", "touchline-crds"])
def test_a_kubernetes_that_is_too_old_is_refused(chart: str):
    for version, accepted in (("v1.32.9", False), ("v1.33.0", True), ("v1.33.1-gke.100", True)):
        done = helm("template", "touchline", str(CHARTS / chart), "--kube-version", version)
        assert (done.returncode == 0) is accepted, version
        assert accepted or ">=1.33" in done.stderr
