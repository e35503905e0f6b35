from __future__ import annotations

from typing import Any

import pytest

from services.sources.football import parse_football
from services.sources.ports import GameRef, SourceError
from services.sources.process import changed

REF = GameRef("g1", "EV", "H", "A")
LIVE: dict[str, Any] = {
    "status": "inprogress", "widget_status": "live", "home_points": 14, "away_points": "10", "quarter": 2, "clock": "02:31",
    "situation": {"down": 3, "yfd": 7, "yardline": 35, "side_team_id": "A", "possession_team_id": "H", "goal_to_go": False},
    "last_play": {"description": "A run.", "occurence_ts": 5}, "pending_try": False,
}  # fmt: skip


def details(**changes: Any) -> dict[str, Any]:
    found = {**LIVE, **changes}
    return {key: value for key, value in found.items() if value is not ...}


def situation(**changes: Any) -> dict[str, Any]:
    found = {**LIVE["situation"], **changes}
    return details(situation={key: value for key, value in found.items() if value is not ...})


def test_a_live_game():
    state = parse_football("game", REF, LIVE, 77)
    assert (state.source, state.game, state.status, state.received_ms) == ("game", "g1", "live", 77)
    assert (state.home_points, state.away_points, state.period, state.clock_seconds) == (14, 10, 2, 151)
    assert state.seconds_remaining == 2 * 900 + 151
    assert (state.possession, state.down, state.distance, state.yardline) == ("home", 3, 7, 35)
    assert (state.description, state.degraded) == ("A run.", False)


@pytest.mark.parametrize(
    ("wire", "status"),
    [
        ("scheduled", "scheduled"), ("created", "scheduled"), ("live", "live"), ("inprogress", "live"),
        ("in_progress", "live"), ("halftime", "halftime"), ("closed", "final"), ("complete", "final"), ("ended", "final"),
    ],
)  # fmt: skip
def test_status(wire, status):
    assert parse_football("game", REF, details(status=wire), 1).status == status


@pytest.mark.parametrize(
    ("changes", "remaining"),
    [
        ({"quarter": 1, "clock": "15:00"}, 3600),
        ({"quarter": 4, "clock": "00:00"}, 0),
        ({"quarter": "3", "clock": "0:07"}, 907),
        ({"quarter": 5, "clock": "09:59"}, 0),
        ({"status": "halftime", "quarter": 2, "clock": "00:00", "situation": None}, 1800),
        ({"status": "closed", "quarter": 4, "clock": "00:00"}, 0),
        ({"status": "scheduled", "quarter": ..., "clock": ..., "situation": ...}, 3600),
    ],
)
def test_seconds_remaining(changes, remaining):
    assert parse_football("game", REF, details(**changes), 1).seconds_remaining == remaining


@pytest.mark.parametrize(
    ("owner", "side", "yardline", "possession", "to_goal"),
    [("H", "H", 20, "home", 80), ("H", "A", 20, "home", 20), ("A", "A", 1, "away", 99), ("A", "H", 50, "away", 50)],
)
def test_yards_to_the_opponents_goal(owner, side, yardline, possession, to_goal):
    wire = situation(possession_team_id=owner, side_team_id=side, yardline=yardline)
    state = parse_football("game", REF, wire, 1)
    assert (state.possession, state.yardline) == (possession, to_goal)


def test_between_plays_nobody_has_the_ball():
    state = parse_football("game", REF, details(situation=None), 1)
    assert (state.possession, state.down, state.distance, state.yardline) == ("", 0, 0, 0)


def test_a_kick_has_no_down():
    state = parse_football("game", REF, situation(down=None, yfd=None), 1)
    assert (state.possession, state.down, state.distance) == ("home", 0, 0)


@pytest.mark.parametrize(
    ("wire", "field"),
    [
        (details(status=...), "details.status: missing"),
        (details(status="rain delay"), "details.status: 'rain delay'"),
        (details(home_points=...), "details.home_points: missing"),
        (details(home_points=-1), "details.home_points"),
        (details(away_points=True), "details.away_points"),
        (details(away_points="ten"), "details.away_points"),
        (details(away_points=1.0), "details.away_points"),
        (details(quarter=...), "details.quarter: missing"),
        (details(quarter=0), "details.quarter"),
        (details(clock=...), "details.clock: missing"),
        (details(clock="2:61"), "details.clock"),
        (details(clock="15:01"), "details.clock"),
        (details(clock=151), "details.clock"),
        (details(situation=...), "details.situation: missing"),
        (details(situation="none"), "details.situation"),
        (situation(possession_team_id="X"), "details.situation.possession_team_id"),
        (situation(side_team_id=...), "details.situation.side_team_id: missing"),
        (situation(yardline=51), "details.situation.yardline"),
        (situation(down=5), "details.situation.down"),
        (situation(down=...), "details.situation.down: missing"),
        (situation(yfd=...), "details.situation.yfd: missing"),
    ],
)
def test_what_is_missing_or_malformed_is_named(wire, field):
    with pytest.raises(SourceError) as error:
        parse_football("game", REF, wire, 1)
    assert field in str(error.value)
    assert error.value.kind == "BadLiveData"


def test_unknown_fields_are_fine():
    assert parse_football("game", REF, details(is_under_review=True, new_field={"a": 1}), 1).period == 2


def test_time_alone_is_no_change():
    one, two = parse_football("game", REF, LIVE, 1), parse_football("game", REF, LIVE, 2)
    assert not changed(one, two)
    assert changed(one, parse_football("game", REF, details(clock="02:30"), 2))
