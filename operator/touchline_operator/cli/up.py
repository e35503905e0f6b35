"""`touchline up`: the reconcile core on one machine, with everything it needs, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import psutil
from rich.console import Console
from rich.live import Live

from touchline_operator import names
from touchline_operator.adapters.local.clock import SystemClock
from touchline_operator.adapters.local.cluster import LocalCluster, Places
from touchline_operator.adapters.local.evidence import Chronicle, EvidenceError
from touchline_operator.adapters.local.folder import Folder, FolderError, RunInfo, atomic_write
from touchline_operator.adapters.local.infra import (
    Helper,
    InfraError,
    Played,
    SimulatorReady,
    short_folder,
    start_redis,
    start_simulator,
)
from touchline_operator.adapters.local.memory import settle_memory
from touchline_operator.adapters.local.resources import LocalResources
from touchline_operator.adapters.local.view import View, ViewReader, Wanted
from touchline_operator.adapters.redis import RedisRiskFeed
from touchline_operator.api.files import ResourceFileError
from touchline_operator.cli import table
from touchline_operator.cli.check import check_together
from touchline_operator.cli.errors import BAD_INPUT, OK, CommandError
from touchline_operator.cli.tally import Tally, readable, summarize
from touchline_operator.desired.needs import source_needs, trading_secret
from touchline_operator.desired.platform import KALSHI, KEY_ID, PRIVATE_KEY, Endpoint, Platform
from touchline_operator.desired.world import World
from touchline_operator.ports import RecordUnreachableError
from touchline_operator.reconcile.act import Reconciler
from touchline_operator.reconcile.ending import end
from touchline_operator.reconcile.gather import policy_of, strategy_of, taken_before
from touchline_operator.reconcile.manager import Manager

NAMESPACE = "default"
VIEW_S = 0.5
LINE_S = 2.0
SETTLE_S = 30.0
"""After the executors have gone: how long the ledger may take to write the last end of an order, also of those that an
executor left which was killed before."""
GAME_S = 10_800
"""About as long as a game of football takes."""
STATUS_EVERY_MS = 1_000
"""One machine, a handful of objects: their status may follow more closely than on a cluster."""


@dataclass
class Complaints:
    """Where the resources' complaints go: they are read before the run that shows them exists."""

    tell: Callable[[str], object] = sys.stderr.write

    def hear(self, line: str) -> None:
        self.tell(line)


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line said."""

    files: list[Path]
    for_s: float | None
    json: bool
    speed: str
    seed: str
    sim_admin: bool = False


@dataclass
class Run:
    """A run under way."""

    options: Options
    folder: Folder
    clock: SystemClock
    began_ms: int
    path: Path
    sockets: Path
    resources: LocalResources
    cluster: LocalCluster
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    failure: str = ""
    note: str = ""
    helpers: list[Helper] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    view: View = field(default_factory=View)
    chronicle: Chronicle | None = None
    helper_bytes: dict[str, int] = field(default_factory=dict)

    def say(self, line: str) -> None:
        """One line of progress or complaint, on stderr."""
        self.note = line
        sys.stderr.write(f"touchline: {line}\n")

    def fail(self, line: str) -> None:
        """Everything must end, and why."""
        self.failure = self.failure or line
        self.stop.set()

    def world(self) -> World:
        objects = self.resources.objects()
        return World(
            tuple(strategy_of(raw) for raw in objects if raw["kind"] == "TradingStrategy"),
            tuple(policy_of(raw) for raw in objects if raw["kind"] == "RiskPolicy"),
            followed={
                raw["metadata"]["name"]: taken_before(raw) for raw in objects if raw["kind"] == "TradingStrategy"
            },
        )


def up(options: Options, began_ms: int) -> int:
    """Run until --for, Ctrl-C or SIGTERM. Raises CommandError when it cannot begin or go on."""
    folder = Folder(Path.cwd())
    clock = SystemClock()
    try:
        with folder.lock():
            sockets = short_folder()
            try:
                return asyncio.run(_up(options, folder, clock, sockets, began_ms))
            finally:
                shutil.rmtree(sockets)
                folder.run_file.unlink(missing_ok=True)
    except (FolderError, InfraError) as error:
        raise CommandError(str(error)) from error
    except ResourceFileError as error:
        raise CommandError(str(error), BAD_INPUT) from error


async def _up(options: Options, folder: Folder, clock: SystemClock, sockets: Path, began_ms: int) -> int:
    complaints = Complaints()
    resources = LocalResources(options.files, folder, clock, complaints.hear)
    check_together(resources, folder)
    stamp = datetime.fromtimestamp(began_ms / 1000, UTC).strftime("%Y%m%dT%H%M%S.%f")[:-3]
    path = folder.new_run(stamp)
    places = Places(
        configs=path / "config",
        secrets=folder.secrets,
        policies=path / "policies",
        logs=path / "logs",
        sockets=sockets,
    )
    cluster = LocalCluster(resources, places, clock)
    run = Run(options, folder, clock, began_ms, path, sockets, resources, cluster)
    complaints.tell = run.say
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, run.stop.set)
    try:
        async with _stack(run) as (feed, platform):
            await _trade(run, feed, platform)
    finally:
        cluster.close()
    if run.failure:
        raise CommandError(run.failure)
    _report(run)
    return OK


@contextlib.asynccontextmanager
async def _stack(run: Run) -> AsyncIterator[tuple[RedisRiskFeed, Platform]]:
    """The two Redis and the simulator; ended last, in the opposite order."""
    fd = run.cluster.parent_fd()
    logs = run.path / "logs"
    simulated = any(
        r["kind"] == "RiskPolicy" and r["spec"]["exchange"]["environment"] == "Simulator"
        for r in run.resources.objects()
    )
    record_folder = run.path / "record" if simulated else run.folder.root / "record"
    try:
        started = await asyncio.gather(
            start_redis("bus", run.path / "bus", run.sockets, logs, fd),
            start_redis("record", record_folder, run.sockets, logs, fd),
            _simulator(run, fd) if simulated else _none(),
            return_exceptions=True,
        )
        for one in started:
            if isinstance(one, tuple):
                run.helpers.append(one[0])
        for one in started:
            if isinstance(one, BaseException):
                raise one
        bus, record, simulator = started
        assert isinstance(bus, tuple)
        assert isinstance(record, tuple)
        assert not isinstance(simulator, BaseException)
        bus[0].follow(run.fail, restart=True)
        record[0].follow(run.fail, restart=True)
        endpoints = dict(KALSHI)
        if simulator is not None:
            simulator[0].follow(run.fail, restart=False)
            endpoints["Simulator"] = Endpoint(simulator[1].rest_url, simulator[1].ws_url)
        platform = Platform(
            namespace=NAMESPACE,
            bus_url=bus[1],
            record_url=record[1],
            health_listen=f"unix:{run.sockets}/{{process}}.sock",
            secret_folder=f"{run.folder.secrets}/{{secret}}",
            spec_file=f"{run.path / 'policies'}/{{policy}}.json",
            endpoints=endpoints,
        )
        if simulator is not None:
            await _give_keys(run, platform, simulator[1])
        info = RunInfo(psutil.Process().pid, NAMESPACE, bus[1], record[1], run.began_ms)
        atomic_write(run.folder.run_file, msgspec.json.encode(info))
        feed = RedisRiskFeed(NAMESPACE, bus[1], record[1])
        try:
            yield feed, platform
        finally:
            await feed.close()
    finally:
        for helper in reversed(run.helpers):
            await helper.stop()


async def _none() -> None:
    return None


async def _simulator(run: Run, fd: int) -> tuple[Helper, SimulatorReady]:
    events = dict.fromkeys(event for strategy in run.world().good_strategies() for event in strategy.spec.events)
    series: dict[str, int] = {}
    for wish in (wish for strategy in run.world().good_strategies() for wish in strategy.spec.slates):
        series[wish.series] = max(wish.most, series.get(wish.series, 0))
    # A game ends about as often as one of so many that take as long.
    every_s = GAME_S / float(run.options.speed) / max(series.values(), default=1)
    state = run.path / "sim"
    state.mkdir()
    played = Played(list(events), series, every_s)
    pace = ("--speed", run.options.speed, "--seed", run.options.seed)
    switches = ("--admin",) if run.options.sim_admin else ()
    return await start_simulator(state, played, (*pace, *switches), run.path / "logs", fd)


async def _give_keys(run: Run, platform: Platform, ready: SimulatorReady) -> None:
    """One account of the simulator per policy, oldest first."""
    wanting = [p for p in run.world().good_policies() if p.spec.exchange.credentials_secret_ref is None]
    if len(wanting) > len(ready.accounts):
        raise CommandError(
            f"{len(wanting)} policies, but the simulator has {len(ready.accounts)} accounts: one policy per account",
            BAD_INPUT,
        )
    for policy, account in zip(wanting, ready.accounts, strict=False):
        await run.cluster.apply(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": trading_secret(policy, platform), "namespace": NAMESPACE},
                "stringData": {KEY_ID: account.key_id, PRIVATE_KEY: _text(account.private_key_path)},
            }
        )


def _text(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")


async def _trade(run: Run, feed: RedisRiskFeed, platform: Platform) -> None:
    """Reconcile and show until told to stop; then wind up: executors first, the rest after."""
    reconciler = Reconciler(run.cluster, feed, run.clock, platform, status_every_ms=STATUS_EVERY_MS)
    settle_memory()

    def complain(what: str, error: BaseException) -> None:
        run.say(f"{what}: {type(error).__name__}: {error}; tried again")

    manager = Manager(reconciler, run.clock, complain)
    reader = ViewReader(feed)
    run.chronicle = Chronicle(feed, NAMESPACE, run.path, run.began_ms)
    working = [asyncio.create_task(manager.run()), asyncio.create_task(run.cluster.run())]
    for task in working:
        task.add_done_callback(lambda done: _ended(run, done))
    showing = asyncio.create_task(_show(run, reader))
    showing.add_done_callback(lambda done: _ended(run, done))
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_left(run)):
                await run.stop.wait()
    finally:
        await end([showing], again_s=0.5)
        run.say("stopping: executors drain first")
        await end([working[0]], again_s=2.0)
        await _wind_up(run, reader, working)


def _left(run: Run) -> float | None:
    if run.options.for_s is None:
        return None
    return max(0.0, run.options.for_s - (run.clock.wall_ms() - run.began_ms) / 1000)


def _ended(run: Run, task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        run.fail(f"internal error: {task.exception()!r}")


async def _wind_up(run: Run, reader: ViewReader, working: list[asyncio.Task[None]]) -> None:
    await run.cluster.scale_to_zero(names.Role.EXECUTOR)
    deadline = run.clock.mono_ms() + int(SETTLE_S * 1000)
    while run.clock.mono_ms() < deadline:
        await _look(run, reader)
        if not any(run.view.open_orders.values()):
            break
        await asyncio.sleep(0.1)
    await end([working[1]], again_s=1.0)
    # The ledger goes last: it is the one that still books.
    for role in (names.Role.DECISION, names.Role.CONSUMER, names.Role.INGEST, names.Role.SOURCE, names.Role.CATALOG):
        await run.cluster.scale_to_zero(role)
    await run.cluster.scale_to_zero()
    await _look(run, reader, last=True)


async def _look(run: Run, reader: ViewReader, *, last: bool = False) -> None:
    """Read once, and note it down. A Redis that is away leaves the last view."""
    world = run.world()
    try:
        run.view = await reader.read(wanted(world))
        run.tally.see(run.view.reports)
        _measure(run)
        if run.chronicle is not None:
            await run.chronicle.look(run.view, run.clock.wall_ms(), last=last)
    except (RecordUnreachableError, EvidenceError) as error:
        if run.note != str(error):
            run.say(str(error))


def wanted(world: World) -> Wanted:
    """What to look at in this world."""
    feeds: dict[str, str] = {}
    for strategy in world.good_strategies():
        feed = world.feed_of(strategy)
        if feed is not None:
            feeds |= dict.fromkeys(world.events_of(strategy), feed)
    sources = [name for feed in dict.fromkeys(feeds.values()) for name in source_needs(world, feed)]
    strategies = {
        strategy.metadata.name: strategy.spec.risk_policy_ref.name
        for strategy in world.good_strategies()
        if world.policy_of(strategy) is not None
    }
    return Wanted(NAMESPACE, feeds, sources, strategies)


def _measure(run: Run) -> None:
    found = {"up": psutil.Process().memory_info().rss}
    for helper in run.helpers:
        if helper.pid is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                found[helper.name.replace(" ", "-").lower()] = psutil.Process(helper.pid).memory_info().rss
    for name, size in found.items():
        run.helper_bytes[name] = max(size, run.helper_bytes.get(name, 0))


def _mode(world: World) -> str:
    return "LIVE" if any(policy.spec.mode == "Live" for policy in world.good_policies()) else "PAPER"


async def _show(run: Run, reader: ViewReader) -> None:
    """The live table on a terminal; else a line every two seconds, on stderr when stdout is for the JSON."""
    console = Console(stderr=run.options.json)
    if console.is_terminal:
        with Live(console=console, auto_refresh=False, redirect_stderr=True) as live:
            while True:
                await _look(run, reader)
                world = run.world()
                events = {s.metadata.name: list(world.events_of(s)) for s in world.good_strategies()}
                live.update(
                    table.picture(wanted(world), events, _mode(world), run.view, run.tally, run.note), refresh=True
                )
                await asyncio.sleep(VIEW_S)
    turns = 0
    while True:
        await _look(run, reader)
        if turns % round(LINE_S / VIEW_S) == 0:
            line = table.one_line(_mode(run.world()), run.view, run.tally)
            (sys.stderr if run.options.json else sys.stdout).write(line + "\n")
            sys.stdout.flush()
        turns += 1
        await asyncio.sleep(VIEW_S)


def _accepts(run: Run) -> list[dict[str, Any]] | None:
    file = run.path / "sim" / "accepts.jsonl"
    if not file.exists():
        return None
    return [msgspec.json.decode(line, type=dict[str, Any]) for line in file.read_bytes().splitlines()]


def _report(run: Run) -> None:
    summary = summarize(run.tally, run.view, accepts=_accepts(run), began_ms=run.began_ms, helpers=run.helper_bytes)
    body = msgspec.json.encode(summary)
    atomic_write(run.path / "summary.json", body)
    sys.stdout.write(body.decode() + "\n" if run.options.json else readable(summary))
    sys.stdout.flush()
