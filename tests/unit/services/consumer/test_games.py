from __future__ import annotations

import msgspec

from services.consumer.games import Games
from trading_logic.contracts import codec
from trading_logic.contracts.messages import GameState

STATE = GameState(
    source="a", game="g", sport="football", status="live", home_points=0, away_points=0, period=1, clock_seconds=900,
    seconds_remaining=3_600, possession="home", down=1, distance=10, yardline=75, description="", received_ms=10_000,
)  # fmt: skip


def known(**states: GameState) -> Games:
    games = Games(("a", "b"))
    for source, state in states.items():
        games.put(source, "g", codec.encode(msgspec.structs.replace(state, source=source)))
    return games


def test_the_first_source_wins_while_it_is_alive() -> None:
    assert known(a=STATE, b=STATE).best(10_500).source == "a"


def test_a_degraded_or_late_source_gives_way_to_one_that_knows_the_game_now() -> None:
    cached = msgspec.structs.replace(STATE, degraded=True)
    assert known(a=cached, b=STATE).best(10_500).source == "b"
    late = msgspec.structs.replace(STATE, received_ms=4_000)
    assert known(a=late, b=STATE).best(10_500).source == "b"


def test_cached_is_better_than_nothing_and_the_first_one_then() -> None:
    cached = msgspec.structs.replace(STATE, degraded=True)
    assert known(a=cached, b=cached).best(10_500).source == "a"
    assert known(a=cached).best(60_000).degraded
    assert Games(("a",)).best(0) is None
