"""`touchline flatten`: show what would be sold, have it confirmed, ask through the record, tell how far it is."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from touchline_operator.adapters.flattening import FlattenDesk
from touchline_operator.adapters.local.clock import SystemClock
from touchline_operator.adapters.local.folder import Folder, FolderError
from touchline_operator.adapters.redis import RedisRiskFeed
from touchline_operator.cli.errors import BAD_INPUT, FAILED, OK, CommandError
from touchline_operator.cli.get import columns, shown
from touchline_operator.decide.flatten import Line, Scene, lines
from touchline_operator.desired.config import ENVIRONMENTS
from touchline_operator.ports import RecordUnreachableError
from trading_logic.money import format_count, format_dollars, format_price

POLL_S = 0.25
HEAD = ("MARKET", "STRATEGY", "CONTRACTS", "SIDE", "BID", "EXPECTED", "FEES", "")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the two Redis are, when `touchline up` does not run here: given by hand, such as a port-forward's."""

    record: str
    bus: str
    namespace: str
    feed: str


@dataclass(frozen=True, slots=True)
class Target:
    """Whose positions: one policy's, of one strategy or (None) of all of the account."""

    policy: str
    strategy: str | None
    place: Place

    @property
    def name(self) -> str:
        """What a person types to confirm."""
        return self.strategy or self.policy


def local_target(named: str | None) -> Target:
    """The policy or strategy that is meant among those of the `up` that runs here. Raises CommandError."""
    folder = Folder(Path.cwd())
    try:
        run = folder.running()
    except FolderError as error:
        raise CommandError(str(error)) from error
    if run is None:
        raise CommandError(
            f"no touchline up runs in {Path.cwd()}, so nobody can sell; start it, or see touchline flatten --help"
        )
    found = shown(folder)
    policies = {raw["metadata"]["name"]: raw for raw in found if raw["kind"] == "RiskPolicy"}
    owners = {
        raw["metadata"]["name"]: raw["spec"]["riskPolicyRef"]["name"]
        for raw in found
        if raw["kind"] == "TradingStrategy"
    }
    if named is None and len(policies) != 1:
        raise CommandError(f"which policy or strategy? name one of: {', '.join([*policies, *owners])}", BAD_INPUT)
    name = named or next(iter(policies))
    policy, strategy = (name, None) if name in policies else (owners.get(name), name)
    if policy is None or policy not in policies:
        known = ", ".join([*policies, *owners])
        raise CommandError(f"no RiskPolicy or TradingStrategy {name} here; there is: {known}", BAD_INPUT)
    feed = policies[policy]["spec"]["exchange"]["environment"].lower()
    return Target(policy, strategy, Place(run.record_url, run.bus_url, run.namespace, feed))


def far_target(
    named: str | None, record: str | None, bus: str | None, namespace: str | None, feed: str | None
) -> Target:
    """A policy anywhere, by its two Redis. Raises CommandError naming the option that is missing."""
    if not (named and record and bus and namespace and feed):
        given = {"POLICY": named, "--record": record, "--bus": bus, "--namespace": namespace, "--feed": feed}
        missing = ", ".join(name for name, value in given.items() if not value)
        raise CommandError(f"a policy elsewhere needs {missing} too", BAD_INPUT)
    if feed not in ENVIRONMENTS:
        raise CommandError(f"--feed: {feed!r} is not allowed; allowed: {', '.join(ENVIRONMENTS)}", BAD_INPUT)
    return Target(named, None, Place(record, bus, namespace, feed))


def flatten(target: Target, *, yes: bool, for_s: float, as_json: bool) -> int:
    """0: flat. 1: not, and why. Nothing is sold before it is confirmed."""
    return asyncio.run(_flatten(target, yes=yes, for_s=for_s, as_json=as_json))


async def _flatten(target: Target, *, yes: bool, for_s: float, as_json: bool) -> int:
    place, clock = target.place, SystemClock()
    feed = RedisRiskFeed(place.namespace, place.bus, place.record)
    desk = FlattenDesk(feed, clock, place.namespace, place.feed, target.policy)
    try:
        scene = await desk.look()
        plan = _lines(scene, target)
        if not as_json and plan:
            sys.stdout.write(_table(plan))
        if not plan:
            return _say(target, plan, (), "nothing to sell", flat=True, as_json=as_json)
        if scene.causes:
            return _say(target, plan, plan, _halted(scene, target), flat=False, as_json=as_json)
        if not yes and not _typed(target, as_json=as_json):
            return _say(target, plan, plan, "nothing was sent: confirm with --yes", flat=False, as_json=as_json)
        return await _sell(desk, clock, target, plan, scene.writers, for_s, as_json=as_json)
    except RecordUnreachableError as error:
        raise CommandError(str(error)) from error
    finally:
        await feed.close()


def _lines(scene: Scene, target: Target) -> tuple[Line, ...]:
    return lines(scene, None if target.strategy is None else [target.strategy])


