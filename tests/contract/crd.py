"""The CRDs as plain data: walking them, and what an API server does with a structural schema (CEL aside)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "manifests" / "crd"
SAMPLES = ROOT / "manifests" / "samples"
FILES = {
    "RiskPolicy": FOLDER / "touchline.dev_riskpolicies.yaml",
    "TradingStrategy": FOLDER / "touchline.dev_tradingstrategies.yaml",
}
Node = dict[str, Any]


def load(kind: str) -> Node:
    return yaml.safe_load(FILES[kind].read_text())


def schema(kind: str) -> Node:
    """The root of the only version's schema."""
    (version,) = load(kind)["spec"]["versions"]
    return version["schema"]["openAPIV3Schema"]


def samples() -> list[Node]:
    return [doc for file in sorted(SAMPLES.rglob("*.yaml")) for doc in yaml.safe_load_all(file.read_text()) if doc]


@dataclass(frozen=True)
class Place:
    """One node of a schema. `required` says whether its parent requires it."""

    path: str
    name: str
    node: Node
    required: bool = False

    @property
    def in_spec(self) -> bool:
        return self.path.startswith("spec")


def walk(node: Node, path: str = "", name: str = "", *, required: bool = False) -> Iterator[Place]:
    """Every node below and including `node`, in the order of the file."""
    yield Place(path, name, node, required)
    for key, child in node.get("properties", {}).items():
        yield from walk(child, f"{path}.{key}".lstrip("."), key, required=key in node.get("required", ()))
    for key, suffix in (("items", "[]"), ("additionalProperties", "{}")):
        if key in node:
            yield from walk(node[key], path + suffix, name, required=True)


TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
}


def problems(node: Node, value: Any, path: str = "") -> Iterator[str]:
    """What an API server would refuse by the schema alone, unknown fields included."""
    if path == "metadata":
        return
    kind: Any = (int, str) if node.get("x-kubernetes-int-or-string") else TYPES[node["type"]]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        yield f"{path}: {value!r} is no {node.get('type', 'int-or-string')}"
        return
    if "enum" in node and value not in node["enum"]:
        yield f"{path}: {value!r} is not one of {node['enum']}"
    match value:
        case str():
            yield from _text(node, value, path)
        case int():
            if not node.get("minimum", value) <= value <= node.get("maximum", value):
                yield f"{path}: {value} is out of bounds"
        case list():
            yield from _list(node, value, path)
        case dict():
            yield from _object(node, value, path)


def _list(node: Node, value: list[Any], path: str) -> Iterator[str]:
    if not node.get("minItems", 0) <= len(value) <= node["maxItems"]:
        yield f"{path}: {len(value)} items"
    found = [tuple(item.get(key) for key in node["x-kubernetes-list-map-keys"]) for item in value]
    if len(set(found)) != len(found):
        yield f"{path}: keys stand twice"
    for index, item in enumerate(value):
        yield from problems(node["items"], item, f"{path}[{index}]")


def _text(node: Node, value: str, path: str) -> Iterator[str]:
    if not node.get("minLength", 0) <= len(value) <= node["maxLength"]:
        yield f"{path}: {len(value)} characters"
    if "pattern" in node and re.search(node["pattern"], value, re.ASCII) is None:
        yield f"{path}: {value!r} does not match {node['pattern']}"
    if node.get("format") == "date-time":
        try:
            datetime.fromisoformat(value)
        except ValueError:
            yield f"{path}: {value!r} is no time"


def _object(node: Node, value: Node, path: str) -> Iterator[str]:
    if "additionalProperties" in node:
        if len(value) > node["maxProperties"]:
            yield f"{path}: {len(value)} keys"
        for key, child in value.items():
            yield from problems(node["additionalProperties"], child, f"{path}.{key}")
        return
    known = node.get("properties", {})
    yield from (f"{path}.{key}: required" for key in node.get("required", ()) if key not in value)
    for key, child in value.items():
        if key in known:
            yield from problems(known[key], child, f"{path}.{key}".lstrip("."))
        else:
            yield f"{path}.{key}: unknown"


def defaulted(node: Node, value: Any) -> Any:
    """`value` as an API server stores it: defaults filled in, top down."""
    if isinstance(value, list):
        return [defaulted(node["items"], item) for item in value]
    if not isinstance(value, dict) or "properties" not in node:
        return value
    missing = {
        key: child["default"] for key, child in node["properties"].items() if "default" in child and key not in value
    }
    return {
        key: defaulted(node["properties"][key], item) if key in node["properties"] else item
        for key, item in (value | missing).items()
    }
