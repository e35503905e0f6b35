"""A source's loop: one task per game asks the plug-in, publishes what changed, and says so when it is late."""

from __future__ import annotations

import asyncio

import msgspec

from services.runtime.app import App
from services.runtime.store import STORE_ERRORS, result
from services.sources.ports import GameRef, Source, SourceConfigError, SourceError
from services.sources.registry import PLUGINS
from trading_logic.contracts import codec, config, topics
from trading_logic.contracts.messages import CatalogEntry, GameState

REPEAT_MS = 2_000
"""An unchanged state is published again this often, so that quiet and dead look different."""

STATE_TTL_MS = 30_000
MOST_WAIT_S = 5.0


async def main(app: App[config.Source]) -> None:
    """Follow every event's game until told to stop."""
    cfg = app.config
    app.subject = cfg.name
    app.count_from_zero("polls", "states")
    app.status.expect("bus", "not asked yet")
    factory = PLUGINS.get(cfg.plugin)
    if factory is None:
        message = f"source {cfg.name}: no plug-in {cfg.plugin!r}; known: {', '.join(sorted(PLUGINS))}"
        await _idle(app, "UnknownPlugin", message)
        return
    options = {key: msgspec.json.decode(value) for key, value in cfg.config.items()}
    try:
        source = await factory(cfg.name, options, cfg.exchange)
    except SourceConfigError as error:
        await _idle(app, "BadPluginConfig", f"source {cfg.name}: {error}")
        return
    try:
        async with asyncio.TaskGroup() as tasks:
            for event in cfg.events:
                tasks.create_task(Follower(app, source, event).run(), name=f"follow:{event}")
    finally:
        await source.aclose()


async def _idle(app: App[config.Source], reason: str, message: str) -> None:
    """Nothing to do until the configuration changes, which is a new process: stay, so that the report stays."""
    app.status.fault("plugin", reason, message, spec=True)
    app.log.error("plugin-fault", reason=reason, message=message)
    await app.stop.wait()


class Follower:
    """One game of one source."""

    def __init__(self, app: App[config.Source], source: Source, event: str) -> None:
        self._app, self._source, self._event = app, source, event
        self._topics = topics.MarketDataTopics(app.config.namespace, app.config.feed)
        self._catalog = codec.Reader(CatalogEntry)
        self._last: GameState | None = None
        self._sent_ms = 0
        self._degraded = False

    async def run(self) -> None:
        wait_s = 0.1
        ref: GameRef | None = None
        while not self._app.stop.is_set():
            self._app.beats.beat(f"follow:{self._event}", within_ms=60_000)
            try:
                ref = ref or await self._find()
                wait_s = self._source.interval_s if ref and await self._poll(ref) else min(2 * wait_s, MOST_WAIT_S)
                self._app.status.clear("bus")
            except STORE_ERRORS as error:
                self._fault("bus", "BusUnavailable", f"{self._app.bus.url}: {error}")
                wait_s = min(2 * wait_s, MOST_WAIT_S)
            if await self._app.sleep(wait_s):
                break
        self._app.beats.done(f"follow:{self._event}")

    async def _find(self) -> GameRef | None:
        """The event's game, from the catalog."""
        body = await result(self._app.bus.client.get(self._topics.catalog(self._event)))
        part = f"catalog:{self._event}"
        if body is None:
            self._fault(part, "WaitingForCatalog", f"no catalog entry for event {self._event} yet")
            return None
        try:
            entry = self._catalog.one(body)
        except codec.CodecError as error:
            self._fault(part, "BadCatalogEntry", f"event {self._event}: {error}")
            return None
        self._app.status.clear(part)
        return GameRef(game=entry.game, event=entry.event, home_id=entry.home_id, away_id=entry.away_id)

    async def _poll(self, ref: GameRef) -> bool:
        """Ask once and publish. False when the plug-in had no usable answer. Store errors pass to the caller."""
        part = f"game:{ref.game}"
        self._app.count("polls")
        try:
            state = await self._source.poll(ref, self._app.clock.wall_ms)
        except SourceError as error:
            self._app.count(f"errors:{error.kind}")
            self._fault(part, error.kind, f"{self._event}: {error}")
            if not self._degraded:
                self._degraded = True
                self._app.log.critical("source-degraded", subject=self._event, reason=error.kind, message=str(error))
            if self._last is not None and not self._last.degraded:
                # Say at once that what readers hold is old; the key's own life ends it for good.
                await self._publish(msgspec.structs.replace(self._last, degraded=True))
            return False
        self._app.status.clear(part)
        if self._degraded:
            self._degraded = False
            self._app.log.warning("source-recovered", subject=self._event)
        now_ms = self._app.clock.wall_ms()
        if self._last is None or changed(self._last, state) or now_ms - self._sent_ms >= REPEAT_MS:
            await self._publish(state)
        return True

    async def _publish(self, state: GameState) -> None:
        body = codec.encode(state)
        pipe = self._app.bus.pipeline(transaction=False)
        pipe.set(self._topics.source_state(self._app.config.name, state.game), body, px=STATE_TTL_MS)
        pipe.publish(self._topics.source(self._app.config.name), body)
        await pipe.execute()
        self._last, self._sent_ms = state, self._app.clock.wall_ms()
        self._app.count("states")

    def _fault(self, part: str, reason: str, message: str) -> None:
        if self._app.status.fault_is_new(part, reason):
            self._app.log.error("source-fault", reason=reason, message=message)
        self._app.status.fault(part, reason, message)


def changed(before: GameState, after: GameState) -> bool:
    """Whether the game itself moved, whenever it was heard."""
    return msgspec.structs.replace(before, received_ms=0) != msgspec.structs.replace(after, received_ms=0)
