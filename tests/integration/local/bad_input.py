"""Writes docs/bad-input.md: what was given, the line that was printed, the exit code. Each row is run for it.

`python tests/integration/local/bad_input.py` writes the page; test_bad_input fails while it is old.
"""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "bad-input.md"
SAMPLES = ROOT / "manifests" / "samples"
HEAD = """# Bad input

Written by `python tests/integration/local/bad_input.py`, which runs every row; a test fails while this page is old.
Complaints go to stderr, one line for each thing to change; nothing has been started or written then.
Exit codes: 0 done, 1 it could not be done now, 2 change what was given.
"""
Made = Callable[[Path], None]


@dataclass(frozen=True)
class Case:
    """`given` in words, the command line, and what lies in the directory besides policy.yaml and taking.yaml."""

    given: str
    words: tuple[str, ...]
    made: Made = lambda _: None
    code: int = 2
    lines: int = 1


def up(given: str, *words: str, made: Made = lambda _: None, code: int = 2) -> Case:
    return Case(given, ("up", *(words or ("policy.yaml", "taking.yaml"))), made, code)


def edit(file: str, old: str, new: str) -> Made:
    """The sample with one thing changed."""

    def made(where: Path) -> None:
        text = (where / file).read_text()
        assert text.count(old) == 1, (file, old)
        (where / file).write_text(text.replace(old, new))

    return made


def strategy(old: str, new: str) -> Case:
    return up(f"`{new.strip() or 'no ' + old.strip()}` in a strategy", made=edit("taking.yaml", old, new))


def policy(old: str, new: str) -> Case:
    return up(f"`{new.strip()}` in a policy", made=edit("policy.yaml", old, new))


def written(name: str, body: bytes) -> Made:
    return lambda where: (where / name).write_bytes(body) and None


def demo(*, key: bool, mode: int = 0o600) -> Made:
    """A policy on the Demo exchange; its Secret's files there or not."""

    def made(where: Path) -> None:
        edit("policy.yaml", "environment: Simulator", "environment: Demo\n    credentialsSecretRef: {name: kalshi}")(
            where
        )
        if key:
            folder = where / ".touchline" / "secrets" / "kalshi"
            folder.mkdir(parents=True)
            for name in ("keyID", "privateKey"):
                (folder / name).write_text("x")
                (folder / name).chmod(mode)

    return made


def mixed(where: Path) -> None:
    text = (where / "policy.yaml").read_text()
    other = text.replace("name: house", "name: other").replace(
        "environment: Simulator", "environment: Demo\n    credentialsSecretRef: {name: kalshi}"
    )
    (where / "other.yaml").write_text(other)


