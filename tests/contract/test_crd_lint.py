"""What kube-api-linter asks of Go types, asked of the hand-written CRDs. Needs no cluster."""

from __future__ import annotations

import re

import pytest
import yaml

from tests.contract.crd import FILES, Place, load, problems, samples, schema, walk
from touchline_operator import names
from touchline_operator.adapters.local.resources import IMMUTABLE
from touchline_operator.cli.get import POLICY_COLUMNS, STRATEGY_COLUMNS

KINDS = sorted(FILES)
MAX_BYTES = 30_000

FREE_TEXT = {"haltReason", "haltID"}
"""Strings of a spec that people write or copy as they are."""

MEANINGFULLY_ABSENT = {
    *("spec.resume", "spec.exchange.credentialsSecretRef", "spec.exchange.readOnlySecretRef"),
    *("spec.markets[].event", "spec.markets[].ticker", "spec.entry.restSeconds"),
    *("spec.markets[].series", "spec.markets[].startsWithinHours", "spec.markets[].maxEvents"),
}
"""Optional fields without a default: absent says something that no value says."""

REQUIRED = {
    "RiskPolicy": ["mode", "exchange", "maxDrawdown", "maxDailyLoss"],
    "TradingStrategy": ["mode", "riskPolicyRef", "markets", "sources", "analyst", "entry", "exit"],
}
"""A field that became required later would refuse a halt on every object that was stored without it."""

BOOLEANS = {"spec.halt", "spec.resume.rebaseline", "spec.suspend"}

CONDITION = {
    "type": {"type": "string", "minLength": 1, "maxLength": 316, "pattern": "^[A-Za-z]([A-Za-z0-9]*)$"},
    "status": {"type": "string", "maxLength": 7, "enum": ["True", "False", "Unknown"]},
    "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0, "maximum": 2**53 - 1},
    "lastTransitionTime": {"type": "string", "format": "date-time", "maxLength": 64},
    "reason": {
        "type": "string",
        "minLength": 1,
        "maxLength": 1024,
        "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
    },
    "message": {"type": "string", "maxLength": 32768},
}
"""metav1.Condition."""

FORBIDDEN = {
    *(
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-embedded-resource",
        "nullable",
        "oneOf",
        "anyOf",
        "allOf",
        "not",
    ),
    *("exclusiveMinimum", "exclusiveMaximum", "multipleOf", "uniqueItems", "example", "title"),
}

PLACES = [pytest.param(place, id=f"{kind}:{place.path or '.'}") for kind in KINDS for place in walk(schema(kind))]
RULES = [
    pytest.param(kind, place, rule, id=f"{kind}:{place.path or '.'}:{index}")
    for kind in KINDS
    for place in walk(schema(kind))
    for index, rule in enumerate(place.node.get("x-kubernetes-validations", ()))
]


@pytest.mark.parametrize("place", PLACES)
def test_a_field_is_described_bounded_and_of_a_plain_type(place: Place):
    node, path = place.node, place.path
    if path == "metadata":
        assert node == {"type": "object"}, "the API server owns it"
        return
    assert not FORBIDDEN & set(node)
    assert re.fullmatch(r"[A-Z].*\.", node["description"], re.DOTALL), "a sentence"
    assert place.name != "phase"
    assert not place.name or re.fullmatch(r"[a-z][a-zA-Z]*", place.name), "camelCase"
    if node.get("x-kubernetes-int-or-string"):
        assert {"maxLength", "minimum", "maximum"} <= set(node)
        return
    match node["type"]:
        case "string":
            assert node["maxLength"] <= 32_768
            free = not place.in_spec or place.name in FREE_TEXT
            assert free or {"enum", "pattern"} & set(node), "a spec's string is one of a set or matches a pattern"
        case "integer":
            bits = {"int32": 31, "int64": 53}[node["format"]]
            assert -(2**bits) <= node["minimum"] < node["maximum"] < 2**bits
        case "boolean":
            assert path in BOOLEANS, "a new boolean is probably an enum"
        case "array":
            assert 0 < node["maxItems"] <= 256
            assert node["x-kubernetes-list-type"] == "map"
            keys = node["x-kubernetes-list-map-keys"]
            assert set(keys) <= set(node["items"]["required"])
            assert all(node["items"]["properties"][key]["type"] == "string" for key in keys)
        case "object":
            assert ("properties" in node) != ("additionalProperties" in node and node["maxProperties"] <= 32)
            assert set(node.get("required", ())) <= set(node.get("properties", ()))
        case other:
            pytest.fail(f"type {other}")
    if "pattern" in node:
        assert node["pattern"][0] == "^"
        assert node["pattern"][-1] == "$"
        re.compile(node["pattern"])
    if "enum" in node and place.in_spec:
        assert all(re.fullmatch(r"[A-Z][A-Za-z]+", word) for word in node["enum"]), "CamelCase"
    if "enum" in node:
        assert node["maxLength"] == max(map(len, node["enum"]))


@pytest.mark.parametrize("place", PLACES)
def test_a_field_of_a_spec_is_required_or_has_a_default_or_is_meaningfully_absent(place: Place):
    node = place.node
    if not place.in_spec:
        assert "default" not in node, "only people's fields have defaults"
    elif place.path != "spec":
        ways = [place.required, "default" in node, place.path in MEANINGFULLY_ABSENT]
        assert ways.count(True) == 1
    if "default" in node:
        assert not list(problems(node, node["default"], place.path))


