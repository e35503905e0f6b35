"""Invented games look like games, and a seed decides all of them."""

from itertools import pairwise
from statistics import mean

import pytest

from services.simulator.world.generate import invent
from services.simulator.world.sports import SPORTS

GAMES = 24


@pytest.fixture(scope="module", params=sorted(SPORTS))
def season(request):
    return SPORTS[request.param], invent(((request.param, GAMES),), 7, 1.0)


def test_a_seed_decides_every_moment_however_many_games_follow(season):
    sport, scripts = season
    assert invent(((sport.name, 3),), 7, 1.0) == scripts[:3]
    assert invent(((sport.name, 3),), 8, 1.0) != scripts[:3]


def test_clocks_and_scores_run_forward_to_one_end(season):
    sport, scripts = season
    for script in scripts:
        moments = script.moments
        assert [moment.status for moment in moments].count("closed") == 1
        assert [moment.status for moment in moments].count("halftime") == 1
        last = moments[-1]
        assert (last.status, last.clock) == ("closed", "00:00")
        assert (last.home_points, last.away_points) == (script.info.home_score, script.info.away_score)
        assert last.quarter >= sport.periods
        if sport.name == "basketball":
            assert last.home_points != last.away_points, "basketball has no ties"
        for before, after in pairwise(moments):
            assert before.offset_ms <= after.offset_ms
            assert before.home_points <= after.home_points
            assert before.away_points <= after.away_points
            earlier, later = sport.time_left(before.quarter, before.clock), sport.time_left(after.quarter, after.clock)
            assert later <= earlier or after.quarter > sport.periods


def test_scores_and_lengths_are_those_of_the_sport(season):
    _, scripts = season
    totals = [script.info.home_score + script.info.away_score for script in scripts]
    lines = [script.info.total_line for script in scripts]
    assert abs(mean(totals) - mean(lines)) < 0.15 * mean(lines)
    hours = [script.moments[-1].offset_ms / 3_600_000 for script in scripts]
    assert 1.8 < mean(hours) < 3.6


def test_favourites_win_about_as_often_as_their_opening_chance_says(season):
    _, scripts = season
    sure = [script for script in scripts if abs(script.opening_chance - 0.5) > 0.1]
    right = [(script.opening_chance > 0.5) == (script.info.home_score > script.info.away_score) for script in sure]
    assert mean(right) > 0.5


def test_no_team_plays_twice_a_day(season):
    _, scripts = season
    days = {}
    for script in scripts:
        teams = days.setdefault(script.info.day, set())
        assert not teams & {script.info.home, script.info.away}
        teams |= {script.info.home, script.info.away}
    assert len({script.info.event_ticker for script in scripts}) == GAMES


def test_chances_start_at_the_line_and_end_at_the_result(season):
    _, scripts = season
    for script in scripts:
        assert abs(script.moments[0].home_chance - script.opening_chance) < 0.15
        last = script.moments[-1]
        wanted = 0.5 if last.home_points == last.away_points else float(last.home_points > last.away_points)
        assert last.home_chance == wanted
