"""Recordings read from disk: the order in which their frames came, without holding the frames themselves.

A folder holds one connection, in one file per market or in one for all. ``seq`` runs per sid over all of them,
and inside a file frames stand as they came: together that gives the order.
"""

import gzip
from array import array
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from services.simulator.replay.frames import KINDS

_ENDINGS = (".ndjson", ".jsonl", ".ndjson.gz", ".jsonl.gz")
_SKIPPED = frozenset({"subscribed", "unsubscribed", "error"})
_NO_TIME = -1
_MOST_FILES = 256


class BadRecordingError(ValueError):
    """A recording that cannot be read, with file and line."""


class _Msg(msgspec.Struct, gc=False):
    market_ticker: str = ""
    market_id: str = ""
    ts: str | int | None = None


class _Head(msgspec.Struct, gc=False):
    type: str
    sid: int = 0
    seq: int = 0
    msg: msgspec.Raw = msgspec.Raw(b"")


class _Received(msgspec.Struct, gc=False):
    """Some recorders wrap the frame and note when they received it."""

    received_ms: int
    frame: msgspec.Raw


@dataclass(slots=True)
class _Scan:
    """What one file says of itself: sid, number and time (microseconds) per frame; the market of each snapshot."""

    path: Path
    sids: "array[int]" = field(default_factory=lambda: array("H"))
    seqs: "array[int]" = field(default_factory=lambda: array("Q"))
    times: "array[int]" = field(default_factory=lambda: array("q"))
    snapshots: dict[tuple[int, int], str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fill:
    """One missing ``ok``: its number on its sid, and the markets it names."""

    sid: int
    seq: int
    markets: list[str]


@dataclass(slots=True)
class Tape:
    """A recording in order. ``files`` says which file the next frame comes from, ``times`` when (microseconds).

    ``fills`` are ``ok`` replies that the recorder did not write, by the position of the frame they come before.
    ``results`` come from an ``index.json`` beside the files, where there is one.
    """

    paths: list[Path]
    files: bytearray
    times: "array[int]"
    sids: dict[str, int]
    market_ids: dict[str, str]
    fills: dict[int, list[Fill]]
    results: dict[str, str]

    def __len__(self) -> int:
        return len(self.files)

    @property
    def tickers(self) -> list[str]:
        return list(self.market_ids)

    def lines(self) -> Iterator[bytes]:
        """Every frame in order, as recorded and without its line's end."""
        with ExitStack() as stack:
            readers = [_frames(stack.enter_context(_open(path))) for path in self.paths]
            for index in self.files:
                yield next(readers[index])[0]


def load(path: Path) -> Tape:
    """The recording of one folder or file; raises ``BadRecordingError`` or ``OSError``."""
    if path.is_dir():
        paths = sorted(found for found in path.iterdir() if found.name.endswith(_ENDINGS))
    else:
        path.stat()
        paths = [path]
    if not paths:
        raise BadRecordingError(f"{path}: no recording in it (files ending in {', '.join(_ENDINGS)})")
    sids: dict[str, int] = {}
    market_ids: dict[str, str] = {}
    scans = [_scan(found, sids, market_ids) for found in paths]
    if not market_ids:
        raise BadRecordingError(f"{path}: no frame with a market's data in it")
    if len(scans) > _MOST_FILES:
        raise BadRecordingError(f"{path}: {len(scans)} files, at most {_MOST_FILES}")
    numbers = _numbers(scans)
    missing = _fills(scans, numbers, sids)
    files, times, places = _merge(scans, numbers, {(sid, seq + 1) for sid, seq in missing})
    fills: dict[int, list[Fill]] = {}
    for (sid, seq), markets in missing.items():
        fills.setdefault(places[sid, seq + 1], []).append(Fill(sid, seq, markets))
    return Tape(paths, files, times, sids, market_ids, fills, _results(paths))


def _open(path: Path) -> BinaryIO:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]  # GzipFile reads like one


