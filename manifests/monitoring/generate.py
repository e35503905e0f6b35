"""`python manifests/monitoring/generate.py`: every dashboard as JSON, sorted, for readable diffs."""  # noqa: INP001  - a script

from __future__ import annotations

import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from dashboards import games, money, pipeline  # noqa: E402  - the folder beside this file
from grafana_foundation_sdk.cog.encoder import JSONEncoder  # noqa: E402  - same block

BOARDS = {"money": money.build, "games": games.build, "pipeline": pipeline.build}


def texts() -> dict[str, str]:
    """File name -> JSON."""
    return {
        f"{name}.json": json.dumps(build().build(), cls=JSONEncoder, indent=1, sort_keys=True) + "\n"
        for name, build in BOARDS.items()
    }


if __name__ == "__main__":
    folder = HERE / "dashboards" / "json"
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in texts().items():
        (folder / file).write_text(text, encoding="utf-8")
