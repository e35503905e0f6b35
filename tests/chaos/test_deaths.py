"""Everything that dies, on a real `touchline up`: no order twice, no fill lost, nothing accepted after a halt.

Short form: what has found a bug before, and a seeded choice of the rest. `make deaths` does all of it.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.chaos.drill import round_of
from tests.chaos.ways import Death, catalogue

SEED = 20250904
ALWAYS = (
    ("kill -9 everything", "while it trades"),
    ("kill -9 ledger", "while it halts"),
    ("kill -9 record", "then a halt"),
    ("record one order older", "while it trades"),
    ("exchange: 500 after accepting", "while it trades"),
    ("exchange: garbage after accepting", "while it trades"),
)


def chosen(half: int) -> list[Death]:
    """Half of the fixed ones, and two more by the seed."""
    every = {(death.what, death.when): death for death in catalogue()}
    fixed = [every.pop(name) for name in ALWAYS]
    some = random.Random(SEED).sample(sorted(every), 4)
    return [*fixed, *(every[name] for name in some)][half::2]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("half", "last"), [(0, ""), (1, "executor")])
async def test_the_table_of_deaths_is_all_zeros(tmp_path: Path, half: int, last: str) -> None:
    rows = await round_of(chosen(half), tmp_path, SEED, at_the_end=last)
    assert rows
    for row in rows:
        assert (row.twice, row.lost, row.after_halt) == (0, 0, 0), row
