"""Let a running `up` die in one way after the other, and judge it by the exchange's own log after each.

`python -m tests.chaos.drill` runs all of them and writes docs/deaths.md (`make deaths`).
"""

from __future__ import annotations

import argparse
import asyncio
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.exchange.budget import TIERS, Budget
from services.exchange.clock import SystemClock
from services.exchange.keys import KeySource
from services.exchange.reads import ExchangeReads
from tests.chaos.running import Running, until
from tests.chaos.ways import ALL, Death, catalogue

BACK_S = 150.0
PAGE = Path(__file__).parents[2] / "docs" / "deaths.md"


@dataclass(frozen=True)
class Row:
    """One death and what the judge found. `back_s`: from the end of the fault to the next order."""

    what: str
    when: str
    orders: int
    twice: int
    lost: int
    after_halt: int
    back_s: float


class Judge:
    """Counts by the simulator's log; its clock and the processes' are one machine's."""

    def __init__(self, up: Running) -> None:
        self._up = up
        self._seen = 0
        self._twice = 0

    def orders(self) -> int:
        """New orders since the last question."""
        now = len(self._up.accepted())
        found, self._seen = now - self._seen, now
        return found

    def twice(self) -> int:
        """Client order ids accepted more than once, new ones."""
        counts = Counter(line["client_order_id"] for line in self._up.accepted())
        now = sum(n - 1 for n in counts.values())
        found, self._twice = now - self._twice, now
        return found

    async def lost(self) -> int:
        """Fills of the exchange that the ledger does not come to know."""
        fills = {line["trade_id"] for line in self._up.lines() if line["kind"] == "fill"}

        async def all_booked() -> bool:
            return fills <= await self._up.booked()

        try:
            await until(60, "all fills booked", all_booked)
        except AssertionError:
            return len(fills - await self._up.booked())
        return 0

    def after_halt(self) -> int:
        """Orders accepted between the confirmation of a halt and its resume."""
        return sum(
            confirmed < line["wall_ms"] < resumed
            for line in self._up.accepted()
            for confirmed, resumed in self._up.halts
        )


async def suffer(up: Running, judge: Judge, death: Death) -> Row:
    """One death, the way back, and the verdict."""
    judge.orders()
    halts = len(up.halts)
    await death.strike(up)
    struck = time.monotonic()
    if death.latches:
        await until(60, f"{death.what}: latched", up.causes)
    elif causes := await until(BACK_S, "the record answers", lambda: _answered(up)):
        assert causes == {"-": None}, f"{death.what} {death.when}: halted by {causes}"
    if death.latches:
        await up.resume()
    await well(up, death, int(time.time() * 1000))
    at_ms = int(time.time() * 1000)

    async def again() -> bool:
        assert up.up.poll() is None, up.said()
        return any(line["wall_ms"] > at_ms for line in up.accepted())

    await until(BACK_S, f"{death.what} {death.when}: trades again", again)
    back = time.monotonic() - struck
    lost = await judge.lost()
    up.halts, kept = up.halts[halts:], up.halts
    after = judge.after_halt()
    up.halts = kept
    return Row(death.what, death.when, judge.orders(), judge.twice(), lost, after, back)


async def well(up: Running, death: Death, since_ms: int) -> None:
    """Wait until every process says that it is ready again."""
    wrong: list[str] = ["nothing read"]

    async def ready() -> bool:
        wrong[:] = await up.unwell(since_ms)
        return not wrong

    try:
        await until(BACK_S, "everybody ready", ready)
    except AssertionError as error:
        raise AssertionError(f"{death.what} {death.when}: after {BACK_S:.0f} s still unwell: {wrong}") from error


async def _answered(up: Running) -> object:
    return await up.causes() or {"-": None}


async def agree(up: Running) -> None:
    """Halt, and hold books to the exchange's own view."""
    await up.command("halt", "house", "--reason", "compare")
    await until(60, "halted", up.confirmed_ms)
    exchange = up.ledger_config().exchange
    keys, clock = KeySource(Path(exchange.key_id_file), Path(exchange.private_key_file)), SystemClock()
    async with ExchangeReads(exchange.rest_url, keys, Budget(TIERS["basic"].share(0.1), clock), clock) as venue:

        async def same() -> bool:
            balance, positions = await venue.balance(), await venue.positions()
            theirs = {found.ticker: found.position for found in positions if found.position}
            return await up.held() == theirs and int((await up.risk())["cash"]) == balance.balance

        await until(60, "cash and positions equal the exchange's", same)
        assert await venue.orders(status="resting") == []


