"""The one resolved configuration file of each process: written by the operator's render, read by the process.

Secrets are never in here, only the paths of the files that hold them. Unknown fields are refused: the file and the
process come from the same version or not at all.
"""

from __future__ import annotations

from typing import Literal, TypeVar

import msgspec


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Base: camelCase in the file, as in the custom resources."""


class Redis(Config, frozen=True):
    """URLs of the two roles, `redis://` or `unix://`; see `contracts.address` for their passwords."""

    bus: str
    record: str


class Health(Config, frozen=True):
    """Where /healthz, /readyz and /metrics answer: `unix:<path>` or `<host>:<port>`."""

    listen: str


class Exchange(Config, frozen=True):
    """Which exchange, and the files with the key. Files absent: only public calls are possible."""

    environment: Literal["Simulator", "Demo", "Production"]
    rest_url: str
    ws_url: str
    key_id_file: str
    private_key_file: str
    subaccount: int


class Process(Config, frozen=True):
    """What every process has."""

    process: str  # unique name in the namespace; its report key
    namespace: str
    redis: Redis
    health: Health
    log_format: Literal["json", "console"]


class Catalog(Process, frozen=True):
    """One per namespace and feed."""

    feed: str
    exchange: Exchange
    events: tuple[str, ...]
    series: tuple[str, ...]  # whose slates are published
    poll_seconds: float


class Ingest(Process, frozen=True):
    """One per event."""

    feed: str
    event: str
    exchange: Exchange


class Source(Process, frozen=True):
    """One per plug-in, configuration and secret; serves every event that wants it."""

    feed: str
    name: str  # the shared source's own name, from plug-in and configuration
    plugin: str
    config: dict[str, msgspec.Raw]
    events: tuple[str, ...]
    exchange: Exchange  # only the address: a source holds no exchange key


class Consumer(Process, frozen=True):
    """One per event. `sources` are shared source names, first one that knows the game wins."""

    feed: str
    event: str
    sources: tuple[str, ...]


class Model(Config, frozen=True):
    """A fair-value model and its weight in the pool."""

    name: str
    weight_ppm: int


class Entry(Config, frozen=True):
    """When a strategy may open a position. Prices in 1/10,000 dollar, counts in 1/100 contract."""

    order_style: Literal["Take", "Rest"]
    rest_seconds: int
    min_edge: int
    min_liquidity: int
    max_spread: int
    min_price: int
    max_price: int


class Exit(Config, frozen=True):
    """When a strategy leaves a position; distances from the entry price in 1/10,000 dollar."""

    stop_loss: int
    take_profit: int
    flatten_before_close_seconds: int


class Limits(Config, frozen=True):
    """The risk envelope, resolved to integers. Names as in RiskPolicy, units in the suffix."""

    max_drawdown_ppm: int
    max_daily_loss_ppm: int
    max_position_fraction_ppm: int
    min_position_cash: int
    max_position_cash: int
    max_exposure_fraction_ppm: int
    max_game_fraction_ppm: int
    max_orders_per_minute: int
    max_trades_per_day: int
    stale_after_ms: int
    degraded_kelly_ppm: int


class TradingDay(Config, frozen=True):
    """When a trading day begins."""

    time_zone: str
    starts_at: str  # HH:MM


class DecisionConfig(Process, frozen=True):
    """One per strategy and event."""

    feed: str
    strategy: str
    strategy_uid: str
    policy: str
    event: str
    market: str  # one market only, or "" for all of the event
    models: tuple[Model, ...]
    entry: Entry
    kelly_ppm: int
    exit: Exit
    limits: Limits


class ExecutorConfig(Process, frozen=True):
    """One per strategy. `events` are those it may trade or still holds positions in."""

    feed: str
    strategy: str
    strategy_uid: str
    policy: str
    events: tuple[str, ...]
    exchange: Exchange
    limits: Limits
    trading_day: TradingDay
    entry: Entry


class LedgerConfig(Process, frozen=True):
    """One per RiskPolicy."""

    feed: str
    policy: str
    events: tuple[str, ...]
    exchange: Exchange
    limits: Limits
    trading_day: TradingDay
    spec_file: str  # local runs: file with the policy's halt fields; "" on Kubernetes
    mode: Literal["Paper", "Live"]
    webhook_folder: str  # holds `url` and, if the receiver asks for one, `token`; "" when nobody is told of halts


C = TypeVar("C", bound=Config)


def decode(data: bytes, kind: type[C]) -> C:
    """Parse a configuration file. Raises msgspec.DecodeError (ValidationError names the field)."""
    return msgspec.json.decode(data, type=kind)
