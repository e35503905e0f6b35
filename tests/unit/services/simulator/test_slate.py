from __future__ import annotations

import pytest

from services.simulator.__main__ import at_once, invented_of, parser, with_slate
from services.simulator.world.games import find_games, lines_named
from services.simulator.world.world import World, WorldSettings

NAMED = "KXNFLSPREAD-25SEP07BALBUF"


def test_a_game_is_found_by_any_of_its_events_and_their_lines_are_listed():
    assert find_games(NAMED) == find_games("KXNFLGAME-25SEP07BALBUF")
    assert lines_named(NAMED) == ("winner", "spread")
    assert lines_named("2025_01_DAL_PHI", ["KXNFLTOTAL"]) == ("winner", "total")


def test_a_slate_brings_further_games_and_says_how_many_at_once():
    slate = parser().parse_args(["--slate", "KXNFLGAME:2:3,KXNFLTOTAL:1:1,KXNBAGAME:1:2"]).slate
    games = with_slate(find_games(NAMED), slate)
    assert len(games) == 4
    assert games[0].event_ticker == "KXNFLGAME-25SEP07BALBUF"
    assert invented_of(slate) == (("basketball", 2),)
    assert at_once(slate, games) == {"football": 3, "basketball": 1}
    assert at_once((), games) == {}


@pytest.mark.parametrize(
    "text", ["KXNFLGAME", "KXNFLGAME:1", "KXNFLGAME:3:2", "KXNFLGAME:0:2", "KXNFLGAME:1:17", "KXX:1:1", "KXNFLGAME:a:b"]
)
def test_a_slate_that_cannot_be_is_refused(text, capsys):
    with pytest.raises(SystemExit):
        parser().parse_args(["--slate", text])
    assert "wanted series:at the start:in all" in capsys.readouterr().err


def test_games_beyond_those_at_once_are_listed_one_after_the_other():
    games = find_games("2025_01_DAL_PHI,2025_01_KC_LAC,2025_01_BAL_BUF,2025_01_TB_ATL")
    settings = WorldSettings(list_every_s=10.0, at_once={"football": 2}, makers=0)
    world = World(settings, games, 1_000_000, lambda _: None)
    seen = []
    for seconds in (0, 9, 10, 19, 20):
        world.advance(1_000_000 + seconds * 1_000)
        seen.append(len(world.games))
    assert seen == [2, 2, 3, 3, 4]
