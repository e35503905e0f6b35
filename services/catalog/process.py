"""The catalog's loop: read the exchange, keep each event's entry, nudge its readers when something changed."""

from __future__ import annotations

import msgspec

from services.catalog.entry import PRIOR_TRADES, Facts, build, prior_of_trades, same_but_for_time
from services.catalog.lines import CatalogError
from services.catalog.slate import merged, slate_events
from services.exchange.budget import TIERS, Budget
from services.exchange.clock import SystemClock
from services.exchange.errors import ExchangeError, NotFound, TemporaryError
from services.exchange.models import ExchangeStatus
from services.exchange.reads import ExchangeReads
from services.runtime.app import App
from services.runtime.store import STORE_ERRORS, result
from trading_logic.contracts import codec, config, topics
from trading_logic.contracts.messages import CatalogEntry, SlateEvent

RETRY_SECONDS = 1.0


async def main(app: App[config.Catalog]) -> None:
    """Poll every event until told to stop."""
    app.subject = ",".join([*app.config.events, *app.config.series])
    for event in app.config.events:
        app.status.expect(f"catalog:{event}", f"event {event} is not read yet")
    for series in app.config.series:
        app.status.expect(f"slate:{series}", f"series {series} is not read yet")
    clock = SystemClock()
    # Only public calls: this process needs no key, so it gets none.
    async with ExchangeReads(app.config.exchange.rest_url, None, Budget(TIERS["basic"], clock), clock) as exchange:
        catalog = Catalog(app, exchange)
        while not app.stop.is_set():
            app.beats.beat("poll", within_ms=60_000)
            clean = await catalog.poll()
            if await app.sleep(app.config.poll_seconds if clean else min(RETRY_SECONDS, app.config.poll_seconds)):
                break
    app.beats.done("poll")


class NoSuchEventError(Exception):
    """The exchange does not know the event, and no entry says that it ever did."""


class Catalog:
    """Entries of all events of one feed."""

    def __init__(self, app: App[config.Catalog], exchange: ExchangeReads) -> None:
        self._app, self._exchange = app, exchange
        self._topics = topics.MarketDataTopics(app.config.namespace, app.config.feed)
        self._reader = codec.Reader(CatalogEntry)
        self._known: dict[str, CatalogEntry] = {}
        self._followed: dict[str, tuple[str, SlateEvent]] = {}
        """Events that are followed whether they are listed or not, with their series."""
        self._left_out: set[str] = set()

    async def poll(self) -> bool:
        """One round over all events. True when every event was read and written."""
        try:
            status = await self._exchange.exchange_status()
        except ExchangeError as error:
            self._fault("exchange", "ExchangeUnreachable", f"{self._app.config.exchange.rest_url}: {error}")
            return False
        self._app.status.clear("exchange")
        clean = [await self._event(event, status) for event in self._app.config.events]
        clean += [await self._slate(series) for series in self._app.config.series]
        return all(clean)

    async def _slate(self, series: str) -> bool:
        """Publish which events of a series exist. On a failure nothing is written: the last one runs out."""
        part = f"slate:{series}"
        try:
            listed, left_out = slate_events(*await self._exchange.open_events(series))
            for event in sorted(set(left_out) - self._left_out):
                self._app.log.warning("slate-event-left-out", ticker=event, reason="not exactly one supported game")
            self._left_out |= set(left_out)
            followed = {event: one for event, (owner, one) in self._followed.items() if owner == series}
            slate = merged(self._app.config.feed, series, listed, followed, self._app.clock.wall_ms())
            key = self._topics.slate(series)
            await result(self._app.bus.client.set(key, codec.encode(slate), px=topics.SLATE_TTL_MS))
        except ExchangeError as error:
            self._fault(part, "ExchangeUnreachable", f"series {series}: {error}")
        except STORE_ERRORS as error:
            self._fault(part, "BusUnavailable", f"{self._app.bus.url}: {error}")
        else:
            self._app.status.clear(part)
            return True
        return False

    async def _event(self, event: str, status: ExchangeStatus) -> bool:
        part = f"catalog:{event}"
        try:
            await self._refresh(event, status)
        except NoSuchEventError:
            message = f"the exchange has no event {event}; check the ticker in `markets`"
            self._fault(part, "NoSuchEvent", message, spec=True, event=event)
        except TemporaryError as error:
            self._fault(part, "ExchangeUnreachable", str(error))
        except CatalogError as error:
            # A game that was readable and is not now: what is held in it must still be left.
            self._fault(part, "EventNotSupported", str(error), spec=event not in self._known, event=event)
        except ExchangeError as error:
            self._fault(part, "ExchangeRefused", str(error))
        except STORE_ERRORS as error:
            self._fault(part, "BusUnavailable", f"{self._app.bus.url}: {error}")
        else:
            self._app.status.clear(part)
            return True
        return False

    async def _refresh(self, event: str, status: ExchangeStatus) -> None:
        """Read one event and write its entry. Raises NoSuchEventError, ExchangeError, CatalogError, store errors."""
        key = self._topics.catalog(event)
        previous = self._known.get(event)
        if previous is None:
            previous = self._stored(await result(self._app.bus.client.get(key)))
            if previous is not None:
                self._known[event] = previous
        try:
            found = await self._exchange.event(event)
        except NotFound as error:
            if previous is None:
                raise NoSuchEventError from error
            raise  # it was there: what is held in it must still be left
        facts = Facts(
            event=found,
            series=await self._exchange.series(found.series_ticker),
            milestones=await self._exchange.milestones(related_event_ticker=event),
            exchange_active=status.exchange_active and status.trading_active,
        )
        # Before anything is refused: also an event that cannot be traded must be seen to end.
        for one in slate_events([found], facts.milestones)[0]:
            self._followed[event] = (found.series_ticker, one)
        now_ms = self._app.clock.wall_ms()
        entry = build(self._app.config.feed, facts, previous, now_ms)
        if now_ms >= entry.start_ms:
            entry = await self._with_traded_priors(entry)
        pipe = self._app.bus.pipeline(transaction=False)
        pipe.set(key, codec.encode(entry))
        if not same_but_for_time(previous, entry):
            pipe.publish(self._topics.catalog_nudge(), event)
            self._app.count("changes")
        await pipe.execute()
        self._known[event] = entry
        self._app.count("polls")

    async def _with_traded_priors(self, entry: CatalogEntry) -> CatalogEntry:
        """Fill priors that no book showed in time from the last public trades before the start."""
        markets = []
        for market in entry.markets:
            prior = market.prior
            if prior is None:
                trades = await self._exchange.trades(market.market, max_ts=entry.start_ms, limit=5 * PRIOR_TRADES)
                prior = prior_of_trades(trades, entry.start_ms)
            markets.append(msgspec.structs.replace(market, prior=prior))
        return msgspec.structs.replace(entry, markets=tuple(markets))

    def _stored(self, body: bytes | None) -> CatalogEntry | None:
        """What this process wrote before it was restarted; an entry of another version is worth nothing."""
        if body is None:
            return None
        try:
            return self._reader.one(body)
        except codec.CodecError as error:
            self._app.log.warning("catalog-entry-unreadable", error=str(error))
            return None

    def _fault(self, part: str, reason: str, message: str, *, spec: bool = False, event: str = "") -> None:
        if self._app.status.fault_is_new(part, reason):
            self._app.log.error("catalog-fault", reason=reason, message=message)
        self._app.status.fault(part, reason, message, spec=spec, event=event)
        self._app.count("errors")
