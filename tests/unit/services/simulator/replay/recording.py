"""A small recording written by hand."""

import json

START = 1_750_000_000_000
A, B = "KXNBAGAME-26MAR07GSWOKC-GSW", "KXNBAGAME-26MAR07GSWOKC-OKC"
IDS = {A: "6a717ade-0000-4000-8000-000000000001", B: "6a717ade-0000-4000-8000-000000000002"}


def snapshot(seq, ticker, yes=(), no=()):
    msg = {"market_ticker": ticker, "market_id": IDS[ticker]}
    if yes:
        msg["yes_dollars_fp"] = [list(level) for level in yes]
    if no:
        msg["no_dollars_fp"] = [list(level) for level in no]
    return {"type": "orderbook_snapshot", "sid": 1, "seq": seq, "msg": msg}


def delta(seq, ticker, side, price, change, second):
    return {
        "type": "orderbook_delta", "sid": 1, "seq": seq,
        "msg": {"market_ticker": ticker, "market_id": IDS[ticker], "price_dollars": price, "delta_fp": change,
                "side": side, "ts": f"2026-03-08T00:00:{second:04.1f}Z" if second % 1 else f"2026-03-08T00:00:{second:02d}Z"},
    }  # fmt: skip


def trade(seq, ticker, price, count, taker, second):
    other = f"{1 - float(price):.4f}"
    return {
        "type": "trade", "sid": 2, "seq": seq,
        "msg": {"trade_id": f"trade-{seq}", "market_ticker": ticker, "yes_price_dollars": price,
                "no_price_dollars": other, "count_fp": count, "taker_side": taker, "ts": 1772928000 + second},
    }  # fmt: skip


MARKET_A = [
    snapshot(1, A, [("0.4000", "50.00"), ("0.4500", "10.00")], [("0.5000", "20.00"), ("0.4800", "5.00")]),
    delta(2, A, "yes", "0.3000", "1.00", 0),
    delta(3, A, "yes", "0.4600", "7.00", 1),
    delta(4, A, "no", "0.5000", "-4.00", 2),
    trade(1, A, "0.5000", "4.00", "yes", 2),
    delta(8, A, "yes", "0.4600", "-7.00", 5.5),
    trade(3, A, "0.4600", "7.00", "no", 5),
    snapshot(10, A),
]
MARKET_B = [
    snapshot(6, B, [("0.5000", "3.00")]),
    delta(7, B, "no", "0.4500", "2.00", 4),
    delta(9, B, "no", "0.4500", "1.00", 7),
]
INDEX = [{"market_ticker": A, "outcome": {"result": "no"}}, {"market_ticker": B, "outcome": {"result": "yes"}}]


def write(folder, files, index=None):
    folder.mkdir(exist_ok=True)
    for name, frames in files.items():
        (folder / f"{name}.ndjson").write_text("\n\n".join(json.dumps(frame) for frame in frames) + "\n")
    if index is not None:
        (folder / "index.json").write_text(json.dumps(index))
    return folder


def frames(connection):
    return [json.loads(frame) for frame in connection.take()]
