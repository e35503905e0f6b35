"""The pydantic models of `touchline_operator.api` written as a structural schema, to hold beside the CRD's."""

from __future__ import annotations

from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Le, MaxLen, MinLen
from pydantic import AfterValidator, TypeAdapter
from pydantic.fields import FieldInfo

from touchline_operator.api import RiskPolicySpec, TradingStrategySpec
from touchline_operator.api.common import ApiModel, Decimal, Text
from touchline_operator.api.strategy import MAX_INT, MAX_OPTION, Option

SPECS: dict[str, type[ApiModel]] = {"RiskPolicy": RiskPolicySpec, "TradingStrategy": TradingStrategySpec}
Node = dict[str, Any]

TIME_ZONE = (
    "(oldSelf.hasValue() && oldSelf.value() == self) || ({} && timestamp('2025-01-01T00:00:00Z').getFullYear(self) > 0)"
)
"""How a rule asks the API server's own zone database, and only about a new zone: an unknown one is an error there."""


def expected(model: type[ApiModel]) -> Node:
    """The node of a model. Rules across fields are not in it: the tables of `cases` hold them equal."""
    fields = model.model_fields.values()
    return {
        "type": "object",
        "properties": {field.alias: _node(field.annotation, field.metadata) for field in fields},
        "required": {field.alias for field in fields if field.is_required()},
    }


def _flat(metadata: tuple[Any, ...]) -> list[Any]:
    return [part for entry in metadata for part in (entry.metadata if isinstance(entry, FieldInfo) else [entry])]


def _node(annotation: Any, metadata: list[Any]) -> Node:
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *more = get_args(annotation)
        return _node(inner, [*metadata, *_flat(tuple(more))])
    if origin in {Union, UnionType}:
        (inner,) = [part for part in get_args(annotation) if part is not type(None)]
        return _node(inner, metadata)
    if origin is Literal:
        words = get_args(annotation)
        return {"type": "string", "enum": list(words), "maxLength": max(map(len, words))}
    if isinstance(annotation, type) and issubclass(annotation, ApiModel):
        return expected(annotation)
    limits = {type(part): part for part in metadata}
    if annotation is bool:
        return {"type": "boolean"}
    if annotation is int and Decimal in limits:
        return _decimal(limits[Decimal])
    if annotation is int:
        return {"type": "integer", "format": "int32", "minimum": limits[Ge].ge, "maximum": limits[Le].le}
    if annotation is str and Text in limits:
        return _text(limits[Text], zone=AfterValidator in limits)
    if annotation is str:
        least = {"minLength": limits[MinLen].min_length} if MinLen in limits else {}
        return {"type": "string", "maxLength": limits[MaxLen].max_length} | least
    if origin is tuple:
        size = {"minItems": limits[MinLen].min_length, "maxItems": limits[MaxLen].max_length}
        return {"type": "array", "items": _node(get_args(annotation)[0], [])} | size
    if origin is dict:
        return _options(*get_args(annotation), limits[MaxLen].max_length)
    raise TypeError(f"no schema is known for {annotation}")


def _decimal(decimal: Decimal) -> Node:
    rule = (
        f"self.matches('{decimal.pattern}') && quantity(self).compareTo(quantity('{decimal.least}')) >= 0 "
        f"&& quantity(self).compareTo(quantity('{decimal.most}')) <= 0"
    )
    return {
        "type": "string",
        "maxLength": decimal.max_length,
        "pattern": decimal.pattern,
        "rules": {rule: f"allowed: {decimal.allowed}"},
    }


def _text(text: Text, *, zone: bool) -> Node:
    pattern = f"^{text.pattern.pattern}$"
    matches = f"self.matches('{pattern}')"
    rule = TIME_ZONE.format(matches) if zone else matches
    return {
        "type": "string",
        "maxLength": text.max_length,
        "pattern": pattern,
        "rules": {rule: f"allowed: {text.allowed}"},
    }


def _options(key: Any, value: Any, most: int) -> Node:
    assert value is Option
    (text,) = get_args(key)[1:]
    return {
        "type": "object",
        "maxProperties": most,
        "additionalProperties": {
            "x-kubernetes-int-or-string": True,
            "maxLength": MAX_OPTION,
            "minimum": -MAX_INT - 1,
            "maximum": MAX_INT,
        },
        "rules": {f"self.all(key, key.matches('^{text.pattern.pattern}$'))": f"allowed: {text.allowed}"},
    }


ACROSS = {"spec", "spec.exchange", "spec.mode", "spec.riskPolicyRef", "spec.entry", "spec.markets", "spec.markets[]"}
"""Places whose rules compare fields, or a field with its past."""


def actual(node: Node, path: str) -> Node:
    """The same view of a CRD's node: without descriptions, list types, defaults and rules across fields."""
    skipped = {
        *("description", "default", "properties", "items", "additionalProperties", "required"),
        *("x-kubernetes-validations", "x-kubernetes-list-type", "x-kubernetes-list-map-keys"),
    }
    out = {key: value for key, value in node.items() if key not in skipped}
    if "properties" in node:
        out["properties"] = {key: actual(child, f"{path}.{key}") for key, child in node["properties"].items()}
        out["required"] = set(node.get("required", ()))
    if "items" in node:
        out["items"] = actual(node["items"], f"{path}[]")
    if "additionalProperties" in node:
        out["additionalProperties"] = actual(node["additionalProperties"], f"{path}{{}}")
    rules = {rule["rule"]: rule["message"] for rule in node.get("x-kubernetes-validations", ())}
    return out | ({"rules": rules} if rules and path not in ACROSS else {})


def defaults(model: type[ApiModel], node: Node, path: str) -> dict[str, tuple[Any, Any]]:
    """Path -> (the model's default, the CRD's as the model reads it); a missing one is None."""
    out: dict[str, tuple[Any, Any]] = {}
    for field in model.model_fields.values():
        here, child = f"{path}.{field.alias}", node["properties"][field.alias]
        whole: Any = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
        mine = None if field.is_required() else field.get_default(call_default_factory=True)
        theirs = TypeAdapter(whole).validate_python(child["default"]) if "default" in child else None
        out[here] = (mine, theirs)
        for inner in _models(field.annotation):
            out |= defaults(inner, child.get("items", child), here)
    return out


def _models(annotation: Any) -> list[type[ApiModel]]:
    if isinstance(annotation, type) and issubclass(annotation, ApiModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]
