"""TradingStrategy: what to trade, when, how much."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, model_validator

from touchline_operator.api.common import (
    ApiModel,
    DnsName,
    EventTicker,
    MarketTicker,
    Metadata,
    Mode,
    Ref,
    Text,
    broken_rule,
    fraction,
    price,
    refuse,
    repeated,
)

_PLUGIN: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
PluginName = Annotated[str, Text(_PLUGIN, 63, "the name of a plug-in such as kalshi-live-data")]
ModelName = Annotated[str, Text(_PLUGIN, 63, "the name of a model such as game-state")]
_OPTION: Final = re.compile(r"[A-Za-z][A-Za-z0-9]{0,62}", re.ASCII)
OptionName = Annotated[str, Text(_OPTION, 63, "the name of an option such as intervalSeconds")]
MAX_OPTION: Final = 1024
MAX_INT: Final = 2**31 - 1


def _option(value: object) -> str | int:
    """No floats and no nesting: what a schema can bound and an apply can merge field by field."""
    match value:
        case str() if len(value) <= MAX_OPTION:
            return value
        case int() if not isinstance(value, bool) and -MAX_INT - 1 <= value <= MAX_INT:
            return value
    raise refuse(value, f"a whole number of 32 bits, or a text in quotes of at most {MAX_OPTION} characters")


Option = Annotated[str | int, BeforeValidator(_option)]


class Market(ApiModel):
    """One event, whole or one market of it."""

    name: DnsName
    event: EventTicker | None = None
    ticker: MarketTicker | None = None

    @model_validator(mode="before")
    @classmethod
    def _not_yet(cls, data: Any) -> Any:
        if isinstance(data, dict) and "series" in data:
            raise broken_rule("series is not supported by this version; allowed: event or ticker")
        return data

    @model_validator(mode="after")
    def _one(self) -> Market:
        if (self.event is None) == (self.ticker is None):
            raise broken_rule("exactly one of event, ticker is allowed and needed")
        return self

    @property
    def event_ticker(self) -> str:
        """The event, whichever way it was named: a market's ticker is its event's plus one more part."""
        return self.event if self.event is not None else event_of(self.ticker or "")


def event_of(market: str) -> str:
    """The event ticker of a market ticker."""
    return market.rpartition("-")[0]


class Source(ApiModel):
    """A data source; strategies that ask for the same plug-in and configuration share one process."""

    name: DnsName
    plugin: PluginName
    config: Annotated[dict[OptionName, Option], Field(max_length=32)] = Field(default_factory=dict)


class Model(ApiModel):
    """A fair-value model and its weight in the pool."""

    name: ModelName
    weight: Annotated[int, fraction("0.0001", "1")]


class Analyst(ApiModel):
    """Where fair value comes from."""

    models: Annotated[tuple[Model, ...], Field(min_length=1, max_length=8, strict=False)]

    @model_validator(mode="after")
    def _unique(self) -> Analyst:
        twice = repeated([model.name for model in self.models])
        if twice is not None:
            raise broken_rule(f"models: {twice} stands twice; each model is allowed once")
        return self


class Entry(ApiModel):
    """When a position may be opened. Prices in 1/10,000 dollar once parsed, liquidity in whole contracts."""

    order_style: Literal["Take", "Rest"]
    rest_seconds: Annotated[int, Field(ge=1, le=3600)] | None = None
    min_edge: Annotated[int, price("0.001", "0.50")]
    min_liquidity_contracts: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    max_spread: Annotated[int, price("0.001", "0.99")] = 500
    min_price: Annotated[int, price("0.001", "0.999")] = 500
    max_price: Annotated[int, price("0.001", "0.999")] = 9_500

    @model_validator(mode="after")
    def _rules(self) -> Entry:
        if self.order_style == "Rest" and self.rest_seconds is None:
            raise broken_rule("restSeconds is missing; orderStyle Rest needs it, 1 to 3600")
        if self.order_style == "Take" and self.rest_seconds is not None:
            raise broken_rule("restSeconds is allowed only with orderStyle: Rest")
        if self.min_price >= self.max_price:
            raise broken_rule("minPrice must be below maxPrice")
        return self


class Sizing(ApiModel):
    """How much of the Kelly stake."""

    kelly_fraction: Annotated[int, fraction("0.0001", "0.25")] = 250_000


class Exit(ApiModel):
    """When a position is left; distances from the entry price."""

    stop_loss: Annotated[int, price("0.001", "0.99")]
    take_profit: Annotated[int, price("0.001", "0.99")]
    flatten_before_close_seconds: Annotated[int, Field(ge=0, le=86_400)] = 0


class Executor(ApiModel):
    """One writer or none."""

    replicas: Annotated[int, Field(ge=0, le=1)] = 1


class TradingStrategySpec(ApiModel):
    """Prices in 1/10,000 dollar, fractions in ppm once parsed."""

    mode: Mode
    risk_policy_ref: Ref
    markets: Annotated[tuple[Market, ...], Field(min_length=1, max_length=64, strict=False)]
    sources: Annotated[tuple[Source, ...], Field(min_length=1, max_length=8, strict=False)]
    analyst: Analyst
    entry: Entry
    sizing: Sizing = Sizing()
    exit: Exit
    executor: Executor = Executor()
    suspend: bool = False

    @model_validator(mode="after")
    def _unique(self) -> TradingStrategySpec:
        for field, values in (
            ("markets", [market.name for market in self.markets]),
            ("sources", [source.name for source in self.sources]),
        ):
            twice = repeated(values)
            if twice is not None:
                raise broken_rule(f"{field}: the name {twice} stands twice; names must be unique")
        event = repeated([market.event_ticker for market in self.markets])
        if event is not None:
            raise broken_rule(f"markets: event {event} stands twice; one entry per event is allowed")
        return self

    @property
    def events(self) -> tuple[str, ...]:
        """Event tickers in the order of the markets."""
        return tuple(market.event_ticker for market in self.markets)


class TradingStrategy(ApiModel):
    """A parsed TradingStrategy."""

    kind: Literal["TradingStrategy"]
    metadata: Metadata
    spec: TradingStrategySpec
