"""The Deployment and ConfigMap of one process. Complete: server-side apply resets what an apply leaves out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from touchline_operator import names
from touchline_operator.desired.meta import Child, Object
from touchline_operator.desired.platform import CONFIG_FILE, CONFIG_FOLDER, HEALTH_PORT, Platform
from touchline_operator.names import Role

# Two writers at once would fence each other off; the old one must be gone before the new one starts.
SINGLE_WRITERS = frozenset({Role.EXECUTOR, Role.LEDGER})
SHORT_GRACE_SECONDS = 10


@dataclass(frozen=True, slots=True)
class SecretMount:
    """A Secret as files."""

    volume: str
    secret: str

    def mount(self, platform: Platform) -> Object:
        return {
            "name": self.volume,
            "mountPath": platform.secret_folder.format(secret=self.secret),
            "readOnly": True,
        }

    def of_pod(self) -> Object:
        # Optional: a process that starts without its key says which file is missing; a pod that waits for it does not.
        return {"name": self.volume, "secret": {"secretName": self.secret, "defaultMode": 0o440, "optional": True}}


def account_key(secret: str | None) -> tuple[SecretMount, ...]:
    """The key of an exchange account; None for a process that holds none."""
    return () if secret is None else (SecretMount("key", secret),)


def _passwords(platform: Platform) -> list[SecretMount]:
    pairs = (("bus-password", platform.bus_secret), ("record-password", platform.record_secret))
    return [SecretMount(volume, secret) for volume, secret in pairs if secret]


def _by_secret(mounts: Sequence[SecretMount]) -> list[SecretMount]:
    """Each Secret once: two mounts of one path are refused."""
    return list({mount.secret: mount for mount in reversed(mounts)}.values())[::-1]


def config_map(child: Child, config: str) -> Object:
    """The process' one configuration file."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": child.metadata(), "data": {CONFIG_FILE: config}}


def deployment(
    child: Child,
    config: str | None,
    replicas: int,
    secrets: Sequence[SecretMount],
    platform: Platform,
    account: str | None = None,
) -> Object:
    """The process' Deployment; `replicas` is always spelled out. `config` None: it may not run, there is no file.

    `account` is the ServiceAccount whose token it gets; without one it gets no token.
    """
    assert config is not None or replicas == 0
    single = child.role in SINGLE_WRITERS
    pod_labels = child.all_labels()
    digest = hashlib.sha256(config.encode()).hexdigest()[:16] if config is not None else "none"
    mounts: list[Object] = [{"name": "config", "mountPath": CONFIG_FOLDER, "readOnly": True}]
    volumes: list[Object] = [{"name": "config", "configMap": {"name": child.name}}]
    wanted = _by_secret([*secrets, *_passwords(platform)])
    mounts += [secret.mount(platform) for secret in wanted]
    volumes += [secret.of_pod() for secret in wanted]
    container: Object = {
        "name": str(child.role),
        "image": platform.image,
        "command": ["python", "-m", names.MODULES[child.role], "--config", f"{CONFIG_FOLDER}/{CONFIG_FILE}"],
        "ports": [{"name": "http", "containerPort": HEALTH_PORT}],
        "livenessProbe": _probe("/healthz", 10, 3),
        "readinessProbe": _probe("/readyz", 5, 2),
        "resources": {"requests": {"cpu": "20m", "memory": "96Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": mounts,
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": child.metadata(),
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": 2,
            "selector": {"matchLabels": child.selector()},
            "strategy": {"type": "Recreate"} if single else _rolling(),
            "template": {
                "metadata": {"labels": pod_labels, "annotations": {names.CONFIG_HASH: digest}},
                "spec": {
                    **({"serviceAccountName": account} if account is not None else {}),
                    "automountServiceAccountToken": account is not None,
                    "enableServiceLinks": False,
                    # Not process 1, which ignores a SIGTERM that comes before it listens: a pod that is replaced
                    # while it starts would stay for its whole grace period.
                    "shareProcessNamespace": True,
                    "securityContext": {
                        "runAsNonRoot": True,
                        "runAsUser": 65532,
                        "runAsGroup": 65532,
                        "fsGroup": 65532,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "terminationGracePeriodSeconds": platform.grace_seconds if single else SHORT_GRACE_SECONDS,
                    "containers": [container],
                    "volumes": volumes,
                },
            },
        },
    }


def _rolling() -> Object:
    # One stream, one reader: the old process ends before the new one starts here too.
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}


def _probe(path: str, period: int, failures: int) -> Object:
    return {
        "httpGet": {"path": path, "port": "http"},
        "periodSeconds": period,
        "timeoutSeconds": 3,
        "failureThreshold": failures,
    }
