"""Where things run: the difference between one machine and a cluster, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from touchline_operator.api.common import Environment
from trading_logic.contracts.address import with_file


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Addresses of one exchange environment."""

    rest_url: str
    ws_url: str


KALSHI: Mapping[Environment, Endpoint] = {
    "Demo": Endpoint(
        "https://external-api.demo.kalshi.co/trade-api/v2", "wss://external-api-ws.demo.kalshi.co/trade-api/ws/v2"
    ),
    "Production": Endpoint(
        "https://external-api.kalshi.com/trade-api/v2", "wss://external-api-ws.kalshi.com/trade-api/ws/v2"
    ),
}

HEALTH_PORT = 8080
CONFIG_FOLDER = "/etc/touchline"
CONFIG_FILE = "config.json"
KEY_ID = "keyID"
PRIVATE_KEY = "privateKey"
PASSWORD = "password"  # noqa: S105  - the name of a file
URL = "url"
TOKEN = "token"  # noqa: S105  - the name of a file


@dataclass(frozen=True, slots=True)
class Network:
    """Where the other ends are. Empty CIDRs mean any address, on the port alone."""

    home: str
    """Namespace of the release: its Redis and its simulator."""
    bundled_redis: bool = True
    """Whether the release runs at least one Redis."""
    simulator: bool = False
    external_redis_ports: Sequence[int] = ()
    redis_cidrs: Sequence[str] = ()
    exchange_cidrs: Sequence[str] = ()
    outside_cidrs: Sequence[str] = ()
    api_server_ports: Sequence[int] = (443, 6443)
    api_server_cidrs: Sequence[str] = ()
    metrics_from: Sequence[Mapping[str, Any]] = ()
    """NetworkPolicy peers that may read /metrics."""


@dataclass(frozen=True, slots=True)
class Platform:
    """Settings of render. The templates hold `{process}`, `{secret}`, `{policy}` where the name goes."""

    namespace: str
    bus_url: str
    record_url: str
    image: str = "touchline/service"
    log_format: Literal["json", "console"] = "json"
    health_listen: str = "0.0.0.0:8080"
    secret_folder: str = "/var/run/secrets/touchline/{secret}"  # noqa: S105  - a path
    spec_file: str = ""
    simulator_secret: str = "touchline-simulator-{policy}"  # noqa: S105  - the name of an object
    endpoints: Mapping[Environment, Endpoint] = field(default_factory=lambda: dict(KALSHI))
    catalog_poll_seconds: float = 5.0
    grace_seconds: int = 30
    bus_secret: str = ""
    record_secret: str = ""
    """Secrets with the passwords of the two Redis, in every namespace; "": none is needed."""
    network: Network | None = None
    """None: no NetworkPolicies."""

    @property
    def bus_address(self) -> str:
        """The bus with the file of its password, as processes are told."""
        return with_file(self.bus_url, self._password_file(self.bus_secret))

    @property
    def record_address(self) -> str:
        """The record with the file of its password."""
        return with_file(self.record_url, self._password_file(self.record_secret))

    def _password_file(self, secret: str) -> str:
        return f"{self.secret_folder.format(secret=secret)}/{PASSWORD}" if secret else ""