def _halted(scene: Scene, target: Target) -> str:
    causes = "; ".join(f"{cause.source}: {cause.reason or cause.id}" for cause in scene.causes)
    return (
        f"halted by {causes}: while halted no order can be sent; touchline resume {target.policy} first, "
        "or sell at the exchange"
    )


def _typed(target: Target, *, as_json: bool) -> bool:
    """Whether a person at a terminal typed the name."""
    if as_json or not sys.stdin.isatty():
        return False
    sys.stdout.write(f"Type {target.name} to sell this, anything else to leave it: ")
    sys.stdout.flush()
    return sys.stdin.readline().strip() == target.name


async def _sell(
    desk: FlattenDesk,
    clock: SystemClock,
    target: Target,
    plan: Sequence[Line],
    writers: frozenset[str],
    for_s: float,
    *,
    as_json: bool,
) -> int:
    if all(line.never for line in plan):
        return _say(target, plan, plan, f"nothing was sent: {_progress(plan, 0)}", flat=False, as_json=as_json)
    # All that could enter meanwhile, not only those that hold something now.
    strategies = [target.strategy] if target.strategy else sorted(writers | {line.strategy for line in plan} - {""})
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    deadline = time.monotonic() + for_s
    left, orders, told, scene = tuple(plan), 0, "", None
    try:
        # Its own end in the record: should this command be killed, the request does not stand for ever.
        await desk.ask(strategies, clock.wall_ms() + int(for_s * 1000))
        while not stop.is_set() and time.monotonic() < deadline:
            scene = await desk.look()
            left = _lines(scene, target)
            orders = sum(scene.open_orders.get(strategy, 0) for strategy in strategies)
            if scene.causes or (not orders and all(line.never for line in left)):
                break
            text = _progress(left, orders)
            if text != told and not as_json:
                sys.stdout.write(text + "\n")
                sys.stdout.flush()
            told = text
            try:
                async with asyncio.timeout(POLL_S):
                    await stop.wait()
            except TimeoutError:
                continue
    finally:
        await desk.withdraw(strategies)
    if not left and not orders:
        message = f"flat; entries are allowed again (to stop them: touchline halt {target.policy})"
        return _say(target, plan, left, message, flat=True, as_json=as_json)
    if scene is not None and scene.causes:
        return _say(target, plan, left, _halted(scene, target), flat=False, as_json=as_json)
    why = (
        "stopped by you"
        if stop.is_set()
        else "not flat"
        if all(x.never for x in left)
        else f"not flat after {for_s:g} s"
    )
    message = f"{why}: {_progress(left, orders)}; nothing more is sold"
    return _say(target, plan, left, message, flat=False, as_json=as_json)


def _progress(left: Sequence[Line], orders: int) -> str:
    parts = [
        f"{format_count(line.count)} {line.side.upper()} {line.market} left"
        + (f" ({line.why_not})" if line.why_not else "")
        for line in left
    ]
    return "; ".join([*parts, *([f"{orders} orders not over yet"] if orders else [])])


def _table(plan: Sequence[Line]) -> str:
    rows: list[tuple[str, ...]] = [
        (
            line.market,
            line.strategy or "-",
            format_count(line.count),
            line.side.upper(),
            "-" if line.bid is None else f"${format_price(line.bid)}",
            format_dollars(line.proceeds)
            + ("" if line.sellable >= line.count else f" for {format_count(line.sellable)}"),
            "-" if line.fees is None else format_dollars(line.fees),
            line.why_not,
        )
        for line in plan
    ]
    proceeds, fees = sum(line.proceeds for line in plan), sum(line.fees or 0 for line in plan)
    total = f"Expected: {format_dollars(proceeds)} less {format_dollars(fees)} fees, at what is bid now.\n"
    return columns(HEAD, rows) + total


def _body(line: Line) -> dict[str, str | None]:
    return {
        "market": line.market,
        "strategy": line.strategy,
        "side": line.side,
        "contracts": format_count(line.count),
        "bidDollars": None if line.bid is None else format_price(line.bid),
        "sellableContracts": format_count(line.sellable),
        "expectedProceeds": format_dollars(line.proceeds),
        "expectedFees": None if line.fees is None else format_dollars(line.fees),
        "whyNot": line.why_not,
    }


def _say(target: Target, plan: Sequence[Line], left: Sequence[Line], message: str, *, flat: bool, as_json: bool) -> int:
    if as_json:
        body = {
            "policy": target.policy,
            "strategy": target.strategy,
            "flat": flat,
            "plan": [_body(line) for line in plan],
            "left": [_body(line) for line in left],
            "message": message,
        }
        sys.stdout.write(msgspec.json.encode(body).decode() + "\n")
    elif flat:
        sys.stdout.write(f"{target.name}: {message}\n")
    if not flat:
        sys.stderr.write(f"touchline: {target.name}: {message}\n")
    return OK if flat else FAILED
