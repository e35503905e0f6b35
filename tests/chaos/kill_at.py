"""Run an executor that kills itself (SIGKILL) at the N-th line of an order's way, counted from the first claim.

`python kill_at.py N COUNTFILE --config FILE`. With N = 0 it only counts: the number of lines is written to COUNTFILE when
the process is told to stop, so that a test can spread its points over all of them.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
WAY = tuple(
    str(ROOT / name)
    for name in (
        "services/executor/intents.py",
        "services/executor/sender.py",
        "services/executor/wire.py",
        "services/runtime/record.py",
        "services/exchange/rest.py",
        "services/exchange/transport.py",
    )
)


class Killer:
    def __init__(self, at: int, counted: Path) -> None:
        self.at, self.counted = at, counted
        self.lines = 0
        self.armed = False

    def trace(self, frame: FrameType, _: str, __: Any) -> Any:
        code = frame.f_code
        if not code.co_filename.startswith(WAY):
            return None
        if not self.armed and code.co_name != "carry":
            return None
        self.armed = True
        return self.line

    def line(self, _: FrameType, event: str, __: Any) -> Any:
        if event == "line":
            self.lines += 1
            if self.at and self.lines == self.at:
                os.kill(os.getpid(), signal.SIGKILL)
        return self.line


def main() -> None:
    killer = Killer(int(sys.argv[1]), Path(sys.argv[2]))
    sys.argv = ["executor", *sys.argv[3:]]
    if not killer.at:
        atexit.register(lambda: killer.counted.write_text(str(killer.lines)))
    sys.settrace(killer.trace)
    from services.executor.app import main as executor
    from services.runtime.app import run
    from trading_logic.contracts.config import ExecutorConfig

    run("executor", ExecutorConfig, executor)


if __name__ == "__main__":
    main()
