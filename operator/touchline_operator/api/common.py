"""Field types that both kinds use: decimal strings that become integers, names, bounded texts."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from trading_logic import money

NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
TICKER: Final = re.compile(r"[A-Z0-9]+(-[A-Z0-9.]+)+", re.ASCII)
MAX_TICKER: Final = 64


class ApiModel(BaseModel):
    """Strict: no coercion, no unknown field; camelCase in the file."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, alias_generator=to_camel)


class Ref(ApiModel):
    """The name of an object in the same namespace."""

    name: DnsName


class Metadata(ApiModel):
    """The part of ObjectMeta that the core reads. Times are RFC 3339 in UTC, as the API server writes them."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, alias_generator=to_camel)

    name: DnsName
    namespace: str = "default"
    uid: str = ""
    generation: int = 0
    creation_timestamp: str = ""
    deletion_timestamp: str = ""
    annotations: dict[str, str] = Field(default_factory=dict)


def refuse(value: object, allowed: str) -> PydanticCustomError:
    """The error of a value that is not allowed, with what is."""
    return PydanticCustomError(
        "not_allowed",
        "{shown} is not allowed; allowed: {allowed}",
        {
            "shown": repr(value),
            "allowed": allowed,
        },
    )


def broken_rule(sentence: str) -> PydanticCustomError:
    """The error of fields that contradict each other."""
    return PydanticCustomError("rule", "{sentence}", {"sentence": sentence})


@dataclass(frozen=True, slots=True)
class Decimal:
    """A decimal string that becomes an integer within bounds; `least`, `most` and `pattern` as the schema has them."""

    parse: Callable[[object, str], int]
    pattern: str
    max_length: int
    least: str
    most: str
    what: str

    @property
    def allowed(self) -> str:
        """What is allowed, in words."""
        return f'{self.what} in quotes, from "{self.least}" to "{self.most}"'

    def read(self, value: object) -> int:
        """The integer. Raises what pydantic reports."""
        try:
            number = self.parse(value, "")
        except money.MoneyError as error:
            raise refuse(value, self.allowed) from error
        low, high = (self.parse(bound, "bound") for bound in (self.least, self.most))
        if not low <= number <= high:
            raise refuse(value, self.allowed)
        return number

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read the string before pydantic checks the integer."""
        return core_schema.no_info_before_validator_function(self.read, handler(source))


def fraction(least: str, most: str) -> Decimal:
    """Fraction of one as a decimal string; the integer is in ppm."""
    pattern = "^(0([.][0-9]{1,6})?|1([.]0{1,6})?)$"
    return Decimal(money.parse_fraction, pattern, 8, least, most, "a decimal")


def price(least: str, most: str) -> Decimal:
    """Price below one dollar with 2 to 4 decimals; the integer is in 1/10,000 dollar."""
    return Decimal(money.parse_price, "^0[.][0-9]{2,4}$", 6, least, most, "dollars with 2 to 4 decimals")


def dollars(least: str, most: str) -> Decimal:
    """Cash in dollars with at most 6 decimals; the integer is in 1/1,000,000 dollar."""
    return Decimal(money.parse_cash, "^(0|[1-9][0-9]{0,6})([.][0-9]{1,6})?$", 14, least, most, "dollars")


@dataclass(frozen=True, slots=True)
class Text:
    """A string that matches the whole of `pattern`; `allowed` says it in words."""

    pattern: re.Pattern[str]
    max_length: int
    allowed: str

    def read(self, value: object) -> str:
        """The string itself. Raises what pydantic reports."""
        if not isinstance(value, str) or len(value) > self.max_length or self.pattern.fullmatch(value) is None:
            raise refuse(value, self.allowed)
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Match before pydantic looks at it, so that one message says what is allowed."""
        return core_schema.no_info_before_validator_function(self.read, handler(source))


DnsName = Annotated[str, Text(NAME, 63, "1 to 63 of a-z, 0-9 and '-', not '-' at an end")]
EventTicker = Annotated[str, Text(TICKER, MAX_TICKER, "an event ticker such as KXNFLGAME-25SEP04DALPHI")]
MarketTicker = Annotated[str, Text(TICKER, MAX_TICKER, "a market ticker such as KXNFLGAME-25SEP04DALPHI-PHI")]
SERIES: Final = re.compile(r"[A-Z0-9]+", re.ASCII)
SeriesTicker = Annotated[str, Text(SERIES, MAX_TICKER, "a series ticker such as KXNFLGAME")]
Mode = Literal["Paper", "Live"]
Environment = Literal["Simulator", "Demo", "Production"]

T = TypeVar("T")


def repeated(values: list[T]) -> T | None:
    """The first value that stands twice, or None."""
    seen: list[T] = []
    for value in values:
        if value in seen:
            return value
        seen.append(value)
    return None


Ref.model_rebuild()
Metadata.model_rebuild()
