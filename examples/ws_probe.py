"""Try the exchange's WebSocket with your key: connects, subscribes, prints frames, then how many came of each kind.

    python examples/ws_probe.py --environment demo --key-id ID --private-key FILE KXNFLGAME-26SEP17DETBUF-DET
    python examples/ws_probe.py --url ws://127.0.0.1:8080/trade-api/ws/v2 --key-id … --private-key … MARKET …

The second works against `touchline sim`, which prints address and keys when it starts. It only reads.
Exit code: 0 frames of the markets came, 1 none came (the reason is printed), 2 bad input.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import uuid
from collections import Counter
from pathlib import Path

from services.exchange.clock import SystemClock
from services.exchange.errors import ExchangeError
from services.exchange.frames import (
    BadFrame,
    Connected,
    DeltaFrame,
    Disconnected,
    ErrorFrame,
    GapFrame,
    SnapshotFrame,
    TradeFrame,
)
from services.exchange.keys import KeySource
from services.exchange.stream import ExchangeStream
from touchline_operator.desired.platform import KALSHI

SHOWN = 200
FAULTS = (BadFrame, Disconnected, ErrorFrame, GapFrame)
MARKET_FRAMES = (SnapshotFrame, DeltaFrame, TradeFrame)
URLS = {"demo": KALSHI["Demo"].ws_url, "production": KALSHI["Production"].ws_url}


async def probe(stream: ExchangeStream, markets: list[str], seconds: float, frames: int) -> Counter[str]:
    """Print the first `frames` of each kind and every fault, until `seconds` are over or the key is refused."""
    seen: Counter[str] = Counter()
    await stream.subscribe(["orderbook_delta", "trade"], markets)
    try:
        async with asyncio.timeout(seconds), stream:
            async for batch in stream.batches():
                for frame in batch:
                    kind = type(frame).__name__
                    seen[kind] += 1
                    if seen[kind] <= frames or isinstance(frame, (Connected, *FAULTS)):
                        text = str(frame)
                        cut = len(text) > SHOWN and not isinstance(frame, FAULTS)
                        sys.stdout.write((text[:SHOWN] + "…" if cut else text) + "\n")
                    if isinstance(frame, Disconnected) and frame.key_refused:
                        return seen
    except TimeoutError:
        pass
    return seen


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--environment", choices=sorted(URLS))
    where.add_argument("--url", help="ws(s)://host/trade-api/ws/v2")
    parser.add_argument("--key-id", required=True)
    parser.add_argument("--private-key", required=True, type=Path, metavar="FILE", help="PEM, mode 0600")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--frames", type=int, default=3, help="frames of each kind that are printed")
    parser.add_argument("markets", nargs="+", metavar="MARKET")
    options = parser.parse_args()
    try:
        keys = KeySource(options.key_id, options.private_key)
        stream = ExchangeStream(options.url or URLS[options.environment], keys, SystemClock(), lambda: uuid.uuid4().hex)
    except (ExchangeError, ValueError) as error:
        sys.stderr.write(f"ws_probe: {error}\n")
        return 2
    seen = asyncio.run(probe(stream, options.markets, options.seconds, options.frames))
    for kind, count in seen.most_common():
        sys.stdout.write(f"{kind:<16} {count:>8}   {count / options.seconds:.1f}/s\n")
    return 0 if any(seen[kind.__name__] for kind in MARKET_FRAMES) else 1


if __name__ == "__main__":
    sys.exit(main())
