"""The venue's number and time formats, decoded straight into the units used inside.

A struct field annotated `Price`, `Count`, `Cash` or another marker below holds a plain int: msgspec
meets a type it does not know, calls `decode_field`, and reports a failure with the path of the field.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from services.exchange.errors import DecodeError
from trading_logic import money

T = TypeVar("T")

if TYPE_CHECKING:
    Price = int
    Count = int
    SignedCount = int
    Multiplier = int
    Cash = int
    Cents = int
    Seconds = int
    Timestamp = int
else:

    class _Int(type):
        """Lets msgspec accept the plain int that a hook returned for a marker."""

        def __instancecheck__(cls, value: object) -> bool:
            return type(value) is int

    class Price(metaclass=_Int):
        """String of dollars per contract → 1/10,000 dollar."""

    class Count(metaclass=_Int):
        """String of contracts → 1/100 contract, not negative."""

    class SignedCount(metaclass=_Int):
        """String of contracts with a direction → 1/100 contract."""

    class Multiplier(metaclass=_Int):
        """JSON number such as 0.5 → parts per million."""

    class Cash(metaclass=_Int):
        """String of dollars → 1/1,000,000 dollar."""

    class Cents(metaclass=_Int):
        """JSON integer of cents → 1/1,000,000 dollar."""

    class Seconds(metaclass=_Int):
        """JSON integer of epoch seconds → epoch milliseconds."""

    class Timestamp(metaclass=_Int):
        """RFC 3339 string → epoch milliseconds, fractions cut off."""


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_MOST_MULTIPLIER = 100 * money.ONE_PPM
# A day uses few distinct sizes: the cache answers nearly every call of the hot path. Prices have a table in `money`.
_signed_count = lru_cache(maxsize=65_536)(money.parse_signed_count)
_count = lru_cache(maxsize=65_536)(money.parse_count)


def _text(value: object) -> str:
    if type(value) is not str:
        raise ValueError(f"expected a string, got {value!r}")
    return value


def _whole(value: object) -> int:
    if type(value) is not int:
        raise ValueError(f"expected a whole number, got {value!r}")
    return value


def _multiplier(value: object) -> int:
    # The shortest text of a JSON float is the number that was written, up to 15 digits: no binary rounding gets in.
    if type(value) not in {int, float}:
        raise ValueError(f"expected a number, got {value!r}")
    return money.parse_ppm(str(value), "multiplier", most=_MOST_MULTIPLIER)


def parse_timestamp(text: str) -> int:
    """RFC 3339 with an offset → epoch milliseconds. Raises ValueError for anything else."""
    try:
        moment = msgspec.convert(text, datetime)
    except msgspec.ValidationError as error:
        raise ValueError(f"{text!r} is not an RFC 3339 time") from error
    if moment.tzinfo is None:
        raise ValueError(f"time {text!r} has no offset from UTC")
    return (moment - _EPOCH) // _MILLISECOND


_FIELD_DECODERS: dict[Any, Callable[[Any], int]] = {
    Price: lambda value: money.parse_price(value, "price"),
    Count: lambda value: _count(_text(value), "count"),
    SignedCount: lambda value: _signed_count(_text(value), "count"),
    Multiplier: _multiplier,
    Cash: lambda value: money.parse_cash(value, "cash"),
    Cents: lambda value: _whole(value) * money.CENT_CASH,
    Seconds: lambda value: _whole(value) * 1000,
    Timestamp: lambda value: parse_timestamp(_text(value)),
}


UNDECODABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes from outside. The last is for thousands of brackets, also in fields nobody reads."""


def decode_field(kind: Any, value: Any) -> int:
    """The `dec_hook` of every decoder in this package."""
    return _FIELD_DECODERS[kind](value)


_MISSING = re.compile(r"^Object missing required field `(?P<name>[^`]+)`")
_PATH = re.compile(r"^(?P<problem>.*) - at `(?P<path>[^`]+)`$", re.DOTALL)


def explain(error: Exception) -> tuple[str, str]:
    """Split one of UNDECODABLE into the path of the field and what is wrong with it."""
    if isinstance(error, RecursionError):
        return "", "nested too deep"
    text = str(error)
    found = _PATH.match(text)
    problem, path = (found["problem"], found["path"].removeprefix("$").removeprefix(".")) if found else (text, "")
    missing = _MISSING.match(problem)
    if missing:
        return (f"{path}.{missing['name']}" if path else missing["name"]), "missing"
    return path, problem


class BodyDecoder:
    """Decodes JSON bodies; one msgspec decoder per model, made once."""

    def __init__(self) -> None:
        self._decoders: dict[Any, msgspec.json.Decoder[Any]] = {}

    def decode(self, where: str, body: bytes, model: type[T]) -> T:
        """Raises DecodeError, naming `where` and the field."""
        decoder = self._decoders.get(model)
        if decoder is None:
            decoder = self._decoders[model] = msgspec.json.Decoder(model, dec_hook=decode_field)
        try:
            result: T = decoder.decode(body)
        except UNDECODABLE as error:
            field, problem = explain(error)
            raise DecodeError(where, field, problem) from error
        return result
