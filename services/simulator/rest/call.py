"""What a handler gets and gives, and strict readers for paths, queries and bodies."""

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import msgspec
from multidict import MultiMapping

from services.simulator.auth import ApiKey
from services.simulator.engine.errors import Refused
from services.simulator.engine.model import Account, Member
from services.simulator.limits import DEFAULT_COST
from services.simulator.venue import Venue
from services.simulator.wire.errors import WireError, bad_parameter, flat

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Reply:
    body: Any
    status: int = 200


@dataclass(slots=True)
class Call:
    """One request that has passed signature, limits and body size."""

    venue: Venue
    operation: str
    path: dict[str, str]
    query: MultiMapping[str]
    body: bytes
    now_ms: int
    signed: ApiKey | None

    @property
    def key(self) -> ApiKey:
        """The signing key; only routes with ``auth`` ask for it."""
        if self.signed is None:
            raise RuntimeError(f"{self.operation} is not an authenticated route")
        return self.signed

    @property
    def member(self) -> Member:
        return self.key.account.member

    def purse(self, number: int | None = None) -> Account:
        """The account number ``number``; without one the key's own, else 0."""
        bound = self.key.subaccount
        if number is None:
            number = bound or 0
        elif bound is not None and number != bound:
            raise bound_key()
        found = self.member.accounts.get(number)
        if found is None:
            raise Refused("forbidden", status=403, details=f"there is no subaccount {number}")
        return found

    def asked_purse(self) -> Account:
        """The account of the ``subaccount`` parameter; without one the key's own, else 0."""
        number = self.number("subaccount", -1, 0, 63)
        return self.purse(None if number < 0 else number)

    def asked_purses(self) -> list[Account]:
        """The account of the ``subaccount`` parameter; without one all that the key may see."""
        if self.query.get("subaccount") or self.key.subaccount is not None:
            return [self.asked_purse()]
        return list(self.member.accounts.values())

    def whole_member(self) -> Member:
        """The member, unless the key is bound to one subaccount."""
        if self.key.subaccount is not None:
            raise bound_key()
        return self.member

    def elsewhere(self) -> bool:
        """Whether the call asks for another shard than the only one."""
        return self.number("exchange_index", 0, -1, 99) > 0

    def number(self, name: str, default: int, low: int, high: int) -> int:
        """An integer parameter; outside its bounds it is refused, not clamped."""
        text = self.query.get(name)
        if text is None or text == "":
            return default
        label = "".join(part.capitalize() for part in name.split("_"))
        if not re.fullmatch(r"-?\d{1,18}", text, re.ASCII):
            raise bad_parameter(self.operation, label, "number")
        value = int(text)
        if value < low:
            raise bad_parameter(self.operation, label, "gte")
        if value > high:
            raise bad_parameter(self.operation, label, "lte")
        return value

    def stamp_ms(self, name: str) -> int | None:
        """A seconds parameter in milliseconds, None when absent."""
        value = self.number(name, -1, 0, 10**12)
        return None if value < 0 else value * 1000

    def choice(self, name: str, allowed: Sequence[str]) -> str:
        """One of ``allowed`` or empty."""
        value = self.query.get(name, "")
        if value and value not in allowed:
            raise bad_parameter(self.operation, "".join(part.capitalize() for part in name.split("_")), "oneof")
        return value

    def flag(self, name: str) -> bool:
        return self.choice(name, ("true", "false")) == "true"

    def names(self, name: str) -> list[str]:
        """A comma list, empty when absent."""
        return [part for part in self.query.get(name, "").split(",") if part]

    def page(
        self, items: Sequence[T], default: int, low: int, high: int, *, limit_name: str = "limit"
    ) -> tuple[list[T], str]:
        """The page a cursor asks for, and the next cursor (empty at the end).

        A cursor that does not decode starts at the beginning.
        """
        limit = self.number(limit_name, default, low, high)
        start = _read_cursor(self.query.get("cursor", ""))
        stop = start + limit
        return list(items[start:stop]), _cursor(stop) if 0 < stop < len(items) else ""

    def newest(self, items: Sequence[T], default: int, low: int, high: int) -> tuple[list[T], str]:
        """Newest first over a growing list: cursors count from its beginning, so that new entries shift no page."""
        limit = self.number("limit", default, low, high)
        top = min(_read_cursor(self.query.get("cursor", "")) or len(items), len(items))
        bottom = max(0, top - limit)
        return list(reversed(items[bottom:top])), _cursor(bottom) if bottom else ""

    def decode(self, model: type[S], name: str) -> S:
        """The body as ``model``; errors in the exchange's words."""
        return decode(self.body, model, name)


def decode(body: bytes | msgspec.Raw, model: type[S], name: str) -> S:
    """JSON as ``model``; errors in the exchange's words, with ``name`` for the model."""
    try:
        return msgspec.json.decode(body, type=model)
    except msgspec.ValidationError as error:
        raise unmarshal_error(str(error), name) from error
    except msgspec.DecodeError as error:
        raise flat(f"invalid JSON: {error}") from error
    except RecursionError as error:
        raise flat("invalid JSON: exceeded max depth") from error


def bound_key() -> Refused:
    text = "this API key is restricted to a single sub-account and cannot access this endpoint"
    return Refused("forbidden", status=403, message=text)


def single_shard(index: int | None) -> None:
    """Everything is on shard 0; -1 asks for routing by market."""
    if index is not None and index not in {-1, 0}:
        raise Refused("market_not_found", status=404, details=f"no markets on exchange_index {index}")


def unmarshal_error(text: str, name: str) -> WireError:
    """Turn a validation message into the words the exchange uses for the same fault."""
    missing = re.search(r"missing required field `(\w+)`", text)
    if missing:
        label = "".join(part.capitalize() for part in missing[1].split("_"))
        return flat(f"Key: '{name}.{label}' Error:Field validation for '{label}' failed on the 'required' tag")
    wrong = re.search(r"Expected `([^`]+)`, got `(\w+)`(?: - at `\$\.?([^`]*)`)?", text)
    if wrong:
        kinds = {"int": "number", "float": "number", "str": "string", "bool": "bool"}
        wanted = {"str": "string", "int": "int64"}.get(wrong[1].split(" | ")[0], wrong[1])
        field = f"{name}.{wrong[3]}" if wrong[3] else name
        given = kinds.get(wrong[2], wrong[2])
        return flat(f"json: cannot unmarshal {given} into Go struct field {field} of type {wanted}")
    return flat(text)


def _cursor(position: int) -> str:
    return base64.urlsafe_b64encode(f"at:{position}".encode()).decode().rstrip("=")


def _read_cursor(text: str) -> int:
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except ValueError:
        return 0
    found = re.fullmatch(r"at:(\d{1,12})", raw, re.ASCII)
    return int(found[1]) if found else 0


Handler = Callable[[Call], Reply]
Cost = int | Callable[[bytes], int]


@dataclass(frozen=True, slots=True)
class Route:
    """One row of the exchange's endpoint index. ``cost`` may depend on the body of a batch.

    ``operation`` is the name in the exchange's own specification, ``scope`` what a key must be allowed to do.
    """

    method: str
    path: str
    operation: str
    handler: Handler
    auth: bool = False
    cost: Cost = DEFAULT_COST
    kind: Literal["read", "write"] = "read"
    scope: str = ""

    @property
    def needs(self) -> str:
        """The scope, by default the broad one of the method."""
        return self.scope or ("read" if self.method == "GET" else "write")