@pytest.mark.parametrize(("kind", "place", "rule"), RULES)
def test_a_rule_says_what_is_allowed(kind: str, place: Place, rule: dict):
    assert re.search(r"\b(allowed|must be|required|needs)\b", rule["message"])
    assert "\n" not in rule["rule"]
    assert "messageExpression" not in rule
    if "fieldPath" in rule:
        assert rule["fieldPath"].removeprefix(".") in place.node["properties"]
    if "oldSelf" in rule["rule"] and rule["rule"] != "self == oldSelf":
        assert rule["optionalOldSelf"] is True


@pytest.mark.parametrize(("kind", "place", "rule"), RULES)
def test_no_rule_above_the_fields_of_a_halt_can_block_it(kind: str, place: Place, rule: dict):
    """A patch of spec.halt changes the root and the spec: their rules are asked again, all others are ratcheted."""
    if place.path in {"", "spec"}:
        ratchets = re.match(r"oldSelf\.hasValue\(\) \|\| |\(oldSelf\.hasValue\(\) && ", rule["rule"])
        assert ratchets or rule["rule"].startswith("self.halt || ")
        for field in re.findall(r"oldSelf\.value\(\)\.(\w+)", rule["rule"]):
            assert f"oldSelf.value().{field} == self.{field}" in rule["rule"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_halt_itself_has_no_rule_and_nothing_becomes_required(kind: str):
    spec = schema(kind)["properties"]["spec"]
    assert spec["required"] == REQUIRED[kind]
    for field in ("halt", "suspend"):
        if field in spec["properties"]:
            assert "x-kubernetes-validations" not in spec["properties"][field]


@pytest.mark.parametrize("kind", KINDS)
def test_immutable_fields_are_those_that_files_cannot_change_either(kind: str):
    fields = schema(kind)["properties"]["spec"]["properties"]
    frozen = {
        name
        for name, node in fields.items()
        if any(rule["rule"] == "self == oldSelf" for rule in node.get("x-kubernetes-validations", ()))
    }
    assert frozen == set(IMMUTABLE[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_conditions_are_standard(kind: str):
    node = schema(kind)["properties"]["status"]["properties"]["conditions"]
    assert (node["maxItems"], node["x-kubernetes-list-map-keys"]) == (16, ["type"])
    item = node["items"]
    assert sorted(item["required"]) == sorted(set(CONDITION) - {"observedGeneration"})
    bare = {name: {k: v for k, v in prop.items() if k != "description"} for name, prop in item["properties"].items()}
    assert bare == CONDITION
    shown = {"RiskPolicy": names.POLICY_CONDITIONS, "TradingStrategy": names.STRATEGY_CONDITIONS}[kind]
    assert node["description"] == f"{', '.join(shown)}."


@pytest.mark.parametrize("kind", KINDS)
def test_names_versions_and_subresources(kind: str):
    crd = load(kind)
    spec = crd["spec"]
    (version,) = spec["versions"]
    plural = {"RiskPolicy": "riskpolicies", "TradingStrategy": "tradingstrategies"}[kind]
    assert FILES[kind].name == f"{names.GROUP}_{plural}.yaml"
    assert crd["metadata"] == {"name": f"{plural}.{names.GROUP}"}
    assert (spec["group"], spec["scope"], version["name"]) == (names.GROUP, "Namespaced", names.VERSION)
    assert version["served"] is version["storage"] is True
    assert spec["names"] == {
        "kind": kind,
        "listKind": f"{kind}List",
        "plural": plural,
        "singular": kind.lower(),
        "shortNames": [{"RiskPolicy": "rpol", "TradingStrategy": "tstrat"}[kind]],
        "categories": ["touchline"],
    }
    assert version["subresources"]["status"] == {}
    scale = {
        "specReplicasPath": ".spec.executor.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    }
    assert version["subresources"].get("scale") == (scale if kind == "TradingStrategy" else None)
    root = version["schema"]["openAPIV3Schema"]
    assert set(root["properties"]) == {"apiVersion", "kind", "metadata", "spec", "status"}
    assert root["required"] == ["spec"]


@pytest.mark.parametrize(("kind", "columns"), [("RiskPolicy", POLICY_COLUMNS), ("TradingStrategy", STRATEGY_COLUMNS)])
def test_columns_are_those_of_touchline_get(kind: str, columns: tuple[str, ...]):
    (version,) = load(kind)["spec"]["versions"]
    shown = version["additionalPrinterColumns"]
    assert ("NAME", *(c["name"].upper() for c in shown if c.get("priority", 0) == 0)) == columns
    paths = {place.path for place in walk(schema(kind))} | {"metadata.creationTimestamp"}
    for column in shown:
        path = re.sub(r"\[.*?\]", "[]", column["jsonPath"].removeprefix("."))
        assert path in paths
        assert column["type"] == "date" or column["description"]


@pytest.mark.parametrize("kind", KINDS)
def test_files_are_small_and_plain_yaml(kind: str):
    text = FILES[kind].read_text()
    assert len(text.encode()) < MAX_BYTES
    tokens = list(yaml.scan(text))
    assert not [t for t in tokens if isinstance(t, yaml.AliasToken | yaml.AnchorToken | yaml.TagToken)]
    for node in _mappings(yaml.compose(text)):
        keys = [key.value for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"line {node.start_mark.line + 1}: a key stands twice"


def _mappings(node: yaml.Node):
    if isinstance(node, yaml.MappingNode):
        yield node
        for _, child in node.value:
            yield from _mappings(child)
    elif isinstance(node, yaml.SequenceNode):
        for child in node.value:
            yield from _mappings(child)


@pytest.mark.parametrize("sample", [pytest.param(doc, id=doc["metadata"]["name"]) for doc in samples()])
def test_samples_fit(sample: dict):
    assert not list(problems(schema(sample["kind"]), sample))
    assert not {"halt", "haltReason", "resume"} & set(sample["spec"]), "never kept in Git"
