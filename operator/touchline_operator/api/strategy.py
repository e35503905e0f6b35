"""TradingStrategy: what to trade, when, how much."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, model_validator

from touchline_operator.api.common import (
    ApiModel,
    DnsName,
    EventTicker,
    MarketTicker,
    Metadata,
    Mode,
    Ref,
    SeriesTicker,
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
    """One event, whole or one market of it; or a series, whose events come and go."""

    name: DnsName
    event: EventTicker | None = None
    ticker: MarketTicker | None = None
    series: SeriesTicker | None = None
    starts_within_hours: Annotated[int, Field(ge=1, le=168)] | None = None
    max_events: Annotated[int, Field(ge=1, le=16)] | None = None

    @model_validator(mode="after")
    def _one(self) -> Market:
        if sum(named is not None for named in (self.event, self.series, self.ticker)) != 1:
            raise broken_rule("exactly one of event, series, ticker is allowed and needed")
        if any((value is None) != (self.series is None) for value in (self.starts_within_hours, self.max_events)):
            raise broken_rule("startsWithinHours and maxEvents are needed with series and allowed only with it")
        return self

    @property
    def event_ticker(self) -> str | None:
        """The event, whichever way it was named: a market's ticker is its event's plus one more part.

        None for a series: its events are not known from the spec.
        """
        return self.event if self.ticker is None else event_of(self.ticker)


MAX_SERIES: Final = 8


@dataclass(frozen=True, slots=True)
class SlateWish:
    """A series that is followed: events that start within `within_ms` from now, at most `most` at a time."""

    series: str
    within_ms: int
    most: int


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
        twice = repeated([market.event_ticker or market.series or "" for market in self.markets])
        if twice is not None:
            raise broken_rule(f"markets: {twice} stands twice; one entry per event or series is allowed")
        if len(self.slates) > MAX_SERIES:
            raise broken_rule(f"markets: allowed: at most {MAX_SERIES} entries that name a series")
        return self

    @cached_property
    def events(self) -> tuple[str, ...]:
        """Events that the spec names, in the order of the markets."""
        return tuple(market.event_ticker for market in self.markets if market.event_ticker is not None)

    @cached_property
    def slates(self) -> tuple[SlateWish, ...]:
        """What the spec follows, in the order of the markets."""
        return tuple(
            SlateWish(market.series, market.starts_within_hours * 3_600_000, market.max_events)
            for market in self.markets
            if market.series is not None and market.starts_within_hours is not None and market.max_events is not None
        )


class TradingStrategy(ApiModel):
    """A parsed TradingStrategy."""

    kind: Literal["TradingStrategy"]
    metadata: Metadata
    spec: TradingStrategySpec
