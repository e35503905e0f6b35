"""Titled tables for people: boxes on a terminal, plain columns in a pipe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

Row = tuple[str, ...]
_STYLES = {"NO": "bold red", "BLOCK": "bold red", "WARN": "yellow", "OK": "green"}


class Titled(Protocol):
    """What can be shown."""

    @property
    def title(self) -> str: ...
    @property
    def rows(self) -> list[Row]: ...
    @property
    def head(self) -> Row: ...


def plain(sections: Sequence[Titled]) -> str:
    """Columns three spaces apart, two in from the title; a blank line between sections."""
    return "\n".join(_plain(section) for section in sections)


def _plain(section: Titled) -> str:
    rows = [section.head, *section.rows] if section.head else section.rows
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))] if rows else []
    lines = ["  " + "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join([section.title, *(line.rstrip() for line in lines)]) + "\n"


def show(sections: Sequence[Titled], console: Console | None = None) -> None:
    """On stdout (or another console), as it suits what that is."""
    console = console or Console()
    if not console.is_terminal:
        console.file.write(plain(sections))
        return
    for section in sections:
        console.print(Text(section.title, style="bold"))
        table = Table(box=box.SIMPLE, show_header=bool(section.head), expand=False)
        for name in section.head or section.rows[0]:
            table.add_column(name, no_wrap=name == (section.head or section.rows[0])[0], overflow="fold")
        for row in section.rows:
            table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
        console.print(table)
