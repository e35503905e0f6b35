"""`python -m touchline_operator.operator_main --config FILE`: the operator in its pod."""

from __future__ import annotations

import argparse
import asyncio
import socket
import sys
from functools import partial
from pathlib import Path
from typing import Any, Literal

import msgspec

from touchline_operator.adapters.local.clock import SystemClock
from touchline_operator.desired.platform import KALSHI, Endpoint, Network, Platform
from touchline_operator.handlers.logs import configure_logs
from touchline_operator.handlers.registry import run
from touchline_operator.handlers.shepherd import Shepherd

EXIT_CONFIG = 2


class Simulator(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Where the simulated exchange of this installation answers."""

    rest_url: str
    ws_url: str


class NetworkConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What the processes' NetworkPolicies must let through; see `desired.platform.Network`."""

    home: str
    bundled_redis: bool
    external_redis_ports: tuple[int, ...]
    redis_cidrs: tuple[str, ...]
    exchange_cidrs: tuple[str, ...]
    outside_cidrs: tuple[str, ...]
    api_server_ports: tuple[int, ...]
    api_server_cidrs: tuple[str, ...]
    metrics_from: tuple[dict[str, Any], ...]


class OperatorConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """The operator's one configuration file; the chart writes it.

    The password Secrets are mounted here as in every process that is rendered; "" where Redis wants none.
    `namespace` is the one it works in, "" for all; `listen` is where /healthz, /readyz and /metrics answer, as
    `<host>:<port>`.
    """

    namespace: str
    bus_url: str
    record_url: str
    image: str
    listen: str
    bus_password_secret: str = ""
    record_password_secret: str = ""
    simulator: Simulator | None = None
    network: NetworkConfig | None = None
    log_format: Literal["json", "console"] = "json"


def platform(config: OperatorConfig, namespace: str) -> Platform:
    """Settings of render for one namespace."""
    endpoints = dict(KALSHI)
    if config.simulator is not None:
        endpoints["Simulator"] = Endpoint(config.simulator.rest_url, config.simulator.ws_url)
    return Platform(
        namespace=namespace,
        bus_url=config.bus_url,
        record_url=config.record_url,
        image=config.image,
        log_format=config.log_format,
        endpoints=endpoints,
        bus_secret=config.bus_password_secret,
        record_secret=config.record_password_secret,
        network=_network(config),
    )


def _network(config: OperatorConfig) -> Network | None:
    given = config.network
    if given is None:
        return None
    return Network(**msgspec.structs.asdict(given), simulator=config.simulator is not None)


def main(argv: list[str] | None = None) -> int:
    """Run until SIGTERM; the exit code."""
    parser = argparse.ArgumentParser(prog="touchline-operator")
    parser.add_argument("--config", type=Path, required=True, help="JSON configuration file")
    path: Path = parser.parse_args(argv).config
    try:
        config = msgspec.json.decode(path.read_bytes(), type=OperatorConfig)
    except (OSError, msgspec.DecodeError) as error:
        sys.stderr.write(f"operator: {path}: {error}\n")
        return EXIT_CONFIG
    configure_logs(config.log_format)
    instance = socket.gethostname()
    host, _, port = config.listen.rpartition(":")
    if not port.isdecimal():
        sys.stderr.write(f"operator: {path}: listen: {config.listen!r}; allowed: <host>:<port>\n")
        return EXIT_CONFIG
    shepherd = Shepherd(SystemClock(), instance, (host, int(port)), config.namespace, partial(platform, config))
    asyncio.run(run(shepherd, instance, [config.namespace] if config.namespace else []))
    return 0


if __name__ == "__main__":
    sys.exit(main())
