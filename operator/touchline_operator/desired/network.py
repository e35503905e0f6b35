"""NetworkPolicies of our processes: one per role and namespace, because all processes of a role need the same.

A pod that a policy selects is denied what no policy grants; so each one both denies and grants. Who enforces them is
the cluster's network; what they say is tested, what a network makes of them is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from touchline_operator import names
from touchline_operator.desired.meta import Child, LoopKey, Object
from touchline_operator.desired.platform import HEALTH_PORT, Network
from touchline_operator.names import Role

LOOP: Final = LoopKey("network", "all")
DNS: Final = 53
HTTPS: Final = 443
REDIS: Final = 6379
SIMULATOR: Final = 8080
NAMESPACE_NAME: Final = "kubernetes.io/metadata.name"

TO_EXCHANGE: Final = frozenset({Role.CATALOG, Role.INGEST, Role.SOURCE, Role.EXECUTOR, Role.LEDGER})
TO_OUTSIDE: Final = frozenset({Role.SOURCE, Role.LEDGER})
"""Services that are no exchange: what a source reads, where a ledger's alerts go."""
TO_API_SERVER: Final = frozenset({Role.LEDGER})
"""It reads its own RiskPolicy, so that a halt needs no operator."""


def network_policies(namespace: str, owners: Sequence[Object], network: Network) -> list[Object]:
    """One policy per role."""
    return [_policy(role, namespace, owners, network) for role in Role]


def _policy(role: Role, namespace: str, owners: Sequence[Object], network: Network) -> Object:
    child = Child(f"touchline-{role}", role, LOOP, namespace, tuple(owners), {}, {})
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": child.metadata(),
        "spec": {
            "podSelector": {
                "matchLabels": {
                    names.APP: "touchline",
                    names.COMPONENT: str(role),
                    names.MANAGED_BY: names.FIELD_MANAGER,
                }
            },
            "policyTypes": ["Ingress", "Egress"],
            "ingress": _ingress(network),
            "egress": [_dns(), *_redis(network), *_beyond(role, network)],
        },
    }


def _ingress(network: Network) -> list[Object]:
    if not network.metrics_from:
        return []
    return [{"from": [dict(peer) for peer in network.metrics_from], "ports": [_tcp(HEALTH_PORT)]}]


def _dns() -> Object:
    return {"ports": [{"protocol": "UDP", "port": DNS}, _tcp(DNS)]}


def _redis(network: Network) -> list[Object]:
    found: list[Object] = []
    if network.bundled_redis:
        found.append({"to": [_home(network, "bus", "record")], "ports": [_tcp(REDIS)]})
    if network.external_redis_ports:
        found.append(_to(network.redis_cidrs, network.external_redis_ports))
    return found


def _beyond(role: Role, network: Network) -> list[Object]:
    found: list[Object] = []
    if role in TO_EXCHANGE:
        found.append(_to(network.exchange_cidrs, (HTTPS,)))
        if network.simulator:
            found.append({"to": [_home(network, "simulator")], "ports": [_tcp(SIMULATOR)]})
    if role in TO_OUTSIDE:
        found.append(_to(network.outside_cidrs, (HTTPS,)))
    if role in TO_API_SERVER:
        found.append(_to(network.api_server_cidrs, network.api_server_ports))
    return found


def _home(network: Network, *components: str) -> Object:
    """Pods of the release, also seen from another namespace."""
    return {
        "namespaceSelector": {"matchLabels": {NAMESPACE_NAME: network.home}},
        "podSelector": {
            "matchLabels": {names.APP: "touchline"},
            "matchExpressions": [{"key": names.COMPONENT, "operator": "In", "values": list(components)}],
        },
    }


def _to(cidrs: Sequence[str], ports: Sequence[int]) -> Object:
    rule: Object = {"ports": [_tcp(port) for port in ports]}
    return ({"to": [{"ipBlock": {"cidr": cidr}} for cidr in cidrs]} if cidrs else {}) | rule


def _tcp(port: int) -> Object:
    return {"protocol": "TCP", "port": port}
