"""A whole game in virtual time."""

import msgspec
import pytest

from services.simulator.engine.events import BookChange, Traded
from services.simulator.engine.model import DOLLAR
from services.simulator.world.games import find_games
from services.simulator.world.timeline import Moment
from services.simulator.world.world import World, WorldSettings

START = 1_750_000_000_000
GAME = "KXNFLGAME-25SEP04DALPHI"


def public(events):
    """The public frames' content, ids included."""
    found = []
    for event in events:
        if isinstance(event, BookChange):
            found.append((event.market.ticker, event.side, event.price, event.delta, event.ts_ms))
        elif isinstance(event, Traded):
            found.append((msgspec.structs.astuple(event.trade),))
    return found


def play(seconds, *, step_ms=100, seed=1, games=GAME):
    events = []
    world = World(WorldSettings(seed=seed), find_games(games), START, events.append)
    for now in range(START, START + round(seconds * 1000) + 1, step_ms):
        world.advance(now)
    return world, events


@pytest.fixture(scope="module")
def finished():
    return play(270, step_ms=500)


def test_same_seed_same_world_whatever_the_step():
    first = public(play(30)[1])
    assert len(first) > 500
    assert first == public(play(30, step_ms=37)[1])[: len(first)]
    assert first != public(play(30, seed=2)[1])


def test_another_game_changes_nothing_of_this_one():
    def of_this(events):
        return [row[:5] for row in public(events) if GAME in row[0]]

    assert of_this(play(15)[1]) == of_this(play(15, games=f"{GAME},2025_01_BAL_BUF")[1])


def test_trades_exist_before_kickoff():
    world, events = play(10)
    kickoff = next(iter(world.games.values())).kickoff_ms
    assert kickoff == START + 12_000
    assert any(isinstance(event, Traded) for event in events)
    home = world.exchange.markets[f"{GAME}-PHI"]
    bid, ask = home.book.best_bid(), home.book.best_ask()
    assert bid is not None
    assert ask is not None
    assert bid.price <= 7698 + 400
    assert ask.price >= 7698 - 400
    assert 100 <= ask.price - bid.price <= 600


def test_flow_is_busy_but_not_a_flood(finished):
    _, events = finished
    rate = len(public(events)) / 250
    assert 10 <= rate <= 80


def test_prices_follow_the_recorded_number():
    errors = []
    events = []
    world = World(WorldSettings(), find_games(GAME), START, events.append)
    home = world.exchange.markets[f"{GAME}-PHI"]
    game = world.games[GAME]
    for second in range(2, 240):
        world.advance(START + second * 1000)
        bid, ask = home.book.best_bid(), home.book.best_ask()
        if bid is not None and ask is not None:
            errors.append(abs((bid.price + ask.price) / 2 / DOLLAR - game.now.home_chance))
    assert len(errors) > 200
    assert sum(errors) / len(errors) < 0.06
    assert max(errors) > 0.02, "the makers learn late: a world without error would be no test"


def test_end_of_the_game(finished):
    world, events = finished
    home, away = world.exchange.markets[f"{GAME}-PHI"], world.exchange.markets[f"{GAME}-DAL"]
    assert (home.status, home.result, home.settlement_value) == ("finalized", "yes", DOLLAR)
    assert (away.status, away.result, away.settlement_value) == ("finalized", "no", 0)
    changes = [
        event.change
        for event in events
        if hasattr(event, "market") and hasattr(event, "change") and event.market is home
    ]
    assert changes == ["activated", "closed", "determined", "settled"]
    accounts = world.exchange.accounts.values()
    assert sum(account.cash for account in accounts) + world.exchange.fees_collected == sum(
        account.deposited for account in accounts
    )
    assert not any(account.orders for account in accounts), "the flow keeps nothing"


def test_a_tie_pays_half():
    events = []
    world = World(WorldSettings(), find_games(GAME), START, events.append)
    game = world.games[GAME]
    tie = Moment(0, "closed", 5, "00:00", 20, 20, None, "END GAME", pending_try=False, home_chance=0.5)
    world.schedule.at(START + 5_000, lambda at: _tie(world, game, tie, at))
    world.advance(START + 20_000)
    for market in game.markets.values():
        assert (market.result, market.settlement_value) == ("scalar", DOLLAR // 2)


def _tie(world, game, tie, at):
    game.now = tie
    world._close(game, at)


def test_time_never_goes_back():
    world, _ = play(1)
    now = world.now_ms
    assert world.advance(now - 500) == now
