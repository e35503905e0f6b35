"""One ledger: the loops of a policy's witness, and what binds them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from contextlib import nullcontext
from pathlib import Path

from services.exchange.budget import TIERS, Budget
from services.exchange.clock import SystemClock
from services.exchange.rest import WitnessRest
from services.exchange.rotation import first_key, follow_key
from services.exchange.stream import ExchangeStream
from services.ledger.alerting import Alerting, forget
from services.ledger.desk import Desk
from services.ledger.feeds import Feeds
from services.ledger.gauges import AccountGauges
from services.ledger.halting import Halter
from services.ledger.lease import Leases, acquire, identify, release
from services.ledger.orphans import Orphans
from services.ledger.spec import FileSource, HaltSource, SpecWatch
from services.ledger.webhook import Webhook, client
from services.ledger.witness import Witness
from services.ledger.writer import LeaseLost, Writer
from services.runtime.app import App, Fatal, ended
from services.runtime.record import Record
from services.runtime.store import STORE_ERRORS
from trading_logic.contracts.config import LedgerConfig
from trading_logic.contracts.topics import RecordTopics

ACCOUNT_SHARE = 0.4
"""Of the account's rate limits; each executor takes 0.3."""


async def main(app: App[LedgerConfig]) -> None:
    """Run until told to stop; then give the ledger's lease back. The trading lease runs out by itself."""
    cfg = app.config
    app.subject = cfg.policy
    app.count_from_zero("booked", "settled")
    app.status.expect("grant", "no trading lease yet")
    keys = await first_key(app, cfg.exchange)
    if keys is None:
        return
    clock = SystemClock()
    writer = Writer(Record(app.record, RecordTopics(cfg.namespace, cfg.policy)), f"{cfg.process}:{app.clock.new_id()}")
    if not await acquire(app, writer):
        return
    try:
        incarnation = await identify(app, writer)
        desk = Desk(cfg, writer, app.clock, app.log)
        await desk.load()
        if not cfg.webhook_folder:
            await forget(writer)
    except STORE_ERRORS as error:
        raise Fatal(f"record Redis at {app.record.url}: {error}") from error
    budget = Budget(TIERS["basic"].share(ACCOUNT_SHARE), clock)
    async with (
        WitnessRest(cfg.exchange.rest_url, keys, budget, clock, subaccount=cfg.exchange.subaccount) as venue,
        ExchangeStream(cfg.exchange.ws_url, keys, clock, app.clock.new_id) as stream,
        client() if cfg.webhook_folder else nullcontext() as told,
    ):
        witness = Witness(app, desk, venue, stream)
        halter = Halter(app, desk, writer, venue)
        app.registry.register(AccountGauges(desk, halter))
        leases = Leases(app, writer, desk, witness, halter, incarnation)
        feeds = Feeds(app, desk, witness, halter, leases, desk.orders_at)
        more = {
            "keys": follow_key(app, keys, venue, stream.reconnect),
            "orphans": Orphans(app, writer, venue).run(),
        }
        if told is not None:
            more["alerts"] = Alerting(app, desk, writer, halter, Webhook(Path(cfg.webhook_folder), told)).run()
        try:
            await _run_loops(app, desk, witness, halter, leases, feeds, more)
        except* LeaseLost:
            # Whichever loop was fenced first: a wiped record must say so to whoever comes next.
            await leases.check_incarnation()
            raise
    await release(app, writer)


async def _run_loops(
    app: App[LedgerConfig],
    desk: Desk,
    witness: Witness,
    halter: Halter,
    leases: Leases,
    feeds: Feeds,
    more: Mapping[str, Coroutine[None, None, None]],
) -> None:
    """Every loop until the process is told to stop; the first that fails ends them all."""
    async with asyncio.TaskGroup() as tasks:
        loops = [
            tasks.create_task(leases.keep(), name="lease"),
            tasks.create_task(leases.grant_loop(), name="grant"),
            tasks.create_task(halter.run(), name="halt"),
            tasks.create_task(witness.follow(), name="stream"),
            tasks.create_task(witness.read_loop(), name="readings"),
            tasks.create_task(feeds.tops_loop(), name="tops"),
            tasks.create_task(feeds.reread_loop(), name="reread"),
            tasks.create_task(feeds.orders_loop(), name="orders"),
            tasks.create_task(feeds.fills_loop(), name="fills"),
            tasks.create_task(feeds.nudges_loop(), name="nudges"),
            tasks.create_task(feeds.risk_loop(), name="risk"),
            *(tasks.create_task(loop, name=name) for name, loop in more.items()),
        ]
        source: HaltSource
        if app.config.spec_file:
            source = FileSource(app, Path(app.config.spec_file))
        else:
            # Only on Kubernetes: its client costs 25 MB that a local ledger need not have.
            from services.ledger.watching import PolicySource  # noqa: PLC0415  - see above

            source = PolicySource(app)
            loops.append(tasks.create_task(source.run(), name="policy"))
        loops.append(tasks.create_task(SpecWatch(app, desk, halter, source).run(), name="spec"))
        for loop in loops:
            # A cancellation can be lost inside a client's call; the loops also end when the process is told to stop.
            loop.add_done_callback(lambda done: app.stop.set() if not done.cancelled() and done.exception() else None)
        await app.stop.wait()
        await ended(loops)
