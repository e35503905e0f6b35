import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.exchange.frame_codec import decode_frame
from services.exchange.frames import BadFrame, DeltaFrame, ErrorFrame, SnapshotFrame, TradeFrame, UserOrderFrame

# Recorded on the venue's demo.
SNAPSHOT = b'{"type":"orderbook_snapshot","sid":1,"seq":1,"msg":{"market_ticker":"T","market_id":"uuid","yes_dollars_fp":[["0.4700","3.00"]],"no_dollars_fp":[["0.5200","1.00"]]}}\n'
DELTA = b'{"type":"orderbook_delta","sid":1,"seq":2,"msg":{"market_ticker":"T","market_id":"uuid","price_dollars":"0.5200","delta_fp":"-1.00","side":"no","ts":"2026-06-11T06:29:47.354803Z","ts_ms":1781159387354},"sending_ts_ms":1}\n'


def test_recorded_frames() -> None:
    assert decode_frame(SNAPSHOT, "s", 7) == SnapshotFrame("s", 7, 1, 1, "T", [(4700, 300)], [(5200, 100)])
    assert decode_frame(DELTA, "s", 7) == DeltaFrame("s", 7, 1, 2, "T", "no", 5200, -100, 1781159387354, None)


def test_an_empty_side_has_no_key() -> None:
    frame = decode_frame(b'{"type":"orderbook_snapshot","sid":1,"seq":9,"msg":{"market_ticker":"T"}}', "s", 7)
    assert frame == SnapshotFrame("s", 7, 1, 9, "T", [], [])


def test_a_trade_and_an_error() -> None:
    trade = decode_frame(
        b'{"type":"trade","sid":2,"seq":4,"msg":{"trade_id":"t","market_ticker":"T","yes_price_dollars":"0.0300",'
        b'"no_price_dollars":"0.9700","count_fp":"7.77","taker_side":"yes","taker_outcome_side":"yes",'
        b'"taker_book_side":"bid","is_block_trade":false,"ts":1,"ts_ms":1000}}',
        "s",
        7,
    )
    assert trade == TradeFrame("s", 7, 2, 4, "T", "t", 300, 9700, 777, "yes", 1000)
    error = decode_frame(b'{"id":3,"type":"error","msg":{"code":25,"msg":"overflow"}}', "s", 7)
    assert error == ErrorFrame("s", 7, 3, None, None, 25, "overflow", None)


def test_a_user_order_names_its_market_ticker() -> None:
    frame = decode_frame(
        b'{"type":"user_order","sid":3,"msg":{"order_id":"o","user_id":"u","ticker":"T","exchange_index":0,"status":"canceled",'
        b'"side":"no","is_yes":false,"outcome_side":"no","book_side":"ask","yes_price_dollars":"0.4200","fill_count_fp":"1.00",'
        b'"remaining_count_fp":"0.00","initial_count_fp":"3.00","taker_fill_cost_dollars":"0.580000","maker_fill_cost_dollars":"0.000000",'
        b'"taker_fees_dollars":"0.017100","maker_fees_dollars":"0.000000","client_order_id":"c","created_time":"2026-06-11T06:29:47Z",'
        b'"created_ts_ms":5,"last_update_reason":"CloseCancel"}}',
        "s",
        7,
    )
    assert isinstance(frame, UserOrderFrame)
    assert (frame.market, frame.status, frame.outcome_side, frame.yes_price) == ("T", "canceled", "no", 4200)
    assert (frame.fill_count, frame.initial_count, frame.taker_fees) == (100, 300, 17100)
    assert frame.last_update_reason == "CloseCancel"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b'"0.5200"', b"0.52", "msg.price_dollars: "),
        (b'"0.5200"', b'"1.5200"', "msg.price_dollars: "),
        (b'"-1.00"', b'"-1.001"', "msg.delta_fp: "),
        (b'"no"', b'"maybe"', "msg.side: Invalid enum value 'maybe'"),
        (b'"market_ticker":"T",', b"", "msg.market_ticker: missing"),
        (b'"orderbook_delta"', b'"news"', "type: Invalid value 'news'"),
    ],
)
def test_a_bad_frame_names_the_field_and_keeps_its_number(old, new, said) -> None:
    frame = decode_frame(DELTA.replace(old, new), "s", 7)
    assert isinstance(frame, BadFrame)
    assert said in frame.error
    assert (frame.sid, frame.seq) == (1, 2)


def test_a_frame_of_brackets_is_a_bad_frame() -> None:
    frame = decode_frame(DELTA.replace(b"{", b'{"x":' + b"[" * 9000 + b"]" * 9000 + b",", 1), "s", 7)
    assert isinstance(frame, BadFrame)
    assert frame.error == "nested too deep"


@given(st.binary(max_size=200))
def test_no_bytes_stop_the_decoder(raw) -> None:
    assert isinstance(decode_frame(raw, "s", 7), BadFrame)
    cut = DELTA[: len(raw)]
    assert isinstance(decode_frame(cut, "s", 7), BadFrame | DeltaFrame)
