"""Bodies of the stream that depend on a market's life, and the hand-written delta."""

import msgspec
import pytest

from services.simulator.engine import lifecycle
from services.simulator.engine.events import BookChange
from services.simulator.engine.model import NewOrder
from services.simulator.faults import Faults
from services.simulator.wire.times import rfc3339
from services.simulator.world.games import find_games
from services.simulator.world.listings import LINEAR_CENT, price_levels
from services.simulator.world.sports import LINES
from services.simulator.world.world import World, WorldSettings
from services.simulator.ws import frames
from services.simulator.ws.connection import Connection
from services.simulator.ws.hub import Hub

START = 1_750_000_000_000
EVENT = "KXNFLGAME-25SEP04DALPHI"


@pytest.fixture
def stage():
    heard = []
    settings = WorldSettings(lines=LINES, makers=0, list_every_s=5.0)
    games = find_games("2025_01_DAL_PHI,2025_01_KC_LAC")
    world = World(settings, games, START, lambda event: [hear(event) for hear in heard])
    hub = Hub(world.events, world.listings)
    heard.append(hub.on_event)
    account = world.exchange.add_account("one", 10**10)
    connection = Connection(account, "one", Faults())
    hub.connections.append(connection)
    found = connection.open("market_lifecycle_v2", None)
    assert found.sequenced
    return world, account, connection


def told(connection):
    return [msgspec.json.decode(frame) for frame in connection.take()]


def test_a_game_listed_later_is_announced_with_all_its_markets(stage):
    world, _, connection = stage
    world.advance(START + 4_900)
    assert told(connection) == []
    world.advance(START + 5_100)
    found = told(connection)
    assert [frame["seq"] for frame in found] == list(range(1, len(found) + 1))
    events = [frame["msg"]["event_ticker"] for frame in found if frame["type"] == "event_lifecycle"]
    assert events == [f"{name}-25SEP05KCLAC" for name in ("KXNFLGAME", "KXNFLSPREAD", "KXNFLTOTAL")]
    created = [frame["msg"] for frame in found if frame["type"] == "market_lifecycle_v2"]
    assert {msg["event_type"] for msg in created} == {"created"}
    assert len(created) == len(world.listings) - 9
    spread = next(msg for msg in created if msg["market_ticker"].startswith("KXNFLSPREAD"))
    assert spread["open_ts"] == (START + 5_000) // 1000
    assert spread["price_level_structure"] == "linear_cent"
    assert spread["additional_metadata"]["floor_strike"] % 1 == 0.5
    assert set(spread["additional_metadata"]) >= {
        "name", "title", "yes_sub_title", "no_sub_title", "rules_primary", "rules_secondary", "can_close_early",
        "event_ticker", "expected_expiration_ts", "strike_type",
    }  # fmt: skip


def test_every_change_of_a_markets_life(stage):
    world, _, connection = stage
    market, now = world.exchange.markets[f"{EVENT}-PHI"], START + 1_000
    exchange = world.exchange
    lifecycle.deactivate(exchange, market, now)
    lifecycle.reactivate(exchange, market, now)
    lifecycle.regrid(exchange, market, ((0, 1_000, 10), (1_000, 9_000, 100), (9_000, 10_000, 10)), now)
    lifecycle.move_close(exchange, market, now + 60_000, now)
    lifecycle.close(exchange, market, now + 1_000)
    lifecycle.determine(exchange, market, 10_000, now + 2_000)
    lifecycle.dispute(exchange, market, now + 3_000)
    lifecycle.amend_result(exchange, market, 0, now + 4_000)
    lifecycle.settle(exchange, market, now + 5_000)
    found = [frame["msg"] for frame in told(connection)]
    assert [msg["event_type"] for msg in found] == [
        "deactivated", "activated", "price_level_structure_updated", "close_date_updated", "close_date_updated",
        "determined", "settled",
    ]  # fmt: skip
    assert [msg.get("is_deactivated") for msg in found[:2]] == [True, False]
    assert (found[2]["price_level_structure"], len(found[2]["price_ranges"])) == ("tapered_deci_cent", 3)
    assert [msg["close_ts"] for msg in found[3:5]] == [(now + 60_000) // 1000, (now + 1_000) // 1000]
    assert (found[5]["result"], found[5]["settlement_value"]) == ("yes", "1.0000")


@pytest.mark.parametrize("use_yes_price", [False, True])
@pytest.mark.parametrize("side", ["bid", "ask"])
def test_the_handwritten_delta_is_json_like_any_other(stage, side, use_yes_price):
    world, account, _ = stage
    market = world.exchange.markets[f"{EVENT}-PHI"]
    name = 'quote"\\ünd\n'
    new = NewOrder(market.ticker, side, 4200, 777, "good_till_canceled", client_order_id=name)
    order = world.exchange.create(account, new, START).order
    change = BookChange(market, side, 4200, -777, order, START + 123)
    price = "0.4200" if side == "bid" or use_yes_price else "0.5800"
    wanted = {
        "market_ticker": market.ticker, "market_id": market.market_id, "price_dollars": price, "delta_fp": "-7.77",
        "side": "yes" if side == "bid" else "no", "ts": rfc3339(START + 123), "ts_ms": START + 123,
    }  # fmt: skip
    assert msgspec.json.decode(frames.delta(change, use_yes_price=use_yes_price)) == wanted
    own = msgspec.json.decode(frames.own_delta(change, use_yes_price=use_yes_price))
    assert own == wanted | {"client_order_id": name, "subaccount": 0}


def test_price_levels_name_the_structure():
    assert price_levels(LINEAR_CENT) == {
        "price_level_structure": "linear_cent",
        "price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}],
    }
    assert price_levels(((0, 5_000, 100), (5_000, 10_000, 10)))["price_level_structure"] == ""
