"""The page with the halt table. Its rows are what the tests saw; a test that sees another row fails."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Final

from tests.contract.chart import ROOT

PAGE: Final = ROOT / "docs/halt-table.md"
REFRESH: Final = "TOUCHLINE_REFRESH_HALT_TABLE"
PARTS: Final = ("operator", "bus Redis", "record Redis", "ledger", "executors", "API server")


@dataclass(frozen=True)
class Row:
    """What was dead, how the halt was ordered, whose cause holds it, orders after it, and what the resource says."""

    dead: str
    ordered: str
    latched: str
    accepted_after: int
    halted: str

    def line(self) -> str:
        return f"| {' | '.join(str(cell) for cell in astuple(self))} |"


def written(part: str) -> str:
    """The page's row of a part; "" when it has none."""
    return next((line for line in PAGE.read_text().splitlines() if line.startswith(f"| {part} |")), "")


def write(row: Row) -> None:
    """Put the row into the page, in its place."""
    lines = PAGE.read_text().splitlines()
    table = {line.split("|")[1].strip(): line for line in lines if line.startswith("| ")} | {row.dead: row.line()}
    head = [line for line in lines if line.split("|")[1:2] == [] or line.split("|")[1].strip() not in PARTS]
    PAGE.write_text("\n".join([*head, *(table[part] for part in PARTS if part in table)]) + "\n")
