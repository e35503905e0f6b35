"""The catalog's slate on a real bus: what is listed, what is followed, and what cannot be traded but must be seen to end."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import structlog

from services.catalog.process import Catalog
from services.exchange.errors import TemporaryError
from services.exchange.models import ExchangeStatus, MarketStatus
from services.runtime.health import Status
from services.runtime.store import Store
from tests.unit.services.catalog.test_entry import EV, EVENT, SERIES, START, milestone
from trading_logic.contracts import codec, topics
from trading_logic.contracts.messages import Slate

OTHER = "KXNFLGAME-25SEP05KCLAC"
NAMES = topics.MarketDataTopics("t", "simulator")


class Exchange:
    """One series of two events, as the exchange would list them."""

    def __init__(self) -> None:
        other = msgspec.structs.replace(EVENT, event_ticker=OTHER, markets=[])
        self.events = {EV: EVENT, OTHER: other}
        self.games = [milestone(), milestone(id="game-2", related_event_tickers=[OTHER])]
        self.away = False

    async def exchange_status(self) -> ExchangeStatus:
        return ExchangeStatus(exchange_active=True, trading_active=True)

    async def event(self, ticker: str) -> Any:
        return self.events[ticker]

    async def series(self, _ticker: str) -> Any:
        return SERIES

    async def milestones(self, *, related_event_ticker: str) -> Any:
        return [game for game in self.games if related_event_ticker in game.related_event_tickers]

    async def trades(self, *_args: Any, **_options: Any) -> Any:
        return []

    async def open_events(self, _series: str) -> Any:
        if self.away:
            raise TemporaryError("GET /events: no answer")
        listed = [e for e in self.events.values() if not e.markets or e.markets[0].status is MarketStatus.ACTIVE]
        return listed, self.games


@pytest.fixture
async def scene(redis_url):
    bus = Store(redis_url, "bus")
    config = SimpleNamespace(
        namespace="t", feed="simulator", events=(EV,), series=("KXNFLGAME",), exchange=SimpleNamespace(rest_url="http://x")
    )  # fmt: skip
    app = SimpleNamespace(
        config=config, bus=bus, clock=SimpleNamespace(wall_ms=lambda: START - 5), status=Status(),
        log=structlog.get_logger(), count=lambda *_: None,
    )  # fmt: skip
    exchange = Exchange()
    catalog = Catalog(app, exchange)

    async def slate() -> Slate | None:
        body = await bus.client.get(NAMES.slate("KXNFLGAME"))
        return None if body is None else codec.Reader(Slate).one(body)

    yield SimpleNamespace(catalog=catalog, exchange=exchange, slate=slate, bus=bus, app=app)
    await bus.close()


def states(slate: Slate | None) -> dict[str, str]:
    assert slate is not None
    return {one.event: one.state for one in slate.events}


async def test_open_events_are_listed_with_a_time_to_live(scene):
    assert await scene.catalog.poll()
    assert states(await scene.slate()) == {EV: "open", OTHER: "open"}
    assert 0 < await scene.bus.client.pttl(NAMES.slate("KXNFLGAME")) <= topics.SLATE_TTL_MS


async def test_a_followed_event_that_is_settled_stays_and_says_so(scene):
    over = [msgspec.structs.replace(market, status=MarketStatus.FINALIZED) for market in EVENT.markets]
    scene.exchange.events[EV] = msgspec.structs.replace(EVENT, markets=over)
    assert await scene.catalog.poll()
    assert states(await scene.slate()) == {EV: "over", OTHER: "open"}


async def test_an_event_that_cannot_be_traded_is_still_seen_to_end(scene):
    odd = [msgspec.structs.replace(m, status=MarketStatus.FINALIZED, strike_type="functional") for m in EVENT.markets]
    scene.exchange.events[EV] = msgspec.structs.replace(EVENT, markets=odd)
    assert not await scene.catalog.poll()
    assert states(await scene.slate())[EV] == "over"


async def test_a_list_that_does_not_come_writes_nothing(scene):
    scene.exchange.away = True
    assert not await scene.catalog.poll()
    assert await scene.slate() is None
    scene.exchange.away = False
    assert await scene.catalog.poll()
    assert await scene.slate() is not None
