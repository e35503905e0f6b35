from __future__ import annotations

from typing import Any

import pytest

from services.simulator.world.catalogue import open_game
from services.simulator.world.generate import invent
from services.simulator.world.live import live_details
from services.sources.basketball import parse_basketball
from services.sources.ports import GameRef, SourceError
from trading_logic.models.facts import GameFacts, ModelNumber
from trading_logic.models.registry import model

REF = GameRef("g1", "EV", "H", "A")
LIVE: dict[str, Any] = {
    "status": "inprogress", "widget_status": "live", "home_points": 56, "away_points": 67, "period": 2,
    "period_type": "quarter", "period_remaining_time": "2:27", "possession": "home", "winner": "",
}  # fmt: skip


def details(**changes: Any) -> dict[str, Any]:
    return {key: value for key, value in {**LIVE, **changes}.items() if value is not ...}


def test_a_live_game_as_the_exchange_showed_one():
    state = parse_basketball("game", REF, LIVE, 77)
    assert (state.sport, state.status, state.home_points, state.away_points) == ("basketball", "live", 56, 67)
    assert (state.period, state.clock_seconds, state.seconds_remaining) == (2, 147, 2 * 720 + 147)
    assert (state.possession, state.down, state.description, state.received_ms) == ("home", 0, "", 77)


@pytest.mark.parametrize(
    ("changes", "remaining"),
    [
        ({"period": 1, "period_remaining_time": "12:00"}, 2_880),
        ({"period": 4, "period_remaining_time": "0:00"}, 0),
        ({"period": 5, "period_type": "overtime", "period_remaining_time": "5:00"}, 0),
        ({"status": "closed", "possession": ...}, 0),
        (
            {"status": "scheduled", "period": ..., "period_type": ..., "period_remaining_time": ..., "possession": ...},
            2_880,
        ),
    ],
)
def test_seconds_remaining(changes, remaining):
    assert parse_basketball("game", REF, details(**changes), 1).seconds_remaining == remaining


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"status": "delayed"}, "status"), ({"status": ...}, "status"), ({"home_points": -1}, "home_points"),
        ({"away_points": ...}, "away_points"), ({"period": 0}, "period"), ({"period": True}, "period"),
        ({"period_type": "half"}, "period_type"), ({"period_type": ...}, "period_type"),
        ({"period": 5}, "period_type"), ({"period_remaining_time": "12:01"}, "period_remaining_time"),
        ({"period_remaining_time": 147}, "period_remaining_time"), ({"period_remaining_time": ...}, "period_remaining_time"),
        ({"period": 5, "period_type": "overtime", "period_remaining_time": "5:01"}, "period_remaining_time"),
        ({"possession": "H"}, "possession"), ({"possession": ...}, "possession"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named(changes, field):
    with pytest.raises(SourceError, match=rf"details\.{field}") as error:
        parse_basketball("game", REF, details(**changes), 1)
    assert error.value.kind == "BadLiveData"


def test_a_whole_simulated_game_is_read_and_priced():
    (script,) = invent((("basketball", 1),), 3, 60.0)
    game = open_game(
        script.info, script.moments, script.opening_chance, start_ms=0, kickoff_ms=1, speed=60.0, settlement_s=5,
        lines=("winner",),
    )  # fmt: skip
    statuses = set()
    for moment in script.moments:
        game.now = moment
        state = parse_basketball("game", REF, live_details(game), 1)
        statuses.add(state.status)
        facts = GameFacts(
            state.sport, state.status, state.home_points, state.away_points, state.period, state.clock_seconds,
            state.seconds_remaining, state.possession, prior_home=600_000,
        )  # fmt: skip
        assert isinstance(model("game-state")(facts), ModelNumber)
    assert statuses == {"live", "halftime", "final"}
