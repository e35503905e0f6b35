"""The exchange as the processes see it, asked by `services.exchange.probe` in its own process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec

from touchline_operator.cli.doctor.judge import Check, exchange_checks, unknown
from trading_logic.contracts import config

TIMEOUT_S = 30.0


class Head(msgspec.Struct, rename="camel"):
    """The part of a configuration that says which exchange a process uses, and with which key."""

    process: str
    feed: str = ""
    exchange: config.Exchange | None = None


class Found(msgspec.Struct, frozen=True):
    """As services.exchange.probe writes it."""

    name: str
    error: str
    trading: bool
    ahead_ms: tuple[int, int] | None
    key_error: str


def exchanges(configs: Path) -> dict[str, config.Exchange]:
    """Each exchange and key that the run's processes use, by the name of one that does."""
    found: dict[tuple[str, str, int], tuple[str, config.Exchange]] = {}
    for path in sorted(configs.glob("*/config.json")):
        head = msgspec.json.decode(path.read_bytes(), type=Head)
        if head.exchange is not None and head.exchange.private_key_file:
            exchange = head.exchange
            known = (exchange.rest_url, exchange.private_key_file, exchange.subaccount)
            found.setdefault(known, (head.process, exchange))
    return dict(found.values())


def probe(asked: dict[str, config.Exchange]) -> list[Check]:
    """Reachable, environment, clock and key of each."""
    body = msgspec.json.encode([{"name": name, "exchange": exchange} for name, exchange in asked.items()])
    try:
        command = [sys.executable, "-m", "services.exchange.probe"]
        told = subprocess.run(command, input=body, capture_output=True, timeout=TIMEOUT_S, check=True).stdout  # noqa: S603  - our own module
        answers = {found.name: found for found in msgspec.json.decode(told, type=list[Found])}
    except (subprocess.SubprocessError, OSError, msgspec.MsgspecError) as error:
        return [
            unknown("exchange", f"the probe failed: {error}", "an answer", "run: python -m services.exchange.probe")
        ]
    checks: list[Check] = []
    for name, exchange in asked.items():
        found = answers[name]
        checks += exchange_checks(
            name, exchange.environment, exchange.rest_url,
            error=found.error, trading=found.trading, ahead_ms=found.ahead_ms, key=found.key_error,
        )  # fmt: skip
    return checks