CASES = [
    Case("no command", ()),
    Case("a command that does not exist", ("upp",)),
    Case("`up` without a file", ("up",)),
    up("a file that does not exist", "policy.yaml", "nothing.yaml"),
    up("a folder as a file", "policy.yaml", "folder", made=lambda where: (where / "folder").mkdir()),
    up("a file that is no YAML", "bad.yaml", made=written("bad.yaml", b"a: [1\nb: 2\n")),
    up("a file that is no text", "bad.yaml", made=written("bad.yaml", b"\xff\xfe\x00")),
    up("an empty file", "bad.yaml", made=written("bad.yaml", b"")),
    up("a resource of another kind", "bad.yaml", made=written("bad.yaml", b"apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n")),
    up("a policy and no strategy", "policy.yaml"),
    up("a strategy whose policy is in none of the files", "taking.yaml"),
    up("the same resource twice", "policy.yaml", "taking.yaml", "again.yaml",
       made=lambda where: (where / "again.yaml").write_text((where / "taking.yaml").read_text()) and None),
    up("`--for soon`", "policy.yaml", "taking.yaml", "--for", "soon"),
    up("`--for 0s`", "policy.yaml", "taking.yaml", "--for", "0s"),
    up("`--speed -1`", "policy.yaml", "taking.yaml", "--speed=-1"),
    up("`--seed one`", "policy.yaml", "taking.yaml", "--seed", "one"),
    strategy('minEdge: "0.02" ', "minEdge: 0.02 "),
    strategy('minEdge: "0.02" ', "minEdge: much "),
    replace(strategy('minEdge: "0.02" ', 'minEgde: "0.02" '), lines=2),
    strategy('kellyFraction: "0.25" ', 'kellyFraction: "0.26" '),
    strategy("minLiquidityContracts: 20", 'minLiquidityContracts: "20"'),
    strategy("orderStyle: Take ", "orderStyle: Give "),
    strategy("orderStyle: Take ", "orderStyle: Rest "),
    strategy('maxPrice: "0.95"', 'maxPrice: "0.04"'),
    strategy('    takeProfit: "0.15"\n', ""),
    strategy("event: KXNFLGAME-25SEP04DALPHI ", "event: dallas "),
    strategy("name: taking", "name: Taking!"),
    policy("mode: Paper  ", "mode: Live  "),
    policy('maxDailyLoss: "0.20"', 'maxDailyLoss: "0.30"'),
    policy('maxDrawdown: "0.25"', 'maxDrawdown: "1.25"'),
    policy('minPositionDollars: "1.00"', 'minPositionDollars: "300.00"'),
    policy("timeZone: America/New_York", "timeZone: America/Dallas"),
    policy("maxOrdersPerMinute: 30", "maxOrdersPerMinute: -1"),
    policy("environment: Simulator", "environment: Demo"),
    up("a Secret's file that does not exist", made=demo(key=False)),
    up("a key file with mode 0644", made=demo(key=True, mode=0o644)),
    up("policies on the simulator and on Demo together", "policy.yaml", "other.yaml", "taking.yaml", made=mixed),
    up("a game that the simulator does not have", code=1,
       made=edit("taking.yaml", "25SEP04DALPHI ", "25SEP04DALXXX ")),
    Case("`get` where no `up` ever ran", ("get",), code=1),
    Case("`halt` where no `up` ever ran", ("halt",), code=1),
    Case("`halt` with a reason of 513 characters", ("halt", "--reason", "x" * 513)),
    Case("`resume` where no `up` ever ran", ("resume",), code=1),
    Case("`flatten` where no `up` ever ran", ("flatten",), code=1),
    Case("`why` where no `up` ever ran", ("why", "KXNFLGAME-25SEP04DALPHI"), code=1),
    Case("`why` without a ticker", ("why",)),
    Case("`dead` where no `up` runs", ("dead", "list")),
    Case("`dead requeue` without an id", ("dead", "requeue")),
    Case("`--bus-url` that is no address", ("dead", "list", "--bus-url", "localhost")),
    Case("`--bus-url` with a bad port", ("dead", "list", "--bus-url", "redis://127.0.0.1:99999")),
    Case("`--bus-url` where nothing answers", ("dead", "list", "--bus-url", "redis://127.0.0.1:9"), code=1),
    Case("`sim` without a state folder", ("sim", "--port", "0")),
    Case("`sim --port` above 65535", ("sim", "--port", "99999", "--state-dir", "state")),
    Case("`sim --port` that is no number", ("sim", "--port", "http", "--state-dir", "state")),
    Case("`sim --speed 0`", ("sim", "--port", "0", "--state-dir", "state", "--speed", "0")),
    Case("`sim --games` that it does not have", ("sim", "--port", "0", "--state-dir", "state", "--games", "KXNOGAME")),
]  # fmt: skip

WHILE_IT_RUNS = [
    Case("a second `up` in the same directory", ("up", "policy.yaml", "taking.yaml"), code=1),
    Case("`halt` of a policy that is not there", ("halt", "hosue")),
    Case("`resume` of a policy that is not there", ("resume", "hosue")),
    Case("`flatten` of a name that is not there", ("flatten", "hosue")),
    Case("`why` of a ticker that is not there", ("why", "KXNFLGAME-25SEP04DALXXX")),
    Case("`why --run` of a run that is not there", ("why", "KXNFLGAME-25SEP04DALPHI", "--run", "yesterday")),
    Case("`dead show` of an id that is not there", ("dead", "show", "house/1-1")),
]
"""Beside an `up` whose strategy names a source that does not exist."""


