"""The decision's loops: signals in, decisions and intents out, one round trip per batch."""

from __future__ import annotations

import asyncio

from services.decision.decide import Asked, Draft, decide
from services.decision.explain import explained
from services.decision.fair import FairValue
from services.decision.record import RecordView
from services.decision.terms import MarketTerms, market_terms
from services.runtime.app import App
from services.runtime.channels import listen
from services.runtime.store import STORE_ERRORS, result
from services.runtime.streams import Entry, GroupReader, appended
from trading_logic.contracts import codec, config, topics
from trading_logic.contracts.messages import CatalogEntry, Decision, Intent, Signal
from trading_logic.models.registry import UnknownModelError
from trading_logic.money import MoneyError

BATCH = 64
BLOCK_MS = 500
REPEAT_MS = 5_000
"""An unchanged verdict is written again this often, so that a reader sees that it still holds."""


async def main(app: App[config.DecisionConfig]) -> None:
    """Decide for one strategy on one event until told to stop."""
    app.subject = app.config.strategy
    app.count_from_zero("decisions", "intents", "dead")
    app.status.expect("catalog", "no catalog entry read yet")
    app.status.expect("risk", "no risk view read yet")
    try:
        fair = FairValue(app.config.models)
    except UnknownModelError as error:
        # Only another configuration, which is another process, can mend this: stay, so that the report stays.
        app.status.fault("plugin", "UnknownModel", f"strategy {app.config.strategy}: {error}", spec=True)
        app.log.error("unknown-model", message=str(error))
        await app.stop.wait()
        return
    view = RecordView(app)
    deciding = Deciding(app, fair, view)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(view.run(), name="view")
        tasks.create_task(view.nudges(), name="nudges")
        tasks.create_task(deciding.catalog(), name="catalog")
        tasks.create_task(deciding.signals(), name="signals")


