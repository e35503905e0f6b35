"""`python charts/generate.py`: make each chart's values.schema.json and README.md from the comments of its values.yaml.

A key's comment begins with `# --`; lines after it continue it; `# @schema {...}` adds JSON Schema to what the default
value says by its type.
"""  # noqa: INP001  - a script

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
CHARTS = ("touchline", "touchline-crds")
KEY = re.compile(r"^( *)([A-Za-z][A-Za-z0-9]*):")
COMMENT = re.compile(r"^ *# ?(.*)$")
TYPES = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}


class UndocumentedError(Exception):
    """A key without a comment; the message names it."""


@dataclass(frozen=True)
class Entry:
    """One key: its path, what its comment says, its default and its schema."""

    path: tuple[str, ...]
    text: str
    default: Any
    schema: dict[str, Any]
    leaf: bool


def entries(source: str) -> list[Entry]:
    """Every documented key, in the file's order. Raises UndocumentedError."""
    values = yaml.safe_load(source)
    found: list[Entry] = []
    path: list[tuple[int, str]] = []
    comment: list[str] = []
    inside = -1  # deeper lines belong to a value that is described as a whole
    for line in source.splitlines():
        said = COMMENT.match(line)
        if said:
            comment.append(said[1])
            continue
        key = KEY.match(line)
        depth = len(key[1]) if key else 0
        if key and not (0 <= inside < depth):
            inside = -1
            path = [step for step in path if step[0] < depth] + [(depth, key[2])]
            names = tuple(name for _, name in path)
            default = values
            for name in names:
                default = default[name]
            entry = _entry(names, comment, default)
            found.append(entry)
            if entry.leaf:
                inside = depth
        comment = []
    return found


def _entry(path: tuple[str, ...], comment: list[str], default: Any) -> Entry:
    starts = [at for at, line in enumerate(comment) if line.startswith("-- ")]
    if not starts:
        raise UndocumentedError(f"{'.'.join(path)} has no comment that begins with `# --`")
    lines = comment[starts[-1] :]
    extra = [yaml.safe_load(line.removeprefix("@schema ")) for line in lines if line.startswith("@schema ")]
    text = " ".join(line for line in lines if not line.startswith("@schema ")).removeprefix("-- ")
    schema = {"type": TYPES[type(default)], "description": text}
    if isinstance(default, int) and not isinstance(default, bool) and "exclusiveMinimum" not in (extra or [{}])[0]:
        schema["type"] = "integer"
    for more in extra:
        schema |= more
    return Entry(path, text, default, schema, leaf=not (isinstance(default, dict) and not extra))


def schema_of(found: list[Entry]) -> dict[str, Any]:
    """The JSON Schema of the values: what is not described is refused."""
    root: dict[str, Any] = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "additionalProperties": False,
        # Helm hands these to every chart that is a dependency of another.
        "properties": {"global": {"type": "object"}},
    }
    for entry in found:
        parent = root
        for name in entry.path[:-1]:
            parent = parent["properties"][name]
        made = dict(entry.schema)
        if not entry.leaf:
            made |= {"additionalProperties": False, "properties": {}}
        parent["properties"][entry.path[-1]] = made
    return root


def readme_of(chart: dict[str, Any], found: list[Entry], words: str) -> str:
    """The chart's README: the words of README.head.md, then a table of all values."""
    rows = [
        f"| `{'.'.join(entry.path)}` | `{json.dumps(entry.default)}` | {entry.text.replace('|', chr(92) + '|')} |"
        for entry in found
        if entry.leaf
    ]
    table = ["| Value | Default | What it is |", "| --- | --- | --- |", *rows]
    return "\n".join(
        [f"# {chart['name']}", "", f"{chart['description']}.", "", words.strip(), "", "## Values", "", *table, ""]
    )


def texts() -> dict[Path, str]:
    """File -> what it must hold."""
    made: dict[Path, str] = {}
    for name in CHARTS:
        folder = HERE / name
        found = entries((folder / "values.yaml").read_text(encoding="utf-8"))
        chart = yaml.safe_load((folder / "Chart.yaml").read_text(encoding="utf-8"))
        words = (folder / "README.head.md").read_text(encoding="utf-8")
        made[folder / "values.schema.json"] = json.dumps(schema_of(found), indent=2) + "\n"
        made[folder / "README.md"] = readme_of(chart, found, words)
    return made


def main() -> int:
    for path, text in texts().items():
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
