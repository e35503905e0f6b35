"""One recorded frame on its way to clients, and strict readers of what the replay needs of it."""

from typing import Any, Literal

import msgspec

from services.simulator.engine.model import DOLLAR
from trading_logic.money import format_price, parse_price

KINDS = {"orderbook_snapshot": "orderbook_delta", "orderbook_delta": "orderbook_delta", "trade": "trade"}
"""Channel of each kind of recorded frame that carries a market's data."""


class Recorded(msgspec.Struct, frozen=True, gc=False):
    """``line`` is the whole frame as recorded, ``msg`` its payload; ``ok`` frames have no ticker."""

    channel: str
    kind: bytes
    ticker: str
    seq: int
    msg: bytes
    line: bytes


class Line(msgspec.Struct, gc=False):
    """The envelope of one recorded frame. ``seq`` 0: none."""

    type: str
    sid: int = 0
    seq: int = 0
    msg: msgspec.Raw = msgspec.Raw(b"")


class Snapshot(msgspec.Struct, gc=False):
    """Bids of both sides; a missing ladder is an empty one."""

    market_ticker: str
    yes_dollars_fp: list[tuple[str, str]] = []
    no_dollars_fp: list[tuple[str, str]] = []


class Delta(msgspec.Struct, gc=False):
    market_ticker: str
    price_dollars: str
    delta_fp: str
    side: Literal["yes", "no"]


class RecordedTrade(msgspec.Struct, gc=False):
    """``ts`` in whole seconds; ``ts_ms`` is there since August 2026."""

    market_ticker: str
    trade_id: str
    yes_price_dollars: str
    count_fp: str
    taker_side: Literal["yes", "no"]
    ts: int
    ts_ms: int | None = None


def on_yes_scale(frame: Recorded) -> bytes:
    """The payload with NO prices turned into YES prices, for subscribers who asked for that."""
    msg: dict[str, Any] = msgspec.json.decode(frame.msg)
    if frame.kind == b"orderbook_snapshot":
        if "no_dollars_fp" in msg:
            msg["no_dollars_fp"] = [[_turned(price), count] for price, count in msg["no_dollars_fp"]]
    elif msg["side"] == "no":
        msg["price_dollars"] = _turned(msg["price_dollars"])
    return msgspec.json.encode(msg)


def _turned(price: str) -> str:
    return format_price(DOLLAR - parse_price(price, "price_dollars"))
