"""Each role reaches what it needs and nothing else."""

from __future__ import annotations

import pytest

from touchline_operator import names
from touchline_operator.desired.network import network_policies
from touchline_operator.desired.platform import Network
from touchline_operator.names import Role

NETWORK = Network(
    "trading",
    simulator=True,
    exchange_cidrs=("203.0.113.0/24",),
    outside_cidrs=("198.51.100.0/24",),
    api_server_ports=(6443,),
    api_server_cidrs=("10.0.0.1/32",),
)


def ends(role: Role, network: Network = NETWORK) -> set[str]:
    """The other ends of a role's rules, in words."""
    (made,) = [p for p in network_policies("trading", (), network) if p["metadata"]["labels"][names.COMPONENT] == role]
    found = set()
    for rule in made["spec"]["egress"]:
        ports = "/".join(str(port["port"]) for port in rule["ports"])
        for peer in rule.get("to", [{}]):
            where = peer.get("ipBlock", {}).get("cidr", "")
            for expression in peer.get("podSelector", {}).get("matchExpressions", ()):
                where = "+".join(expression["values"])
            found.add(f"{where or 'any'}:{ports}")
    return found


BASE = {"any:53/53", "bus+record:6379"}
EXCHANGE = {"203.0.113.0/24:443", "simulator:8080"}


@pytest.mark.parametrize(
    ("role", "more"),
    [
        (Role.CATALOG, EXCHANGE),
        (Role.INGEST, EXCHANGE),
        (Role.SOURCE, EXCHANGE | {"198.51.100.0/24:443"}),
        (Role.CONSUMER, set()),
        (Role.DECISION, set()),
        (Role.EXECUTOR, EXCHANGE),
        (Role.LEDGER, EXCHANGE | {"198.51.100.0/24:443", "10.0.0.1/32:6443"}),
    ],
)
def test_what_a_role_reaches(role, more):
    assert ends(role) == BASE | more


def test_a_redis_of_ones_own_replaces_the_bundled_one():
    outside = Network("trading", bundled_redis=False, external_redis_ports=(6380,), redis_cidrs=("10.9.0.0/16",))
    assert ends(Role.CONSUMER, outside) == {"any:53/53", "10.9.0.0/16:6380"}


def test_nobody_comes_in_but_who_reads_metrics():
    made = network_policies("trading", (), Network("trading", metrics_from=({"namespaceSelector": {}},)))
    assert {p["spec"]["ingress"][0]["ports"][0]["port"] for p in made} == {8080}
    closed = network_policies("trading", (), Network("trading"))
    assert [p["spec"]["ingress"] for p in closed] == [[]] * len(Role)
    assert all(p["spec"]["policyTypes"] == ["Ingress", "Egress"] for p in closed)