class Deciding:
    """One strategy's decisions, bound to the two stores."""

    def __init__(self, app: App[config.DecisionConfig], fair: FairValue, view: RecordView) -> None:
        cfg = app.config
        self._app, self._fair, self._view = app, fair, view
        self._md = topics.MarketDataTopics(cfg.namespace, cfg.feed)
        self._money = topics.RecordTopics(cfg.namespace, cfg.policy)
        self._markets: dict[str, MarketTerms] = {}
        self._shown: dict[str, tuple[str, str, str, int]] = {}
        self._signal = codec.Reader(Signal)
        self._entry = codec.Reader(CatalogEntry)
        self._latency = app.histogram("intent", "from the tick's receipt to its intent's write")
        self._reader = GroupReader(
            app.bus,
            self._md.signals(cfg.event),
            topics.strategy_group(cfg.strategy),
            cfg.process,
            self._md.dead(cfg.event),
            app.clock,
            app.log,
            start="$",  # what was signalled before the strategy existed is too old to act on
        )

    # ------------------------------------------------------------------------------------------ signals

    async def signals(self) -> None:
        """Read, decide, write, acknowledge."""
        opened = False
        while not self._app.stop.is_set():
            self._app.beats.beat("signals", within_ms=30_000)
            try:
                if not opened:
                    await self._reader.open()
                    while unfinished := await self._reader.unfinished(count=BATCH):
                        await self._batch(unfinished)
                    opened = True
                entries = await self._reader.read(count=BATCH, block_ms=BLOCK_MS)
                if entries:
                    await self._batch(entries)
            except STORE_ERRORS as error:
                # Nothing was acknowledged: the entries come again, and every id is the same then.
                opened = False
                if self._app.status.fault_is_new("stores", "StoreUnavailable"):
                    self._app.log.warning("signals-interrupted", error=str(error))
                self._app.status.fault("stores", "StoreUnavailable", f"{self._app.bus.url}: {error}")
                await self._app.sleep(0.5)
            else:
                self._app.status.clear("stores")
        self._app.beats.done("signals")

    async def _batch(self, entries: list[Entry]) -> None:
        good: list[Entry] = []
        decisions: list[Decision] = []
        intents: list[Intent] = []
        for entry in entries:
            if not entry.body:  # trimmed since it was delivered: nothing is left to decide on
                good.append(entry)
                continue
            try:
                signals = self._signal.batch(entry.body)
            except codec.CodecError as error:
                self._app.count("dead")
                await self._reader.bury(entry, str(error))
                continue
            good.append(entry)
            for signal in signals:
                if self._app.config.market in {"", signal.market}:
                    self._one(signal, decisions, intents)
        await self._write(good, decisions, intents)

    def _one(self, signal: Signal, decisions: list[Decision], intents: list[Intent]) -> None:
        now_ms = self._app.clock.wall_ms()
        view = self._view
        asked = Asked(
            signal, self._markets.get(signal.market), view.now, view.sent, self._app.config, self._fair, now_ms
        )
        draft = Draft()
        decision, intent = decide(asked, draft)
        self._app.count("decisions")
        if decision.rule:
            self._app.count(f"refusals:{decision.rule}")
        if intent is not None:
            view.sent[signal.market] = now_ms
            intents.append(intent)
        verdict = (decision.verdict, decision.rule, decision.side)
        before = self._shown.get(signal.market)
        if intent is not None or before is None or before[:3] != verdict or now_ms - before[3] >= REPEAT_MS:
            self._shown[signal.market] = (*verdict, now_ms)
            decisions.append(explained(asked, draft, decision, intent))

    async def _write(self, entries: list[Entry], decisions: list[Decision], intents: list[Intent]) -> None:
        """Intents first: what is acknowledged has had its effect."""
        strategy = self._app.config.strategy
        commands = [appended(self._money.intents(strategy), codec.encode(intent)) for intent in intents]
        if decisions:
            body = codec.encode_batch(decisions)
            commands.append(appended(self._money.decisions(strategy), body, topics.DECISIONS_MAXLEN))
        if entries:
            commands.append(self._reader.acked(entries))
        if commands:
            # A full bus must not take the ack and not the intent.
            await self._app.bus.hot.batch(commands, transaction=bool(intents))
        now_ms = self._app.clock.wall_ms()
        for intent in intents:
            self._latency.observe((now_ms - intent.received_ms) / 1000)
        self._app.count("intents", len(intents))

    # ------------------------------------------------------------------------------------------ catalog

    async def catalog(self) -> None:
        """Know the event's markets, from the start and after every change."""
        while not self._app.stop.is_set():
            self._app.beats.beat("catalog", within_ms=30_000)
            try:
                await self._load()
                async for message in listen(self._app.bus, [self._md.catalog_nudge()], wait_s=1.0):
                    self._app.beats.beat("catalog", within_ms=30_000)
                    if self._app.stop.is_set():
                        break
                    if message is None and self._markets and not self._app.status.faulty("catalog"):
                        continue
                    if message is None or message[1].decode() == self._app.config.event:
                        await self._load()
            except STORE_ERRORS as error:
                self._fault("BusUnavailable", f"{self._app.bus.url}: {error}")
                await self._app.sleep(0.5)
        self._app.beats.done("catalog")

    async def _load(self) -> None:
        event = self._app.config.event
        body = await result(self._app.bus.client.get(self._md.catalog(event)))
        if body is None:
            self._fault("WaitingForCatalog", f"no catalog entry for event {event} yet")
            return
        try:
            self._markets = market_terms(self._entry.one(body))
        except (codec.CodecError, MoneyError) as error:
            self._markets = {}
            self._fault("BadCatalogEntry", f"event {event}: {error}")
            return
        self._app.status.clear("catalog")

    def _fault(self, reason: str, message: str) -> None:
        if self._app.status.fault_is_new("catalog", reason):
            self._app.log.warning("decision-fault", reason=reason, message=message)
        self._app.status.fault("catalog", reason, message)
