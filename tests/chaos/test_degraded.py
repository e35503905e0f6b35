"""A source that cannot read the game any more: cached data, said once, shown on the policy, taken back on recovery."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.running import Running, until

LIVE_DATA = {"path_prefix": "/trade-api/v2/live_data"}


def data_fresh(up: Running) -> dict[str, Any]:
    for file in (up.folder / ".touchline" / "resources").iterdir():
        raw = json.loads(file.read_text())
        if raw["kind"] == "RiskPolicy":
            return next(c for c in raw["status"]["conditions"] if c["type"] == "DataFresh")
    raise AssertionError("no policy is shown")


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_a_degraded_source_is_told_once_and_shown_until_it_is_back(tmp_path: Path) -> None:
    up = Running(tmp_path)
    try:
        await up.trades()

        async def fresh() -> bool:
            return data_fresh(up)["status"] == "True"

        await until(60, "fresh before", fresh)
        await up.fault(action="status_503", match=LIVE_DATA, times=10_000)

        async def degraded() -> bool:
            return data_fresh(up)["reason"] == "SourceDegraded"

        await until(60, "DataFresh says that the source is degraded", degraded)
        told = data_fresh(up)
        assert (told["status"], "degradedKellyMultiplier" in told["message"]) == ("False", True)
        await up.clear_faults()
        await until(60, "fresh again", fresh)
        [log] = (up.run / "logs").glob("simulator-source-*.log")
        lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
        critical = [line["subject"] for line in lines if line["level"] == "critical"]
        # Once for each of the two games, however often it was asked.
        assert sorted(critical) == ["KXNFLGAME-25SEP04DALPHI", "KXNFLGAME-25SEP07BALBUF"]
        back = [line["subject"] for line in lines if line["event"] == "source-recovered"]
        assert sorted(back) == sorted(critical)
    finally:
        await up.close()
