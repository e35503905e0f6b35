"""The configuration file of each process, from the specs."""

from __future__ import annotations

import msgspec

from touchline_operator.api import RiskPolicySpec, TradingStrategySpec
from touchline_operator.api.common import Environment
from touchline_operator.desired.needs import SourceNeed
from touchline_operator.desired.platform import KEY_ID, PRIVATE_KEY, Platform
from trading_logic.contracts import config
from trading_logic.money import ONE_CONTRACT

ENVIRONMENTS: dict[str, Environment] = {
    "simulator": "Simulator",
    "demo": "Demo",
    "production": "Production",
}
"""Feed -> environment."""


class UnknownEndpointError(Exception):
    """The platform does not know the exchange of this feed."""


def text(value: config.Config) -> str:
    """The file's text: sorted and indented, because people read ConfigMaps."""
    return msgspec.json.format(msgspec.json.encode(value, order="deterministic"), indent=2).decode() + "\n"


def redis(platform: Platform) -> config.Redis:
    return config.Redis(bus=platform.bus_address, record=platform.record_address)


def health(platform: Platform, process: str) -> config.Health:
    return config.Health(listen=platform.health_listen.format(process=process))


def exchange(platform: Platform, feed: str, secret: str | None, subaccount: int = 0) -> config.Exchange:
    """Where the feed's exchange is, and the files of the key; no secret means public calls only."""
    environment = ENVIRONMENTS[feed]
    endpoint = platform.endpoints.get(environment)
    if endpoint is None:
        raise UnknownEndpointError(f"no address of the {environment} exchange is configured on this platform")
    folder = platform.secret_folder.format(secret=secret) if secret else ""
    return config.Exchange(
        environment=environment,
        rest_url=endpoint.rest_url,
        ws_url=endpoint.ws_url,
        key_id_file=f"{folder}/{KEY_ID}" if folder else "",
        private_key_file=f"{folder}/{PRIVATE_KEY}" if folder else "",
        subaccount=subaccount,
    )


def limits(spec: RiskPolicySpec) -> config.Limits:
    return config.Limits(
        max_drawdown_ppm=spec.max_drawdown,
        max_daily_loss_ppm=spec.max_daily_loss,
        max_position_fraction_ppm=spec.max_position_fraction,
        min_position_cash=spec.min_position_dollars,
        max_position_cash=spec.max_position_dollars,
        max_exposure_fraction_ppm=spec.max_exposure_fraction,
        max_game_fraction_ppm=spec.max_game_fraction,
        max_orders_per_minute=spec.max_orders_per_minute,
        max_trades_per_day=spec.max_trades_per_day,
        stale_after_ms=spec.stale_after_seconds * 1000,
        degraded_kelly_ppm=spec.degraded_kelly_multiplier,
    )


def trading_day(spec: RiskPolicySpec) -> config.TradingDay:
    return config.TradingDay(time_zone=spec.trading_day.time_zone, starts_at=spec.trading_day.starts_at)


def entry(spec: TradingStrategySpec) -> config.Entry:
    wish = spec.entry
    return config.Entry(
        order_style=wish.order_style,
        rest_seconds=wish.rest_seconds or 0,
        min_edge=wish.min_edge,
        min_liquidity=wish.min_liquidity_contracts * ONE_CONTRACT,
        max_spread=wish.max_spread,
        min_price=wish.min_price,
        max_price=wish.max_price,
    )


def exit_rules(spec: TradingStrategySpec) -> config.Exit:
    return config.Exit(
        stop_loss=spec.exit.stop_loss,
        take_profit=spec.exit.take_profit,
        flatten_before_close_seconds=spec.exit.flatten_before_close_seconds,
    )


def models(spec: TradingStrategySpec) -> tuple[config.Model, ...]:
    return tuple(config.Model(name=model.name, weight_ppm=model.weight) for model in spec.analyst.models)


def source_config(need: SourceNeed) -> dict[str, msgspec.Raw]:
    return {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in sorted(need.config.items())}
