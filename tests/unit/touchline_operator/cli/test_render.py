from __future__ import annotations

import io
from dataclasses import dataclass

import pytest
from rich.console import Console

from touchline_operator.cli.render import plain, show


@dataclass(frozen=True)
class Sheet:
    title: str
    rows: list[tuple[str, ...]]
    head: tuple[str, ...] = ()


SHEETS = [
    Sheet("about", [("market", "open"), ("a long name", "x")]),
    Sheet("checks", [("feed", "5 ms", "yes"), ("minEdge", "0.0100", "NO")], ("rule", "value", "passed")),
]


def test_plain_columns_line_up():
    assert plain(SHEETS) == (
        "about\n  market        open\n  a long name   x\n\n"
        "checks\n  rule      value    passed\n  feed      5 ms     yes\n  minEdge   0.0100   NO\n"
    )


@pytest.mark.parametrize("terminal", [True, False])
def test_colours_on_a_terminal_alone(terminal):
    out = io.StringIO()
    show(SHEETS, Console(file=out, force_terminal=terminal, width=100, color_system="standard"))
    assert ("\x1b[1;31mNO" in out.getvalue()) is terminal
    assert (out.getvalue() == plain(SHEETS)) is not terminal
    assert "minEdge" in out.getvalue()


def test_a_narrow_terminal_never_cuts_the_title_or_the_first_column():
    out = io.StringIO()
    title = "a title that is longer than the table below it"
    show([Sheet(title, [("maxOrdersPerMinute", "v" * 60)])], Console(file=out, force_terminal=True, width=60))
    assert title in out.getvalue()
    assert "maxOrdersPerMinute" in out.getvalue()
    assert sum(line.count("v") for line in out.getvalue().splitlines()) == 60
