"""From plain dicts to typed resources, with every problem named by its field and what is allowed there."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from touchline_operator.api.common import ApiModel
from touchline_operator.api.policy import RiskPolicy
from touchline_operator.api.strategy import TradingStrategy

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a resource: where in it, and what to change."""

    path: Path
    text: str

    @property
    def field(self) -> str:
        """The path as people write it: `spec.markets[1].event`."""
        out = ""
        for step in self.path:
            out += f"[{step}]" if isinstance(step, int) else f".{step}" if out else step
        return out

    def __str__(self) -> str:
        return f"{self.field}: {self.text}" if self.path else self.text


R = TypeVar("R", RiskPolicy, TradingStrategy)


def parse_policy(raw: Mapping[str, Any]) -> RiskPolicy | tuple[Problem, ...]:
    """A RiskPolicy, or everything that is wrong with it."""
    return _parse(RiskPolicy, raw)


def parse_strategy(raw: Mapping[str, Any]) -> TradingStrategy | tuple[Problem, ...]:
    """A TradingStrategy, or everything that is wrong with it."""
    return _parse(TradingStrategy, raw)


def _parse(model: type[R], raw: Mapping[str, Any]) -> R | tuple[Problem, ...]:
    # apiVersion was checked by whoever found the resource; status is ours and no part of what people wrote.
    wanted = {key: value for key, value in raw.items() if key not in {"apiVersion", "status"}}
    try:
        return model.model_validate(wanted)
    except ValidationError as error:
        details = error.errors(include_url=False)
        # A list whose entries are wrong counts as empty to pydantic: the entries' own errors say it better.
        return tuple(
            _problem(model, detail) for detail in details if detail["type"] != "too_short" or not detail["input"]
        )


_TYPES = {
    "int_type": "a whole number without quotes",
    "int_from_float": "a whole number without quotes",
    "bool_type": "true or false without quotes",
    "string_type": "a text",
    "model_type": "a mapping of fields",
    "model_attributes_type": "a mapping of fields",
    "dict_type": "a mapping of fields",
    "tuple_type": "a list",
    "list_type": "a list",
}
"""pydantic's type errors -> what is allowed."""


def _problem(model: type[ApiModel], detail: ErrorDetails) -> Problem:
    # pydantic marks a mapping's bad key with a step of its own after it.
    path: Path = tuple(step for step in detail["loc"] if step != "[key]")
    context = detail.get("ctx", {})
    shown = repr(detail["input"]) if not isinstance(detail["input"], (dict, list)) else "this"
    match detail["type"]:
        case "missing":
            return Problem(path, "missing; it is required")
        case "extra_forbidden":
            return Problem(path, _unknown(model, path))
        case "literal_error":
            return Problem(path, f"{shown} is not allowed; allowed: {context['expected']}")
        case "greater_than_equal":
            return Problem(path, f"{shown} is too small; allowed: {context['ge']} or more")
        case "less_than_equal":
            return Problem(path, f"{shown} is too large; allowed: {context['le']} or less")
        case "too_short" | "string_too_short":
            return Problem(path, f"empty; allowed: {context['min_length']} or more")
        case "too_long" | "string_too_long":
            return Problem(path, f"too long; allowed: {context['max_length']} or fewer")
        case kind if kind in _TYPES:
            return Problem(path, f"{shown} is not allowed; allowed: {_TYPES[kind]}")
        case _:
            return Problem(path, detail["msg"])


def _unknown(model: type[ApiModel], path: Path) -> str:
    known = _fields_at(model, path[:-1])
    close = difflib.get_close_matches(str(path[-1]), known, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return (
        f"unknown field{hint} allowed: {', '.join(known)}" if close else f"unknown field; allowed: {', '.join(known)}"
    )


def _fields_at(model: type[ApiModel], path: Path) -> list[str]:
    here: type[ApiModel] = model
    for step in path:
        if isinstance(step, int):
            continue
        by_alias = {field.alias or name: field for name, field in here.model_fields.items()}
        inner = _model_in(by_alias[step].annotation)
        assert inner is not None  # pydantic only reports unknown fields of models
        here = inner
    return [field.alias or name for name, field in here.model_fields.items()]


def _model_in(annotation: Any) -> type[ApiModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, ApiModel):
        return annotation
    if get_origin(annotation) in {tuple, list, Union, UnionType}:
        for part in get_args(annotation):
            found = _model_in(part)
            if found is not None:
                return found
    return None