def _frames(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """(frame, received microseconds or -1) of the lines that belong to a channel."""
    for line in file:
        text = line.strip()
        if not text:
            continue
        received = _NO_TIME
        if text.startswith(b'{"received_ms"'):
            wrapped = msgspec.json.decode(text, type=_Received)
            text, received = bytes(wrapped.frame), wrapped.received_ms * 1000
        if not _is_reply(text):
            yield text, received


def _is_reply(text: bytes) -> bool:
    """Replies without a number are answers to the recorder's own commands: ours get their own."""
    return any(text.startswith(b'{"type":"%b"' % name.encode()) for name in _SKIPPED)


def _scan(path: Path, sids: dict[str, int], market_ids: dict[str, str]) -> _Scan:
    scan = _Scan(path)
    heads, msgs = msgspec.json.Decoder(_Head), msgspec.json.Decoder(_Msg)
    clock = _Clock()
    number = 0
    try:
        with _open(path) as file:
            for text, received in _frames(file):
                number += 1
                head = heads.decode(text)
                channel = KINDS.get(head.type)
                at = received
                if channel is not None:
                    msg = msgs.decode(head.msg)
                    if sids.setdefault(channel, head.sid) != head.sid:
                        raise BadRecordingError(f"{path}, frame {number}: {channel} on a second sid {head.sid}")
                    if msg.market_id or msg.market_ticker not in market_ids:
                        market_ids[msg.market_ticker] = msg.market_id or market_ids.get(msg.market_ticker, "")
                    at = received if msg.ts is None else clock.read(msg.ts)
                    if head.type == "orderbook_snapshot":
                        scan.snapshots[head.sid, head.seq] = msg.market_ticker
                elif head.type != "ok":
                    raise BadRecordingError(f"{path}, frame {number}: type {head.type!r} is not replayed")
                if not head.sid or not head.seq:
                    raise BadRecordingError(f"{path}, frame {number}: no sid or no seq")
                scan.sids.append(head.sid)
                scan.seqs.append(head.seq)
                scan.times.append(at)
    except (msgspec.DecodeError, EOFError, ValueError, gzip.BadGzipFile) as error:
        if isinstance(error, BadRecordingError):
            raise
        raise BadRecordingError(f"{path}, near frame {max(number, 1)}: {error}") from error
    return scan


class _Clock:
    """Times of frames in microseconds; most frames share their second with the one before."""

    def __init__(self) -> None:
        self._prefix = ""
        self._base = 0

    def read(self, ts: str | int) -> int:
        """Whole seconds, or RFC 3339 in UTC with up to six digits of fraction; raises ``ValueError``."""
        if isinstance(ts, int):
            return ts * 1_000_000
        prefix, rest = ts[:19], ts[19:]
        if prefix != self._prefix:
            self._base = round(datetime.fromisoformat(prefix + "+00:00").timestamp()) * 1_000_000
            self._prefix = prefix
        if rest == "Z":
            return self._base
        if not rest.startswith(".") or not rest.endswith("Z") or not rest[1:-1].isdigit():
            raise ValueError(f"ts: {ts!r} is not a time in UTC")
        return self._base + int(rest[1:7].rstrip("Z").ljust(6, "0"))


def _numbers(scans: list[_Scan]) -> dict[int, "array[int]"]:
    """Per sid its numbers in order, each with the file it is in as its lowest byte."""
    found: dict[int, array[int]] = {}
    for index, scan in enumerate(scans):
        for sid, seq in zip(scan.sids, scan.seqs, strict=True):
            found.setdefault(sid, array("Q")).append(seq << 8 | index)
    return {sid: array("Q", sorted(numbers)) for sid, numbers in found.items()}


def _merge(
    scans: list[_Scan], numbers: dict[int, "array[int]"], wanted: set[tuple[int, int]]
) -> tuple[bytearray, "array[int]", dict[tuple[int, int], int]]:
    """The order of all frames: (file of each, time of each, place of the ``wanted`` (sid, seq)).

    The next frame is the head of a file that is also the next number of its sid; of two, the earlier one. One
    without a time waits for those whose time has come: a trade follows its delta.
    """
    now = 0
    at, heads = dict.fromkeys(numbers, 0), [0] * len(scans)
    total = sum(len(scan.seqs) for scan in scans)
    files, times = bytearray(), array("q")
    places: dict[tuple[int, int], int] = {}
    while len(files) < total:
        best, best_sid, best_time = -1, 0, (0, False)
        for sid, due in numbers.items():
            if at[sid] == len(due):
                continue
            seq, index = due[at[sid]] >> 8, due[at[sid]] & 0xFF
            scan, head = scans[index], heads[index]
            if scan.seqs[head] == seq and scan.sids[head] == sid:
                time = max(now, scan.times[head]), scan.times[head] == _NO_TIME
                if best < 0 or time < best_time:
                    best, best_sid, best_time = index, sid, time
        if best < 0:
            raise BadRecordingError(f"{scans[0].path.parent}: the numbers of its files fit no common order")
        key = best_sid, scans[best].seqs[heads[best]]
        if key in wanted:
            places[key] = len(files)
        files.append(best)
        now = best_time[0]
        times.append(now)
        at[best_sid] += 1
        heads[best] += 1
    first = next((time for time in times if time), 0)
    for index, stamp in enumerate(times):
        if stamp:
            break
        times[index] = first
    return files, times, places


def _fills(
    scans: list[_Scan], numbers: dict[int, "array[int]"], sids: dict[str, int]
) -> dict[tuple[int, int], list[str]]:
    """The ``ok`` replies that are missing: (sid, seq) -> all markets asked for so far.

    Where one number is missing and the book's next frame is a first snapshot, the recorder had asked for more
    markets. It had asked for them on its other channels too: there the same number of single gaps belongs to
    the same requests.
    """
    book = sids.get("orderbook_delta")
    gaps = {sid: _single_gaps(found) for sid, found in numbers.items()}
    if book is None or gaps[book] is None:
        return {}
    missing = gaps[book] or []
    requests: list[list[str]] = []
    held: list[str] = []
    snapshots = {seq: ticker for scan in scans for (sid, seq), ticker in scan.snapshots.items() if sid == book}
    for seq, ticker in sorted(snapshots.items()):
        if ticker in held:
            continue
        held.append(ticker)
        if seq - 1 in missing:
            requests.append([])
        if requests:
            requests[-1] = sorted(held)
    if len(requests) != len(missing):
        return {}
    return {
        (sid, seq): markets
        for sid, found in gaps.items()
        if found is not None and len(found) == len(requests)
        for seq, markets in zip(found, requests, strict=True)
    }


def _single_gaps(numbers: "array[int]") -> list[int] | None:
    """Missing numbers, None when more than one in a row is missing: that is a loss, not a reply."""
    gaps = []
    before = 0
    for packed in numbers:
        number = packed >> 8
        if number - before > 2:
            return None
        if number - before == 2:
            gaps.append(number - 1)
        before = number
    return gaps


def _results(paths: list[Path]) -> dict[str, str]:
    """Results of markets by ticker, from ``index.json`` or ``<day>.index.json`` beside the recording."""
    names = ["index.json", *(f"{path.name.split('.')[0]}.index.json" for path in paths)]
    found: dict[str, str] = {}
    for name in dict.fromkeys(names):
        index = paths[0].parent / name
        if not index.is_file():
            continue
        rows: list[dict[str, Any]] = msgspec.json.decode(index.read_bytes())
        for row in rows:
            result = (row.get("outcome") or {}).get("result")
            if result in {"yes", "no"}:
                found[row["market_ticker"]] = result
    return found
