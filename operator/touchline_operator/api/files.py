"""Resources from YAML files: several documents per file, duplicate keys refused, every error with file and line."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from touchline_operator import names
from touchline_operator.api.parse import Path as FieldPath
from touchline_operator.api.parse import Problem, parse_policy, parse_strategy

MAX_FILE_BYTES = 1_000_000


class ResourceFileError(Exception):
    """Files that cannot be applied; `lines` holds one line per problem."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


@dataclass(frozen=True, slots=True)
class FileResource:
    """One document: the plain resource and where it stands."""

    raw: dict[str, Any]
    file: Path
    line: int

    @property
    def key(self) -> tuple[str, str]:
        """(kind, name)."""
        return self.raw["kind"], self.raw["metadata"]["name"]


class _Loader(yaml.SafeLoader):
    """SafeLoader that refuses a key that stands twice instead of keeping the last one."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Hashable, Any]:
    seen: set[Hashable] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if isinstance(key, Hashable) and key in seen:
            raise yaml.MarkedYAMLError(problem=f"the key {key!r} stands twice", problem_mark=key_node.start_mark)
        if isinstance(key, Hashable):
            seen.add(key)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_file(path: Path) -> list[FileResource]:
    """All resources of one file. Raises ResourceFileError with every problem that was found."""
    text = _text(path)
    try:
        nodes: list[yaml.Node] = list(yaml.compose_all(text, Loader=_Loader))
        documents = [document for document in yaml.load_all(text, Loader=_Loader) if document is not None]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise ResourceFileError([f"{path}:{mark.line + 1 if mark else 1}: not valid YAML: {error.problem}"]) from error
    except (yaml.YAMLError, ValueError) as error:
        raise ResourceFileError([f"{path}: not valid YAML: {' '.join(str(error).split())}"]) from error
    # An empty document composes to a null scalar: it is no resource, and no error either.
    nodes = [node for node in nodes if node.tag != "tag:yaml.org,2002:null"]
    if not documents:
        raise ResourceFileError([f"{path}: holds no resource; allowed: {' and '.join(names.KINDS)}"])
    lines: list[str] = []
    found: list[FileResource] = []
    for node, document in zip(nodes, documents, strict=True):
        resource = FileResource(document, path, node.start_mark.line + 1)
        problems = _problems(document)
        lines += [_line(resource, node, problem) for problem in problems]
        if not problems:
            found.append(resource)
    if lines:
        raise ResourceFileError(lines)
    return found


def read_files(paths: list[Path]) -> list[FileResource]:
    """All resources of all files; a kind and name may stand once. Raises ResourceFileError."""
    lines: list[str] = []
    found: dict[tuple[str, str], FileResource] = {}
    for path in paths:
        try:
            resources = read_file(path)
        except ResourceFileError as error:
            lines += error.lines
            continue
        for resource in resources:
            before = found.setdefault(resource.key, resource)
            if before is not resource:
                kind, name = resource.key
                lines.append(f"{path}:{resource.line}: {kind}/{name} is already in {before.file}:{before.line}")
    if lines:
        raise ResourceFileError(lines)
    return list(found.values())


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ResourceFileError([f"{path}: cannot be read: {error.strerror}"]) from error
    if len(data) > MAX_FILE_BYTES:
        raise ResourceFileError([f"{path}: {len(data)} bytes; allowed: {MAX_FILE_BYTES} or less"])
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ResourceFileError([f"{path}: not UTF-8 at byte {error.start}"]) from error


def _problems(document: Any) -> tuple[Problem, ...]:
    if not isinstance(document, dict):
        return (Problem((), f"not a resource; allowed: a mapping with apiVersion: {names.API_VERSION}"),)
    if document.get("apiVersion") != names.API_VERSION:
        return (
            Problem(("apiVersion",), f"{document.get('apiVersion')!r} is not allowed; allowed: {names.API_VERSION}"),
        )
    if "status" in document:
        return (Problem(("status",), "unknown field; allowed: apiVersion, kind, metadata, spec"),)
    match document.get("kind"):
        case "RiskPolicy":
            parsed: object = parse_policy(document)
        case "TradingStrategy":
            parsed = parse_strategy(document)
        case kind:
            return (Problem(("kind",), f"{kind!r} is not allowed; allowed: {' or '.join(names.KINDS)}"),)
    return parsed if isinstance(parsed, tuple) else ()


def _line(resource: FileResource, node: yaml.Node, problem: Problem) -> str:
    raw: Any = resource.raw
    subject = ""
    if isinstance(raw, dict) and isinstance(raw.get("metadata"), dict):
        subject = f" {raw.get('kind')}/{raw['metadata'].get('name')}:"
    return f"{resource.file}:{_line_of(node, problem.path)}:{subject} {problem}"


def _line_of(node: yaml.Node, path: FieldPath) -> int:
    """Line of the deepest part of `path` that exists in the document."""
    line = node.start_mark.line + 1
    for step in path:
        if isinstance(node, yaml.MappingNode):
            pair = next((pair for pair in node.value if pair[0].value == step), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
        else:
            break
    return line