async def round_of(
    deaths: Sequence[Death],
    folder: Path,
    seed: int,
    *,
    at_the_end: str = "",
    told: Callable[[Row], object] = lambda _: None,
) -> list[Row]:
    """One `up`: its deaths, then either a comparison or a last kill with Ctrl-C right behind it. `told` as they come."""
    up = Running(folder, seed=str(seed))
    rows = []
    try:
        await up.trades()
        judge = Judge(up)
        for death in deaths:
            if death.needs_clocks and not up.can_move_clocks:
                continue
            row = await suffer(up, judge, death)
            print(f"{row.what}, {row.when}: {row}", flush=True)
            rows.append(row)
            told(row)
        if at_the_end:
            judge.orders()
            up.kill(at_the_end)
        else:
            await agree(up)
        summary = await asyncio.to_thread(up.stop)
        assert summary["resting_orders"] == 0, f"{at_the_end or 'nobody'} killed, then Ctrl-C: {summary}"
        if at_the_end:
            rows.append(Row(f"kill -9 {at_the_end}", "then Ctrl-C", judge.orders(), judge.twice(), 0, 0, 0))
            told(rows[-1])
    finally:
        await up.close()
    return rows


def page(rows: Sequence[Row], seed: int, failed: int) -> str:
    """docs/deaths.md: rows that came to their end, and how many runs did not."""
    deaths = sum(row.when != "then Ctrl-C" for row in rows)
    total = f"{deaths} of {len(catalogue())} deaths came to their end, {failed} runs did not"
    zeros = [sum(column) for column in zip(*((r.twice, r.lost, r.after_halt) for r in rows), strict=True)]
    head = [
        "# Everything that dies",
        "",
        "Written by `make deaths` from a real `touchline up` that trades in the simulator. Every row is a fault and the way back; the judge is the",
        "simulator's own log of what it accepted. *Twice*: client order ids accepted more than once. *Lost*: fills of the exchange that the ledger did",
        "not book. *After halt*: orders accepted between a halt's confirmation and its resume. *Back*: seconds from the end of the fault (or from the",
        "resume, where it halts) until every process says that it is ready and the next order is accepted. At the end of each run, cash and positions",
        "equal the exchange's and nothing rests.",
        "",
        f"Seed {seed}: {total}; twice {zeros[0]}, lost {zeros[1]}, after halt {zeros[2]}.",
        "",
        "| What | When | Orders | Twice | Lost | After halt | Back |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    body = [
        f"| {row.what} | {row.when} | {row.orders} | {row.twice} | {row.lost} | {row.after_halt} | {row.back_s:.0f} s |"
        for row in rows
    ]
    return "\n".join([*head, *body, ""])


PER_ROUND = 10
"""A simulated game must outlast a round."""


def main() -> int:
    words = argparse.ArgumentParser(prog="make deaths", description="every death, then docs/deaths.md")
    words.add_argument("--seed", type=int, default=1, help="of the worlds and of the order")
    words.add_argument("--only", default="", help="a text that the name of a death must hold; the page is not written")
    args = words.parse_args()
    deaths = [death for death in catalogue() if args.only in f"{death.what}, {death.when}"]
    random.Random(args.seed).shuffle(deaths)
    rows: list[Row] = []
    failed = 0
    for n, start in enumerate(range(0, len(deaths), PER_ROUND)):
        with tempfile.TemporaryDirectory(prefix="deaths-") as folder:
            last = ALL[n % len(ALL)] if n % 2 else ""
            try:
                asyncio.run(
                    round_of(
                        deaths[start : start + PER_ROUND],
                        Path(folder),
                        args.seed + n,
                        at_the_end=last,
                        told=rows.append,
                    )
                )
            except (AssertionError, subprocess.TimeoutExpired) as error:
                failed += 1
                print(f"FAILED in round {n}: {error}", file=sys.stderr, flush=True)
    rows.sort(key=lambda row: (row.when, row.what))
    bad = [row for row in rows if (row.twice, row.lost, row.after_halt) != (0, 0, 0)]
    if not args.only:
        PAGE.write_text(page(rows, args.seed, failed))
    if failed or bad:
        print(f"{failed} rounds failed, {len(bad)} rows are not zero: {bad}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
