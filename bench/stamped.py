"""One process of ours with a clock at each stage: `python -m bench.stamped ROLE STAMPS --config FILE`.

The product carries no stamps of its own; here its steps are wrapped before it starts. A line of the file STAMPS is
`<stage> <key> <CLOCK_MONOTONIC ns>`; what the keys are is said in `bench.stages`.
"""

from __future__ import annotations

import atexit
import runpy
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

Stamp = Callable[[str, str | int], None]


def _before(owner: type, name: str, note: Callable[..., None]) -> None:
    """Run `note` with the arguments of each call of `owner.name`, just before it."""
    plain = getattr(owner, name)

    def call(*args: Any, **named: Any) -> Any:
        note(*args, **named)
        return plain(*args, **named)

    setattr(owner, name, call)


def _ingest(stamp: Stamp) -> None:
    from services.exchange.frames import DeltaFrame  # noqa: PLC0415  - only what this role runs
    from services.exchange.stream import ExchangeStream  # noqa: PLC0415  - only what this role runs
    from services.ingest.desk import Desk  # noqa: PLC0415  - only what this role runs
    from services.ingest.process import Ingest  # noqa: PLC0415  - only what this role runs
    from trading_logic.contracts.messages import BookDelta  # noqa: PLC0415  - only what this role runs

    def frames(stage: str, kind: Any) -> Callable[..., None]:
        def note(_: Any, found: Iterable[Any], *__: Any, **___: Any) -> None:
            for one in found:
                if isinstance(one, kind):
                    stamp(stage, one.seq)

        return note

    _before(ExchangeStream, "_deliver", frames("decoded", DeltaFrame))
    _before(Desk, "take", frames("taken", DeltaFrame))
    _before(Ingest, "_write", frames("md", BookDelta))


def _consumer(stamp: Stamp) -> None:
    from services.consumer.desk import Desk  # noqa: PLC0415  - only what this role runs
    from services.consumer.process import Consumer  # noqa: PLC0415  - only what this role runs
    from trading_logic.contracts.messages import BookDelta  # noqa: PLC0415  - only what this role runs

    def apply(_: Any, __: Any, messages: Iterable[Any]) -> None:
        for one in messages:
            if isinstance(one, BookDelta):
                stamp("consumed", one.seq)

    def write(_: Any, __: Any, ___: Any, signals: Iterable[Any]) -> None:
        for one in signals:
            stamp("signal", one.id)

    _before(Desk, "apply", apply)
    _before(Consumer, "_write", write)


def _decision(stamp: Stamp) -> None:
    from services.decision.process import Deciding  # noqa: PLC0415  - only what this role runs

    def write(_: Any, __: Any, ___: Any, intents: Iterable[Any]) -> None:
        for one in intents:
            stamp(f"intent={one.id}", one.signal_id)

    _before(Deciding, "_one", lambda _, signal, *__: stamp("read", signal.id))
    _before(Deciding, "_write", write)


def _executor(stamp: Stamp) -> None:
    from services.exchange.rest import ExchangeRest  # noqa: PLC0415  - only what this role runs
    from services.executor.sender import Sender  # noqa: PLC0415  - only what this role runs
    from services.runtime.record import Record  # noqa: PLC0415  - only what this role runs
    from trading_logic.orders import intent_of  # noqa: PLC0415  - only what this role runs

    _before(Sender, "carry", lambda _, intent: stamp("carried", intent.id))
    _before(Record, "claim", lambda _, intent, *__: stamp("asked", intent.id))
    _before(ExchangeRest, "create_order", lambda _, order, **__: stamp("claimed", intent_of(order.client_order_id)))


WRAPPED = {"ingest": _ingest, "consumer": _consumer, "decision": _decision, "executor": _executor}


def main() -> None:
    role, path = sys.argv[1], Path(sys.argv[2])
    rows: list[str] = []

    def stamp(stage: str, key: str | int) -> None:
        rows.append(f"{stage} {key} {time.monotonic_ns()}\n")

    atexit.register(lambda: path.write_text("".join(rows)))
    WRAPPED[role](stamp)
    sys.argv = [f"services.{role}", *sys.argv[3:]]
    runpy.run_module(f"services.{role}", run_name="__main__")


if __name__ == "__main__":
    main()
