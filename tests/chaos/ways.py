"""Every way to die that the drill knows: a name, when it strikes, and what it does to a running `up`."""

from __future__ import annotations

import asyncio
import itertools
import resource
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.chaos.running import POLICY, REDIS, SERVICES, Running, until

ORDERS = {"method": "POST", "path_prefix": "/trade-api/v2/portfolio/events/orders"}
EVERYTHING = {"path_prefix": "/trade-api/v2"}
Strike = Callable[[Running], Awaitable[None]]


@dataclass(frozen=True)
class Death:
    """`latches`: the policy must be halted by it, and a person resumes."""

    what: str
    when: str
    strike: Strike
    latches: bool = False
    needs_clocks: bool = False


def killed(*roles: str) -> Strike:
    async def strike(up: Running) -> None:
        up.kill(*roles)

    return strike


def killed_while_halting(*roles: str) -> Strike:
    async def strike(up: Running) -> None:
        halting = asyncio.create_task(up.command("halt", POLICY, "--reason", "drill"))
        await until(60, "latched", up.causes)
        up.kill(*roles)
        await halting

    return strike


def killed_then_halted(*roles: str) -> Strike:
    async def strike(up: Running) -> None:
        up.kill(*roles)
        await up.command("halt", POLICY, "--reason", "drill")

    return strike


def killed_while_halted(*roles: str) -> Strike:
    async def strike(up: Running) -> None:
        await up.command("halt", POLICY, "--reason", "drill")
        await until(60, "confirmed", up.confirmed_ms)
        up.kill(*roles)
        await asyncio.sleep(3)
        assert await until(20, "the latch is there", up.causes)

    return strike


def frozen(role: str, seconds: float) -> Strike:
    async def strike(up: Running) -> None:
        with up.stopped(role):
            await asyncio.sleep(seconds)

    return strike


def frozen_while_halting(role: str, seconds: float) -> Strike:
    async def strike(up: Running) -> None:
        with up.stopped(role):
            halting = asyncio.create_task(up.command("halt", POLICY, "--reason", "drill"))
            await asyncio.sleep(seconds)
        await halting

    return strike


def paused(role: str, ms: int) -> Strike:
    async def strike(up: Running) -> None:
        await getattr(up, role).execute_command("CLIENT", "PAUSE", ms, "ALL")
        await asyncio.sleep(ms / 1000)

    return strike


def cut(role: str) -> Strike:
    async def strike(up: Running) -> None:
        for kind in ("normal", "pubsub"):
            await getattr(up, role).execute_command("CLIENT", "KILL", "TYPE", kind)

    return strike


def full(role: str, seconds: float) -> Strike:
    async def strike(up: Running) -> None:
        client = getattr(up, role)
        await client.config_set("maxmemory", 1)
        await asyncio.sleep(seconds)
        await client.config_set("maxmemory", 256 * 2**20)

    return strike


async def disk_full(up: Running) -> None:
    """The record may not write another byte to its file: it must end rather than forget."""
    [server] = up.of("record")
    size = max(file.stat().st_size for file in (up.run / "record").rglob("*.aof"))
    server.rlimit(resource.RLIMIT_FSIZE, (size, size))

    async def another() -> bool:
        return all(process.pid != server.pid for process in up.of("record"))

    await until(30, "the record ended", another)


def flushed(role: str) -> Strike:
    async def strike(up: Running) -> None:
        await getattr(up, role).flushall()

    return strike


async def wiped_on_disk(up: Running) -> None:
    """The record's files are gone when it comes back."""
    files = up.run / "record" / "appendonlydir"
    files.rename(files.with_name("gone"))
    up.kill("record")
    shutil.rmtree(files.with_name("gone"))


def rolled_back(orders: int) -> Strike:
    """The record comes back as it was `orders` orders ago."""

    async def strike(up: Running) -> None:
        files = up.run / "record" / "appendonlydir"
        with up.stopped("record"):
            shutil.copytree(files, files.with_name("older"))
        before = len(up.accepted())

        async def more() -> bool:
            return len(up.accepted()) >= before + orders

        await until(60, f"{orders} orders more", more)
        files.rename(files.with_name("newer"))
        files.with_name("older").rename(files)
        up.kill("record")
        shutil.rmtree(files.with_name("newer"))

    return strike


def answered(action: str, times: int, match: dict[str, str], **more: int) -> Strike:
    """The exchange answers so, until it has done it `times` times or ten seconds have gone."""

    async def strike(up: Running) -> None:
        await up.fault(action=action, times=times, match=match, **more)
        await asyncio.sleep(10)
        await up.clear_faults()

    return strike


def garbled(*kinds: str) -> Strike:
    """The exchange accepts, and its answer to each order is garbage of the next kind, twice around."""

    async def strike(up: Running) -> None:
        for kind in kinds * 2:
            await up.fault(action=f"{kind}_after_accept", match=ORDERS)
        await asyncio.sleep(10)
        await up.clear_faults()

    return strike


