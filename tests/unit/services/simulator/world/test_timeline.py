"""Recorded games become moments in compressed time."""

from itertools import pairwise

import pytest

from services.simulator.world.games import find_games, list_games, load_plays
from services.simulator.world.timeline import build

SPEED = 60.0
CORRECTION_S = 15
"""Officials set a recorded game clock back by up to a few seconds."""


@pytest.mark.parametrize("game", list_games(), ids=lambda game: game.game_id)
def test_every_shipped_game_runs_forward_to_its_final_score(game):
    moments = build(game, load_plays(game), SPEED)
    offsets = [moment.offset_ms for moment in moments]
    assert offsets == sorted(offsets)
    assert offsets[0] == 0
    assert 150_000 < offsets[-1] < 300_000
    last = moments[-1]
    assert (last.status, last.clock) == ("closed", "00:00")
    assert (last.home_points, last.away_points) == (game.home_score, game.away_score)
    assert [moment.status for moment in moments].count("closed") == 1
    assert any(moment.status == "halftime" for moment in moments)
    for before, after in pairwise(moments):
        assert after.home_points >= before.home_points
        assert after.away_points >= before.away_points
        assert after.quarter >= before.quarter
        if after.quarter == before.quarter:
            assert _left(after.clock) - _left(before.clock) <= CORRECTION_S


def _left(clock):
    minutes, seconds = clock.split(":")
    return int(minutes) * 60 + int(seconds)


def test_a_score_is_shown_when_its_play_has_ended():
    game = find_games("2025_01_DAL_PHI")[0]
    moments = build(game, load_plays(game), SPEED)
    touchdown = next(index for index, moment in enumerate(moments) if moment.away_points == 6)
    before, after = moments[touchdown - 1], moments[touchdown]
    assert before.away_points == 0
    assert before.situation is not None
    assert (before.situation.possession, before.situation.down, before.situation.goal_to_go) == ("DAL", 1, True)
    assert "TOUCHDOWN" in after.last_play
    assert after.pending_try
    # 00:30:57.113 to 00:30:59.247 UTC, kickoff 00:23:01.813
    assert after.offset_ms == round((7 * 60 + 57.434) * 1000 / SPEED)


def test_speed_scales_every_offset():
    game = find_games("KXNFLGAME-25SEP04DALPHI")[0]
    plays = load_plays(game)
    for fast, slow in zip(build(game, plays, 120.0), build(game, plays, 60.0), strict=True):
        assert abs(2 * fast.offset_ms - slow.offset_ms) <= 2


def test_games_are_found_by_both_names():
    assert find_games("2025_01_DAL_PHI") == find_games("KXNFLGAME-25SEP04DALPHI")
    assert len(find_games("all")) == 16
    with pytest.raises(LookupError, match="KXNFLGAME-NOPE"):
        find_games("2025_01_DAL_PHI,KXNFLGAME-NOPE")
