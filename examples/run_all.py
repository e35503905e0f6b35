"""Every process of the pipeline in one terminal: starts `touchline up` and shows all their logs as they are written.

    python examples/run_all.py [FILE ...] [--for 60s]

Without files: the samples. Ctrl-C ends everything. Exit code: that of `touchline up`.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

SAMPLES = Path(__file__).parents[1] / "manifests" / "samples"
LOOK_S = 0.2
SHOWN = 160
HIDDEN = {"process", "event", "level", "timestamp", "exc_info"}


class Follower:
    """New lines of every log of the run, each with its process in front."""

    def __init__(self, logs: Path, began: float) -> None:
        self._logs, self._began = logs, began
        self._read: dict[Path, int] = {}
        self.lines: dict[str, int] = {}

    def look(self) -> None:
        if not self._logs.exists() or self._logs.stat().st_mtime < self._began:
            return  # the link still points at an earlier run
        for log in sorted(self._logs.glob("*.log")):
            if log not in self._read:
                self._read[log] = 0
                self.lines[log.stem] = 0
                show(log.stem, "started")
            with log.open("rb") as file:
                file.seek(self._read[log])
                body = file.read()
            whole = body[: body.rfind(b"\n") + 1]
            self._read[log] += len(whole)
            for line in whole.decode(errors="replace").splitlines():
                self.lines[log.stem] += 1
                show(log.stem, short(line))


def short(line: str) -> str:
    """A JSON log line as `event name=value …`, anything else as it is."""
    try:
        told = json.loads(line)
        rest = " ".join(f"{name}={value}" for name, value in told.items() if name not in HIDDEN)
        text = f"{told['event']} {rest}"
    except (ValueError, KeyError, TypeError, AttributeError):
        text = line
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


def show(who: str, text: str) -> None:
    sys.stdout.write(f"{who[:32]:<32} | {text}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", help="strategies and policies")
    parser.add_argument("--for", dest="time", help="stop after this long, such as 60s")
    options = parser.parse_args()
    files = options.files or [str(SAMPLES / f"{name}.yaml") for name in ("policy", "taking", "resting")]
    command = [sys.executable, "-m", "touchline_operator", "up", *files]
    command += ["--for", options.time] if options.time else []
    follower = Follower(Path(".touchline/logs"), time.time())
    up = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)  # noqa: S603  - our own command line

    def told_by_up() -> None:
        assert up.stdout is not None
        for line in up.stdout:
            show("touchline up", line.rstrip())

    reading = threading.Thread(target=told_by_up)
    reading.start()
    signal.signal(signal.SIGTERM, lambda *_: up.send_signal(signal.SIGTERM))
    while up.poll() is None:
        try:
            follower.look()
            time.sleep(LOOK_S)
        except KeyboardInterrupt:
            up.send_signal(signal.SIGINT)
    reading.join()
    follower.look()
    for who, lines in follower.lines.items():
        show(who, f"ended, {lines} lines")
    return up.returncode


if __name__ == "__main__":
    sys.exit(main())