@dataclass(frozen=True)
class Row:
    """What a case did."""

    given: str
    line: str
    code: int


def touchline(where: Path, words: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "touchline_operator", *words]
    return subprocess.run(command, cwd=where, capture_output=True, text=True, timeout=60, check=False)


def prepared(folder: str) -> Path:
    where = Path(folder)
    for name in ("policy", "taking"):
        (where / f"{name}.yaml").write_text((SAMPLES / f"{name}.yaml").read_text())
    return where


def plain(text: str, where: Path) -> str:
    """Without what differs from run to run."""
    text = text.replace(str(where), "DIR")
    text = re.sub(r"process \d+", "process PID", text)
    return re.sub(r"\d{8}T\d{6}\.\d{3}", "STAMP", text)


def run(case: Case, where: Path) -> Row:
    """One row; the complaint is one line, on stderr alone."""
    done = touchline(where, case.words)
    lines = done.stderr.splitlines()
    assert len(lines) == case.lines, f"{case.given}: {done.stderr}"
    assert all(line.startswith("touchline") for line in lines), f"{case.given}: {done.stderr}"
    assert done.stdout == "", f"{case.given}: {done.stdout}"
    assert done.returncode == case.code, f"{case.given}: exit code {done.returncode}, wanted {case.code}: {done.stderr}"
    return Row(case.given, "<br>".join(plain(line, where) for line in lines), done.returncode)


def fresh(case: Case) -> Row:
    with tempfile.TemporaryDirectory(prefix="bad-") as folder:
        where = prepared(folder)
        case.made(where)
        return run(case, where)


def port_in_use() -> Row:
    with socket.socket() as taken, tempfile.TemporaryDirectory(prefix="bad-") as folder:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        case = Case("`sim --port` that is in use", ("sim", "--port", port, "--state-dir", "state"))
        row = run(case, Path(folder))
        return Row(row.given, row.line.replace(port, "PORT"), row.code)


def beside_a_run() -> list[Row]:
    """The rows that need an `up`, and what it says of a source that only its process can refuse."""
    with tempfile.TemporaryDirectory(prefix="bad-") as folder:
        where = prepared(folder)
        edit("taking.yaml", "plugin: kalshi-live-data ", "plugin: sportsbook ")(where)
        command = [sys.executable, "-m", "touchline_operator", "up", "policy.yaml", "taking.yaml", "--json"]
        running = subprocess.Popen(command, cwd=where, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            refused = until(running, lambda: plugin_line(where))
            until(running, lambda: "DALPHI-PHI" in touchline(where, ("why", "x")).stderr)
            rows = [run(case, where) for case in WHILE_IT_RUNS]
        finally:
            running.send_signal(signal.SIGINT)
            running.wait(timeout=60)
        return [*rows, refused]


def plugin_line(where: Path) -> Row | None:
    told = touchline(where, ("get",))
    for line in told.stdout.splitlines():
        if line.startswith("TradingStrategy/taking: ") and "sportsbook" in line:
            return Row(
                "`plugin: sportsbook` in a strategy: only the process can refuse it, so `get` shows it",
                line,
                told.returncode,
            )
    return None


def until(running: subprocess.Popen[bytes], check: Callable[[], object]) -> object:
    deadline = time.monotonic() + 90
    while True:
        found = check()
        if found:
            return found
        assert time.monotonic() < deadline
        assert running.poll() is None
        time.sleep(0.3)


def rows() -> list[Row]:
    """Every case, two at a time."""
    with ThreadPoolExecutor(2) as pool:
        beside = pool.submit(beside_a_run)
        found = list(pool.map(fresh, CASES))
        return [*found, port_in_use(), *beside.result()]


def cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def page() -> str:
    table = [f"| {cell(row.given)} | {cell(row.line)} | {row.code} |" for row in rows()]
    return "\n".join([HEAD, "| Given | Printed | Exit code |", "| --- | --- | --- |", *table]) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
