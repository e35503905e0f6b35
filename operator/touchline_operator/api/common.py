"""Field types that both kinds use: decimal strings that become integers, names, bounded texts."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from trading_logic import money

NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
TICKER: Final = re.compile(r"[A-Z0-9]+(-[A-Z0-9.]+)+", re.ASCII)


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


def _decimal(parse: Callable[[object, str], int], shown: Callable[[int], str], least: int, most: int, what: str) -> Any:
    """A decimal string, parsed to an integer within bounds."""
    allowed = f'{what} in quotes, from "{shown(least)}" to "{shown(most)}"'

    def read(value: object) -> int:
        try:
            number = parse(value, "")
        except money.MoneyError as error:
            raise refuse(value, allowed) from error
        if not least <= number <= most:
            raise refuse(value, allowed)
        return number

    return BeforeValidator(read)


def fraction(least: str, most: str) -> Any:
    """Fraction of one as a decimal string; the integer is in ppm."""
    low, high = (money.parse_fraction(bound, "bound") for bound in (least, most))
    return _decimal(money.parse_fraction, money.format_fraction, low, high, "a decimal")


def _short_price(price: int) -> str:
    text = money.format_price(price)
    return text.removesuffix("00")


def price(least: str, most: str) -> Any:
    """Price in dollars with 2 to 4 decimals; the integer is in 1/10,000 dollar."""
    low, high = (money.parse_price(bound, "bound") for bound in (least, most))
    return _decimal(money.parse_price, _short_price, low, high, "dollars with 2 to 4 decimals")


def dollars(least: str, most: str) -> Any:
    """Cash in dollars; the integer is in 1/1,000,000 dollar."""
    low, high = (money.parse_cash(bound, "bound") for bound in (least, most))
    return _decimal(money.parse_cash, lambda cash: money.format_cash(cash)[:-4], low, high, "dollars")


def text(pattern: re.Pattern[str], allowed: str) -> Any:
    """A string that matches the whole of `pattern`; `allowed` says it in words."""

    def read(value: object) -> str:
        if not isinstance(value, str) or pattern.fullmatch(value) is None:
            raise refuse(value, allowed)
        return value

    return BeforeValidator(read)


DnsName = Annotated[str, text(NAME, "1 to 63 of a-z, 0-9 and '-', not '-' at an end")]
EventTicker = Annotated[str, Field(max_length=64), text(TICKER, "an event ticker such as KXNFLGAME-25SEP04DALPHI")]
MarketTicker = Annotated[str, Field(max_length=64), text(TICKER, "a market ticker such as KXNFLGAME-25SEP04DALPHI-PHI")]
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
