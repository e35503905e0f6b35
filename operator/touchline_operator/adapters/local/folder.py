"""The folder `.touchline/`: one `up` at a time, its runs, the overlay that people's halts write, and what is shown."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

KEEP_RUNS = 5


class FolderError(Exception):
    """The folder cannot be used; the message says what to change."""


class RunInfo(msgspec.Struct, frozen=True):
    """What other commands need to know of the `up` that runs here."""

    pid: int
    namespace: str
    bus_url: str
    record_url: str
    started_ms: int


def atomic_write(path: Path, data: str | bytes, mode: int = 0o644) -> None:
    """Replace the file in one step: a reader sees the old text or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def link(path: Path, target: Path) -> None:
    """Point the symbolic link `path` at `target`, replacing an older link."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(path)


class Folder:
    """Paths under `.touchline/` of one working directory."""

    def __init__(self, where: Path) -> None:
        self.root = where / ".touchline"

    @property
    def overlay(self) -> Path:
        return self.root / "overlay"

    @property
    def secrets(self) -> Path:
        return self.root / "secrets"

    @property
    def shown(self) -> Path:
        """Resources with their status, one file each, as `touchline get` shows them."""
        return self.root / "resources"

    @property
    def registry(self) -> Path:
        """Uid, generation and creation time of every resource."""
        return self.root / "registry.json"

    @property
    def run_file(self) -> Path:
        return self.root / "run.json"

    def overlay_file(self, policy: str) -> Path:
        return self.overlay / f"riskpolicy-{policy}.json"

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder. Raises FolderError when another `up` has it."""
        try:
            self.root.mkdir(exist_ok=True)
            handle = (self.root / "up.lock").open("a+")
        except OSError as error:
            raise FolderError(f"{self.root}: cannot be written: {error.strerror}; run in another directory") from error
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                handle.seek(0)
                pid = handle.read().strip() or "unknown"
                raise FolderError(
                    f"touchline up already runs in {self.root.parent} (process {pid}): stop it or use another directory"
                ) from error
            handle.seek(0)
            handle.truncate()
            handle.write(f"{os.getpid()}\n")
            handle.flush()
            yield

    def running(self) -> RunInfo | None:
        """The `up` that holds the folder now, or None."""
        path = self.root / "up.lock"
        if not path.exists() or not self.run_file.exists():
            return None
        with path.open("r") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return self.last_run()
        return None

    def last_run(self) -> RunInfo | None:
        """The last `up`, whether it still runs or not. Raises FolderError for a broken file."""
        try:
            return msgspec.json.decode(self.run_file.read_bytes(), type=RunInfo)
        except FileNotFoundError:
            return None
        except msgspec.MsgspecError as error:
            raise FolderError(f"{self.run_file}: {error}; delete the file") from error

    def run_folder(self, stamp: str) -> Path:
        """The folder of the run with this stamp, of the last one for "". Raises FolderError."""
        runs = sorted(path.name for path in (self.root / "runs").iterdir()) if (self.root / "runs").is_dir() else []
        if not runs:
            raise FolderError(f"no touchline up has run in {self.root.parent}: start one, or change the directory")
        if stamp and stamp not in runs:
            raise FolderError(f"--run: no run {stamp} in {self.root / 'runs'}; there is: {', '.join(runs)}")
        return self.root / "runs" / (stamp or runs[-1])

    def new_run(self, stamp: str) -> Path:
        """A fresh folder for this run; `last` and `logs` point at it, older runs than the last five go."""
        runs = self.root / "runs"
        run = runs / stamp
        run.mkdir(parents=True)
        (run / "logs").mkdir()
        link(self.root / "last", Path("runs") / stamp)
        link(self.root / "logs", Path("runs") / stamp / "logs")
        for old in sorted(path for path in runs.iterdir() if path.is_dir())[:-KEEP_RUNS]:
            shutil.rmtree(old)
        return run
