"""Writes docs/simulator-conformance.md from the simulator's own tables and from what its tests call.

``python tests/integration/simulator/conformance.py`` writes it; ``test_conformance.py`` says when it is old.
"""

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import get_args, get_type_hints

import msgspec

from services.simulator.admin import MarketBody
from services.simulator.engine.switches import Switches
from services.simulator.faults import Fault
from services.simulator.rest.index import ROUTES, UNSERVED
from services.simulator.ws.commands import CHANNELS

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "simulator-conformance.md"
HTTP_TESTS = sorted(Path(__file__).parent.glob("test_*.py"))
STREAM_TESTS = [*HTTP_TESTS, *sorted((ROOT / "tests/unit/services/simulator/ws").glob("test_*.py"))]
RULE_TESTS = sorted((ROOT / "tests/unit/services/simulator/engine").glob("test_*.py"))
OFFICIAL = Path(__file__).with_name("official_client.py")
COMMANDS = ("subscribe", "unsubscribe", "update_subscription", "list_subscriptions")
CREATE = ("POST", "/portfolio/events/orders")

Calls = dict[tuple[str, str], set[str]]


def snake(operation: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()


def strings(tree: ast.AST) -> set[str]:
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def text_of(node: ast.expr, names: dict[str, str]) -> str | None:
    """A path as it is written, anything put in standing as ``X``."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.Name(id=name):
            return names.get(name)
        case ast.JoinedStr(values=parts):
            return "".join(_part(part, names) for part in parts)
        case ast.BinOp(left=left):
            return text_of(left, names)
        case _:
            return None


def _part(part: ast.expr, names: dict[str, str]) -> str:
    if isinstance(part, ast.FormattedValue) and isinstance(part.value, ast.Name):
        return names.get(part.value.id, "X")
    return str(part.value) if isinstance(part, ast.Constant) else "X"


def calls_of(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """(method, path) of every request in a file; paths that only stand in a list count as reads."""
    names = {
        target.id: node.value.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if node.func.attr == "order":
            yield CREATE
        elif node.func.attr == "call" and len(node.args) > 1:
            method, path = text_of(node.args[0], names), text_of(node.args[1], names)
            if method and path:
                yield method, path
    for text in strings(tree):
        if re.fullmatch(r"/[a-z_]+(/[\w{}-]+)*(\?.*)?", text):
            yield "GET", text


def tested() -> Calls:
    """Served calls (method, path of the route) and the files that make them."""
    patterns = [
        (route, re.compile(re.sub(r"\\{\w+\\}", r"[^/?]+", re.escape(route.path)) + r"(\?.*)?")) for route in ROUTES
    ]
    found: Calls = defaultdict(set)
    for file in HTTP_TESTS:
        for method, path in calls_of(ast.parse(file.read_text())):
            for route, pattern in patterns:
                if route.method == method and pattern.fullmatch(path):
                    found[route.method, route.path].add(file.stem)
                    break
    return found


def mentions(words: Iterable[str], files: Iterable[Path]) -> dict[str, str]:
    texts = {file: strings(ast.parse(file.read_text())) for file in files}
    keywords = {
        file: {node.arg for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.keyword)}
        for file in texts
    }
    return {
        word: ", ".join(sorted(file.stem for file in texts if word in texts[file] | keywords[file])) for word in words
    }


def rules() -> Iterator[str]:
    for file in RULE_TESTS:
        names = [
            node.name.removeprefix("test_").replace("_", " ")
            for node in ast.parse(file.read_text()).body
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
        ]
        yield f"\n`{file.stem}`\n"
        yield from (f"- {name}" for name in names)


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    for row in (head, tuple("---" for _ in head), *rows):
        yield f"| {' | '.join(row)} |"


def page() -> str:
    found = tested()
    official = strings(ast.parse(OFFICIAL.read_text())) | {
        node.attr for node in ast.walk(ast.parse(OFFICIAL.read_text())) if isinstance(node, ast.Attribute)
    }
    actions = get_args(get_type_hints(Fault)["action"])
    steps = get_args(get_type_hints(MarketBody)["action"])
    switches = [field.name for field in msgspec.structs.fields(Switches)]
    lines = [
        "# What of the exchange is simulated, and by which test it is held",
        "",
        "Written by `python tests/integration/simulator/conformance.py` from the simulator's tables and its tests.",
        "The last column says whether the exchange's own Python client makes the call in `test_official_client`.",
        "",
        "## REST calls",
        "",
        *table(
            ("Call", "Tests", "Official client"),
            (
                (
                    f"`{route.method} {route.path}`",
                    ", ".join(sorted(found[route.method, route.path])) or "none",
                    "yes" if snake(route.operation) in official else "",
                )
                for route in ROUTES
            ),
        ),
        "",
        "## Calls that answer 501",
        "",
        *(f"- `{method} {path}`" for method, path in UNSERVED),
        "",
        "## Stream",
        "",
        *table(("Command", "Tests"), mentions(COMMANDS, STREAM_TESTS).items()),
        "",
        *table(("Channel", "Tests"), mentions(sorted(CHANNELS), STREAM_TESTS).items()),
        "",
        "## Faults, switches and steps of a market",
        "",
        *table(("Fault", "Tests"), mentions(actions, STREAM_TESTS).items()),
        "",
        *table(("Switch", "Tests"), mentions(switches, [*STREAM_TESTS, *RULE_TESTS]).items()),
        "",
        *table(("Step", "Tests"), mentions(steps, [*HTTP_TESTS, *RULE_TESTS]).items()),
        "",
        "## Rules of the engine",
        *rules(),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
    sys.stdout.write(f"{PAGE}\n")
