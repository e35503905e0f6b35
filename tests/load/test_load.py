"""The load suite: nothing lost, nothing doubled, memory within its bound. Figures are printed, not gated.

TOUCHLINE_LOAD_SECONDS says how long the steady part lasts (600 unless set); continuous integration sets 60.
"""

from __future__ import annotations

import os

import pytest

from bench import load
from bench.figures import render

SECONDS = int(os.environ.get("TOUCHLINE_LOAD_SECONDS", "600"))
BURSTS = max(1, min(3, SECONDS // 200))


@pytest.mark.load
@pytest.mark.timeout(SECONDS * 2 + 600)
async def test_steady_load_and_bursts_lose_nothing() -> None:
    part = await load.run(seconds=SECONDS, bursts=BURSTS)
    print("\n" + render(part))
    assert not part.failed, render(part)
