"""One executor: the loops of a strategy's orders, and what binds them."""

from __future__ import annotations

import asyncio

from services.exchange.budget import TIERS, Budget
from services.exchange.clock import SystemClock
from services.exchange.errors import ExchangeError
from services.exchange.resolve import Resolver
from services.exchange.rest import ExchangeRest
from services.exchange.rotation import first_key, follow_key
from services.exchange.signing import Presigner
from services.exchange.stream import ExchangeStream
from services.executor.drain import Drain, drain_until
from services.executor.intents import Intents
from services.executor.leaving import Exits
from services.executor.private import PrivateFeed
from services.executor.resolving import resolve_loop
from services.executor.sender import Sender
from services.executor.session import Session, acquire, keep_writer
from services.executor.trade import Term
from services.runtime.app import App
from services.runtime.record import Record
from services.runtime.store import STORE_ERRORS
from trading_logic.contracts.config import ExecutorConfig
from trading_logic.contracts.topics import MarketDataTopics, RecordTopics

ACCOUNT_SHARE = 0.3
"""Of the account's rate limits: the ledger takes 0.4, and a policy seldom has more than two strategies. Beyond that the
exchange's 429 is proof that nothing was sent, and the critical reserve is each process' own."""
DRAIN_S = 25.0
"""How long a stop may take to reach zero resting orders; the pod's grace period is longer."""


async def main(app: App[ExecutorConfig]) -> None:
    """Run until told to stop; then drain, give the lease back, and return."""
    cfg = app.config
    app.subject = cfg.strategy
    app.count_from_zero("orders", "fills")
    app.status.expect("writer", "no writer lease yet")
    keys = await first_key(app, cfg.exchange)
    if keys is None:
        return
    clock = SystemClock()
    signer = Presigner(keys, clock)
    rec = Record(app.record, RecordTopics(cfg.namespace, cfg.policy))
    session = Session(token=f"{cfg.process}:{app.clock.new_id()}")
    resolve = asyncio.Event()
    budget = Budget(TIERS["basic"].share(ACCOUNT_SHARE), clock)
    async with ExchangeRest(cfg.exchange.rest_url, signer, budget, clock, subaccount=cfg.exchange.subaccount) as venue:
        signer.presign("POST", venue.create_order_path)
        resolver = Resolver(rec, venue, app.clock, cfg.strategy)
        drain = Drain(app, rec, venue, session, resolver)
        sender = Sender(app, rec, venue, session, resolve)
        stream = ExchangeStream(cfg.exchange.ws_url, keys, clock, app.clock.new_id)
        feed = PrivateFeed(app, rec, stream, resolve)
        exits = Exits(app, rec, sender, session, MarketDataTopics(cfg.namespace, cfg.feed))
        intents = Intents(app, rec, sender, session.token)

        async def new_key() -> None:
            signer.discard()
            await stream.reconnect()

        async with stream, asyncio.TaskGroup() as tasks:
            around = [
                tasks.create_task(signer.run(), name="presign"),
                tasks.create_task(feed.run(), name="private"),
                tasks.create_task(intents.run(), name="intents"),
                tasks.create_task(exits.run(), name="exits"),
                tasks.create_task(exits.follow_tops(), name="tops"),
                tasks.create_task(follow_key(app, keys, venue, new_key), name="key"),
                tasks.create_task(_learn_limits(app, venue), name="limits"),
                tasks.create_task(resolve_loop(app, resolver, session, resolve), name="resolve"),
            ]
            await _terms(app, rec, venue, session, drain, tasks)
            for task in around:
                task.cancel()


async def _terms(
    app: App[ExecutorConfig], rec: Record, venue: ExchangeRest, session: Session, drain: Drain, tasks: asyncio.TaskGroup
) -> None:
    """One term after another: take over, trade, and at the end leave nothing resting."""
    while not app.stop.is_set():
        try:
            if not await acquire(app, rec, session):
                return
        except STORE_ERRORS as error:
            app.status.fault("writer", "RecordFault", f"record Redis: {error}")
            await app.sleep(0.5)
            continue
        lost = asyncio.Event()
        keeper = tasks.create_task(keep_writer(app, rec, session, lost), name="writer")
        await Term(app, rec, venue, session, drain, lost).run()
        if app.stop.is_set() and not lost.is_set() and not await drain_until(drain, app, DRAIN_S):
            app.log.error("stopped-with-orders-resting", strategy=app.config.strategy)
        lost.set()
        await keeper
        if app.stop.is_set():
            await _give_back(app, rec, session)


async def _give_back(app: App[ExecutorConfig], rec: Record, session: Session) -> None:
    """Release the lease, so that a successor need not wait for it to run out."""
    try:
        await rec.renew(rec.topics.writer_lease(app.config.strategy), session.token, 0)
    except STORE_ERRORS as error:
        app.log.warning("lease-not-released", error=str(error))


async def _learn_limits(app: App[ExecutorConfig], venue: ExchangeRest) -> None:
    """Ask once what the account is allowed; until the exchange says more, the lowest tier is assumed."""
    while True:
        try:
            told = await venue.learn_limits(ACCOUNT_SHARE)
        except ExchangeError as error:
            app.log.warning("limits-not-read", error=str(error))
            await asyncio.sleep(5.0)
        else:
            app.log.info("limits", tier=told.usage_tier, share=ACCOUNT_SHARE)
            return