async def outage(up: Running) -> None:
    await up.outage(4_000)
    await asyncio.sleep(4)


def clock_moved(role: str, seconds: float) -> Strike:
    async def strike(up: Running) -> None:
        up.move_clock(role, seconds)
        await asyncio.sleep(5)
        up.move_clock(role, 0)

    return strike


ALL = (*SERVICES, *REDIS)


def catalogue() -> list[Death]:
    """Everything, in a fixed order."""
    trading, halting, halted = "while it trades", "while it halts", "while it is halted"
    found = [Death(f"kill -9 {name}", trading, killed(name)) for name in ALL]
    found += [
        Death(f"kill -9 {one} and {two}", trading, killed(one, two)) for one, two in itertools.combinations(ALL, 2)
    ]
    found += [Death(f"kill -9 {name}", halting, killed_while_halting(name), latches=True) for name in ALL]
    found += [Death(f"kill -9 {name}", "then a halt", killed_then_halted(name), latches=True) for name in ALL]
    found += [Death(f"kill -9 {name}", halted, killed_while_halted(name), latches=True) for name in ALL]
    found += [Death("kill -9 everything", trading, killed(*ALL))]
    found += [
        Death("executor frozen 9 s", trading, frozen("executor", 9)),
        Death("ledger frozen 9 s", trading, frozen("ledger", 9)),
        Death("executor frozen 15 s", halting, frozen_while_halting("executor", 15), latches=True),
        Death("ledger frozen 9 s", halting, frozen_while_halting("ledger", 9), latches=True),
        Death("bus frozen 7 s", trading, frozen("bus", 7)),
        Death("record frozen 7 s", trading, frozen("record", 7)),
        Death("record frozen 7 s", halting, frozen_while_halting("record", 7), latches=True),
        Death("bus slow: paused 3 s", trading, paused("bus", 3_000)),
        Death("record slow: paused 3 s", trading, paused("record", 3_000)),
        Death("bus sockets cut", trading, cut("bus")),
        Death("record sockets cut", trading, cut("record")),
        Death("bus full", trading, full("bus", 4)),
        Death("record full", trading, full("record", 4)),
        Death("record's disk full", trading, disk_full),
        Death("bus wiped", trading, flushed("bus")),
        Death("record wiped", trading, flushed("record"), latches=True),
        Death("record wiped on disk", trading, wiped_on_disk, latches=True),
        Death("record one order older", trading, rolled_back(1), latches=True),
        Death("record three orders older", trading, rolled_back(3), latches=True),
    ]
    found += [
        Death("exchange: 429 to orders", trading, answered("status_429", 20, ORDERS)),
        Death("exchange: 429 to everything", trading, answered("status_429", 40, EVERYTHING)),
        Death("exchange: 500 after accepting", trading, answered("error_500_after_accept", 4, ORDERS)),
        Death("exchange: accepts and hangs up", trading, answered("drop_reply_after_accept", 4, ORDERS)),
        Death("exchange: accepts, half-closes", trading, answered("half_close_after_accept", 2, ORDERS)),
        Death("exchange: empty answer after accepting", trading, answered("empty_2xx_after_accept", 4, ORDERS)),
        Death("exchange: a page instead of an answer, after accepting", trading, garbled("html_200", "html_403")),
        Death(
            "exchange: garbage after accepting", trading, garbled("not_json", "cut_json", "no_order_id", "wrong_type")
        ),
        Death("exchange: accepts, answers half", trading, garbled("cut_reply")),
        Death("exchange: silent to orders", trading, answered("silent", 2, ORDERS)),
        Death("exchange: refuses connections of orders", trading, answered("refuse", 6, ORDERS)),
        Death("exchange: answers orders 3 s late", trading, answered("delay_ms", 3, ORDERS, ms=3_000)),
        Death("exchange: 503 to everything", trading, answered("status_503", 200, EVERYTHING)),
        Death("exchange: 404 pages to everything", trading, answered("page_404", 200, EVERYTHING)),
        Death("exchange: away for 4 s", trading, outage),
        Death("exchange: half-open for 7 s", trading, frozen("simulator", 7)),
        Death("exchange: half-open for 14 s", trading, frozen("simulator", 14)),
        Death("exchange stream: hung up", trading, answered("hang_up", 4, {})),
        Death("exchange stream: open and mute", trading, answered("mute", 4, {})),
        Death("exchange stream: gaps", trading, answered("gap", 10, {})),
    ]
    found += [
        Death(f"clock of {role} {by:+d} s", trading, clock_moved(role, by), needs_clocks=True)
        for role in SERVICES
        for by in (300, -300)
    ]
    return found
