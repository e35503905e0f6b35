"""RiskPolicy: the risk envelope of exactly one exchange account."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, model_validator

from touchline_operator.api.common import (
    ApiModel,
    Environment,
    Metadata,
    Mode,
    Ref,
    Text,
    broken_rule,
    dollars,
    fraction,
    refuse,
    repeated,
)

_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]", re.ASCII)


_ZONE: Final = re.compile(r"[A-Za-z][-+A-Za-z0-9_]*(/[-+A-Za-z0-9_]+){0,2}", re.ASCII)
_ZONE_ALLOWED: Final = "an IANA time zone such as America/New_York"


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise refuse(name, _ZONE_ALLOWED) from error
    return name


class Exchange(ApiModel):
    """Which account. Immutable on Kubernetes."""

    environment: Environment
    credentials_secret_ref: Ref | None = None
    read_only_secret_ref: Ref | None = None
    subaccount: Annotated[int, Field(ge=0, le=63)] = 0

    @model_validator(mode="after")
    def _keys(self) -> Exchange:
        if self.environment != "Simulator" and self.credentials_secret_ref is None:
            raise broken_rule(f"credentialsSecretRef is missing; it is required for {self.environment}")
        return self


class TradingDay(ApiModel):
    """When a trading day begins."""

    time_zone: Annotated[str, Text(_ZONE, 64, _ZONE_ALLOWED), AfterValidator(_zone)] = "America/New_York"
    starts_at: Annotated[str, Text(_TIME, 5, 'a time in quotes from "00:00" to "23:59"')] = "06:00"


class Alert(ApiModel):
    """One way to tell people of halts and resumes; its Secret holds the keys url and, optionally, token."""

    type: Literal["Webhook"]
    secret_ref: Ref


class Resume(ApiModel):
    """Which cause of a halt people have dealt with."""

    halt_id: Annotated[str, Field(alias="haltID", min_length=1, max_length=128)]
    rebaseline: bool = False


class RiskPolicySpec(ApiModel):
    """Fractions in ppm, cash in 1/1,000,000 dollar once parsed."""

    mode: Mode
    exchange: Exchange
    max_drawdown: Annotated[int, fraction("0.0001", "1")]
    max_daily_loss: Annotated[int, fraction("0.0001", "1")]
    trading_day: TradingDay = TradingDay()
    max_position_fraction: Annotated[int, fraction("0.0001", "1")] = 50_000
    min_position_dollars: Annotated[int, dollars("0.01", "100000.00")] = 1_000_000
    max_position_dollars: Annotated[int, dollars("0.01", "1000000.00")] = 250_000_000
    max_exposure_fraction: Annotated[int, fraction("0.0001", "1")] = 500_000
    max_game_fraction: Annotated[int, fraction("0.0001", "1")] = 100_000
    max_orders_per_minute: Annotated[int, Field(ge=1, le=600)] = 30
    max_trades_per_day: Annotated[int, Field(ge=1, le=10_000)] = 20
    stale_after_seconds: Annotated[int, Field(ge=2, le=60)] = 10
    degraded_kelly_multiplier: Annotated[int, fraction("0", "1")] = 500_000
    alerts: Annotated[tuple[Alert, ...], Field(min_length=0, max_length=4, strict=False)] = ()
    halt: bool = False
    halt_reason: Annotated[str, Field(max_length=512)] = ""
    resume: Resume | None = None

    @model_validator(mode="after")
    def _rules(self) -> RiskPolicySpec:
        if self.exchange.environment == "Simulator" and self.mode != "Paper":
            raise broken_rule("mode is Live; with exchange.environment Simulator only Paper is allowed")
        if self.max_daily_loss >= self.max_drawdown:
            raise broken_rule("maxDailyLoss must be below maxDrawdown, else it could never fire first")
        if self.min_position_dollars >= self.max_position_dollars:
            raise broken_rule("minPositionDollars must be below maxPositionDollars")
        twice = repeated([alert.type for alert in self.alerts])
        if twice is not None:
            raise broken_rule(f"alerts: {twice} stands twice; each type is allowed once")
        if self.halt_reason and not self.halt:
            raise broken_rule("haltReason is allowed only together with halt: true")
        return self


class RiskPolicy(ApiModel):
    """A parsed RiskPolicy."""

    kind: Literal["RiskPolicy"]
    metadata: Metadata
    spec: RiskPolicySpec
