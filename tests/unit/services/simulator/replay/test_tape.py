"""Recordings are read strictly and come out in the order in which they were made."""

import gzip
import json

import pytest

from services.simulator.replay.tape import BadRecordingError, Fill, load
from tests.unit.services.simulator.replay.recording import MARKET_A, MARKET_B, A, B, delta, snapshot, trade, write


def numbers(tape):
    return [(frame["sid"], frame["seq"]) for frame in map(json.loads, tape.lines())]


def test_files_merge_by_number_and_by_their_own_order(folder):
    tape = load(folder)
    assert numbers(tape) == [
        (1, 1), (1, 2), (1, 3), (1, 4), (2, 1), (1, 6), (1, 7), (1, 8), (2, 3), (1, 9), (1, 10)
    ]  # fmt: skip
    assert tape.tickers == [A, B]
    assert tape.sids == {"orderbook_delta": 1, "trade": 2}
    assert tape.results == {A: "no", B: "yes"}
    assert (tape.times[-1] - tape.times[0]) == 7_000_000
    assert list(tape.times) == sorted(tape.times)


def test_missing_replies_are_found_on_both_channels(folder):
    assert load(folder).fills == {5: [Fill(1, 5, [A, B])], 8: [Fill(2, 2, [A, B])]}


def test_a_loss_is_no_missing_reply(tmp_path):
    frames = [frame for frame in MARKET_B if frame["seq"] != 7]
    lost = write(tmp_path / "lost", {A: MARKET_A, B: frames})
    assert load(lost).fills == {}
    late = write(
        tmp_path / "late", {A: [delta(24, A, "yes", "0.0600", "150.00", 1), delta(40, A, "no", "0.8900", "1.00", 1)]}
    )
    assert load(late).fills == {}
    assert numbers(load(late)) == [(1, 24), (1, 40)]


def test_wrapped_gzipped_frames_with_recorded_replies(tmp_path):
    frames = [
        {"type": "subscribed", "id": 2, "msg": {"channel": "orderbook_delta", "sid": 1}},
        snapshot(1, A, [("0.4000", "5.00")]),
        {"type": "ok", "id": 4, "sid": 1, "seq": 2, "msg": {"market_tickers": [A, B]}},
        snapshot(3, B),
    ]
    lines = [
        json.dumps({"received_ms": 1_772_928_000_000 + index, "frame": frame}) for index, frame in enumerate(frames)
    ]
    path = tmp_path / "frames.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(lines).replace('": ', '":').encode()))
    tape = load(path)
    assert numbers(tape) == [(1, 1), (1, 2), (1, 3)]
    assert tape.fills == {}
    assert [time - tape.times[0] for time in tape.times] == [0, 1000, 2000]


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        ([{"type": "ticker", "sid": 3, "seq": 1, "msg": {}}], "frame 1: type 'ticker' is not replayed"),
        ([snapshot(1, A), trade(1, A, "0.5000", "1.00", "yes", 0) | {"sid": 0}], "frame 2: no sid or no seq"),
        (
            [snapshot(1, A), delta(2, A, "yes", "0.1000", "1.00", 0) | {"sid": 7}],
            "frame 2: orderbook_delta on a second sid",
        ),
        ([snapshot(2, A), delta(1, A, "yes", "0.1000", "1.00", 0)], "fit no common order"),
        ([], "no frame with a market's data"),
    ],
)
def test_what_is_no_recording_is_refused_by_name(tmp_path, frames, words):
    with pytest.raises(BadRecordingError, match=words):
        load(write(tmp_path / "bad", {"X": frames}))


def test_broken_text_and_times_are_refused_with_their_line(tmp_path):
    (tmp_path / "x.ndjson").write_text('{"type":"orderbook_delta","sid":1')
    with pytest.raises(BadRecordingError, match=r"x\.ndjson, near frame 1: "):
        load(tmp_path / "x.ndjson")
    bad = delta(1, A, "yes", "0.1000", "1.00", 0)
    bad["msg"]["ts"] = "2026-03-08T00:00:00+01:00"
    with pytest.raises(BadRecordingError, match="is not a time in UTC"):
        load(write(tmp_path / "zone", {A: [bad]}))
    with pytest.raises(BadRecordingError, match="no recording in it"):
        load(write(tmp_path / "empty", {}))
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nowhere")
