"""Winner, spread and total markets of one game: names, strikes, payouts."""

import pytest

from services.simulator.engine.model import DOLLAR
from services.simulator.world.catalogue import final_word, open_game
from services.simulator.world.games import find_games, list_games, load_plays
from services.simulator.world.live import live_details
from services.simulator.world.sports import LINES
from services.simulator.world.timeline import build, team_id
from services.simulator.world.world import World, WorldSettings

START = 1_750_000_000_000


def listed(game_id="2025_01_DAL_PHI"):
    info = find_games(game_id)[0]
    plays = load_plays(info)
    return open_game(
        info, build(info, plays, 60.0), 0.77, start_ms=START, kickoff_ms=START, speed=60.0, settlement_s=5, lines=LINES
    )


def test_tickers_strikes_and_words():
    game = listed()
    assert list(game.events) == [f"{name}-25SEP04DALPHI" for name in ("KXNFLGAME", "KXNFLSPREAD", "KXNFLTOTAL")]
    assert {ticker: found.floor_strike for ticker, found in game.listings.items()} == {
        "KXNFLGAME-25SEP04DALPHI-DAL": None,
        "KXNFLGAME-25SEP04DALPHI-PHI": None,
        "KXNFLSPREAD-25SEP04DALPHI-PHI6": 5.5,
        "KXNFLSPREAD-25SEP04DALPHI-PHI9": 8.5,
        "KXNFLSPREAD-25SEP04DALPHI-PHI12": 11.5,
        "KXNFLSPREAD-25SEP04DALPHI-DAL3": 2.5,
        "KXNFLTOTAL-25SEP04DALPHI-41": 40.5,
        "KXNFLTOTAL-25SEP04DALPHI-48": 47.5,
        "KXNFLTOTAL-25SEP04DALPHI-55": 54.5,
    }
    spread = game.listings["KXNFLSPREAD-25SEP04DALPHI-PHI9"]
    assert (spread.yes_sub_title, spread.strike_type) == ("Philadelphia wins by over 8.5 points", "greater")
    assert spread.custom_strike == {"football_team": team_id("PHI")}
    assert game.events["KXNFLGAME-25SEP04DALPHI"].mutually_exclusive
    assert not game.events["KXNFLTOTAL-25SEP04DALPHI"].mutually_exclusive


@pytest.mark.parametrize(
    ("points", "paid"),
    [
        ((24, 20), {"GAME-PHI", "TOTAL-41"}),
        ((30, 20), {"GAME-PHI", "SPREAD-PHI6", "SPREAD-PHI9", "TOTAL-41", "TOTAL-48"}),
        ((20, 23), {"GAME-DAL", "SPREAD-DAL3", "TOTAL-41"}),
        ((20, 22), {"GAME-DAL", "TOTAL-41"}),
        ((20, 20), set()),
    ],
)
def test_payouts(points, paid):
    game = listed()
    found = {
        f"{ticker.split('-')[0].removeprefix('KXNFL')}-{ticker.rsplit('-', 1)[1]}"
        for ticker, listing in game.listings.items()
        if listing.pays(*points) == DOLLAR
    }
    assert found == paid
    halves = [ticker for ticker, listing in game.listings.items() if listing.pays(*points) == DOLLAR // 2]
    assert len(halves) == (2 if points[0] == points[1] else 0)


def test_the_flows_values_are_chances_that_order_by_strike_and_end_at_the_payout():
    game = listed()
    for moment in game.moments:
        seen = game.outlook(moment)
        values = {ticker: found.fair(seen) for ticker, found in game.listings.items()}
        assert all(0.0 <= value <= 1.0 for value in values.values())
        for rising in (("SPREAD", "PHI12", "PHI9", "PHI6"), ("TOTAL", "55", "48", "41")):
            chain = [values[f"KXNFL{rising[0]}-25SEP04DALPHI-{name}"] for name in rising[1:]]
            assert chain == sorted(chain)
        assert values["KXNFLSPREAD-25SEP04DALPHI-PHI6"] <= values["KXNFLGAME-25SEP04DALPHI-PHI"] + 0.05
    last = game.moments[-1]
    for listing in game.listings.values():
        if listing.floor_strike is not None:
            assert listing.fair(game.outlook(last)) * DOLLAR == listing.pays(last.home_points, last.away_points)


@pytest.mark.parametrize("info", list_games(), ids=lambda info: info.game_id)
def test_every_shipped_game_settles_all_its_markets_from_the_recorded_score(info):
    world = World(WorldSettings(lines=LINES, speed=3600.0, makers=0), [info], START, lambda _: None)
    world.advance(START + 60_000)
    game = world.games[info.event_ticker]
    assert len(world.listings) >= 8
    for listing in game.listings.values():
        market = listing.market
        assert (market.status, market.settlement_value) == (
            "finalized", listing.pays(info.home_score, info.away_score)
        )  # fmt: skip
        assert world.game_of(market) is game
    total = next(listing for listing in game.listings.values() if "TOTAL" in listing.market.ticker)
    assert total.expiration_value == str(info.home_score + info.away_score)
    assert final_word(game, next(iter(game.listings.values()))) in {*info.sport.cities.values(), "Tie"}


def test_listing_more_changes_nothing_in_the_winners_market():
    def trades(lines):
        world = World(WorldSettings(lines=lines), find_games("2025_01_DAL_PHI"), START, lambda _: None)
        for now in range(START, START + 20_000, 250):
            world.advance(now)
        return [
            (trade.ticker, trade.price, trade.count, trade.taker_side, trade.ts_ms)
            for trade in world.exchange.trades
            if trade.ticker.startswith("KXNFLGAME")
        ]

    first = trades(("winner",))
    assert len(first) > 20
    assert first == trades(LINES)


def test_basketball_live_data_has_the_recorded_members():
    world = World(WorldSettings(generate=(("basketball", 1),), speed=60.0, makers=0), [], START, lambda _: None)
    game = next(iter(world.games.values()))
    assert live_details(game)["status"] == "scheduled"
    world.advance(START + 30_000)
    details = live_details(game)
    assert set(details) >= {
        "away_points", "home_points", "last_event_created_ts", "last_event_is_timeout", "last_updated_ts", "period",
        "period_remaining_time", "period_type", "possession", "score_last_updated_ts", "status", "widget_status",
        "winner",
    }  # fmt: skip
    assert details["possession"] in {"home", "away"}
    assert details["widget_status"] == "live"
    assert details["period_remaining_time"][0] != "0" or details["period_remaining_time"].startswith("0:")
