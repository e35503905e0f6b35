"""A world that plays a recording without sockets."""

from types import SimpleNamespace

import pytest

from services.simulator.engine.model import NewOrder
from services.simulator.faults import Faults
from services.simulator.replay.exchange import RecordedExchange
from services.simulator.replay.player import Replay, ReplaySettings
from services.simulator.replay.tape import load
from services.simulator.world.world import World, WorldSettings
from services.simulator.ws.connection import Connection
from services.simulator.ws.hub import Hub
from tests.unit.services.simulator.replay.recording import INDEX, MARKET_A, MARKET_B, START, A, B, write


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "recording", {A: MARKET_A, B: MARKET_B}, INDEX)


@pytest.fixture
def stage(folder):
    """``stage(speed=…)`` gives world, replay, hub, an account and ``connect``."""

    def build(path=folder, **settings):
        events = []
        heard = [events.append]
        world = World(
            WorldSettings(exchange=RecordedExchange), [], START, lambda event: [hear(event) for hear in heard]
        )
        replay = Replay(load(path), world, ReplaySettings(**({"wait_s": 1.0} | settings)))
        hub = Hub(world.events, world.listings, replay)
        heard.append(hub.on_event)
        replay.heard_by.append(hub.on_recorded)
        account = world.exchange.add_account("one", 10**9)
        other = world.exchange.add_account("two", 10**9)

        def connect(*channels, markets=(A, B), use_yes_price=False):
            connection = Connection(account, "one", Faults())
            hub.connections.append(connection)
            for channel in channels:
                found = connection.open(channel, None if markets is None else dict.fromkeys(markets))
                found.use_yes_price = use_yes_price
                found.verbatim = hub.verbatim(found)
                for ticker in found.markets or () if channel == "orderbook_delta" else ():
                    if hub.has_book(world.exchange.markets[ticker]):
                        hub.snapshot(connection, found, world.exchange.markets[ticker])
            return connection

        def order(side, cents, count, tif="immediate_or_cancel", who=account, **rest):
            new = NewOrder(A, side, cents * 100, count * 100, tif, **rest)
            return world.exchange.create(who, new, world.now_ms)

        return SimpleNamespace(
            world=world, replay=replay, hub=hub, account=account, other=other, events=events, connect=connect, order=order,
            exchange=world.exchange, at=lambda seconds: world.advance(START + 1000 + round(seconds * 1000)),
        )  # fmt: skip

    return build
