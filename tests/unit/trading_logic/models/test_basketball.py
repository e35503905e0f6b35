from __future__ import annotations

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.simulator.world.generate import invent
from tests.unit.trading_logic.models.sides import from_the_other_side, p
from trading_logic.models.basketball import game_state
from trading_logic.models.facts import GameFacts
from trading_logic.models.outlook import WHOLE_GAME, above
from trading_logic.refusal import Refusal


def facts(home=0, away=0, period=1, clock=720, prior=500_000, status="live", **more):
    remaining = max(0, 4 - period) * 720 + (clock if period <= 4 else 0)
    return GameFacts("basketball", status, home, away, period, clock, remaining, prior_home=prior, **more)


@st.composite
def games(draw):
    period = draw(st.integers(1, 6))
    return facts(
        draw(st.integers(0, 150)),
        draw(st.integers(0, 150)),
        period,
        draw(st.integers(0, 720 if period <= 4 else 300)),
        draw(st.integers(1_000, 999_000)),
        possession=draw(st.sampled_from(["", "home", "away"])),
        prior_total=draw(st.integers(15_000, 28_000)),
        line=draw(st.sampled_from(["winner", "spread"])),
        strike=draw(st.integers(-30, 30)) * 100 + 50,
    )


@given(games())
def test_the_away_team_sees_the_same_game_from_the_other_side(game):
    assert p(game) + p(from_the_other_side(game)) == pytest.approx(1_000_000, abs=2)


@given(games(), st.integers(1, 20))
def test_points_and_the_ball_help_the_home_team(game, points):
    assume(game.clock_seconds or game.seconds_remaining)  # at the end a tie is an overtime, which a point ends
    assert p(msgspec.structs.replace(game, home_points=game.home_points + points)) >= p(game)
    assert p(msgspec.structs.replace(game, possession="home")) >= p(msgspec.structs.replace(game, possession="away"))


@given(games(), st.integers(0, 300))
def test_a_total_only_grows(game, strike):
    # A basket for each: the same lead, so the same time to play.
    asked = msgspec.structs.replace(game, line="total", strike=strike * 100 + 50)
    more = msgspec.structs.replace(asked, home_points=game.home_points + 2, away_points=game.away_points + 2)
    assert p(more) >= p(asked)


@pytest.mark.parametrize("prior", [1_000, 300_000, 500_000, 999_000])
def test_before_and_at_the_start_the_prior_is_the_answer(prior):
    assert p(facts(prior=prior, status="scheduled")) == prior
    assert p(facts(prior=prior)) == pytest.approx(prior, abs=2_000)


def test_a_tie_at_the_end_of_a_period_is_an_overtime():
    assert p(facts(100, 100, 4, 0, prior=700_000)) == p(facts(100, 100, 5, 300, prior=700_000))
    assert p(facts(110, 110, 5, 0, prior=700_000)) == p(facts(110, 110, 6, 300, prior=700_000))
    assert p(facts(101, 100, 4, 0)) < 1_000_000


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"period": 0}, "period"), ({"clock_seconds": 721}, "clockSeconds"), ({"seconds_remaining": 1}, "secondsRemaining"),
        ({"home_points": -1}, "homePoints"), ({"away_points": 1_001}, "awayPoints"), ({"prior_home": None}, "prior"),
        ({"prior_home": 10}, "prior"), ({"line": "total"}, "priorTotal"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_the_fact_that_is_wrong(change, rule):
    refusal = game_state(msgspec.structs.replace(facts(), **change))
    assert isinstance(refusal, Refusal)
    assert refusal.rule == rule


def told(count):
    """(line, fair value, constant prior, result) of every moment of invented games."""
    spread = WHOLE_GAME["basketball"]
    for script in invent((("basketball", count),), 7, 1.0):
        info = script.info
        ends = {"winner": info.home_score - info.away_score, "spread": info.home_score - info.away_score}
        ends["total"] = info.home_score + info.away_score
        strikes = {"winner": 0, "spread": int(info.spread_line) * 100 + 50, "total": int(info.total_line) * 100 + 50}
        prior = min(999_000, max(1_000, above(info.spread_line, spread.lead, 0)))
        for moment in script.moments:
            if moment.status == "closed":
                continue
            minutes, seconds = moment.clock.split(":")
            now = facts(
                moment.home_points,
                moment.away_points,
                moment.quarter,
                int(minutes) * 60 + int(seconds),
                prior,
                possession={info.home: "home", info.away: "away", "": ""}[moment.possession],
                prior_total=round(info.total_line * 100),
            )
            start = msgspec.structs.replace(facts(prior=prior, status="scheduled"), prior_total=now.prior_total)
            for line, strike in strikes.items():
                asked = {"line": line, "strike": strike}
                said, before = (p(msgspec.structs.replace(one, **asked)) / 1e6 for one in (now, start))
                yield line, said, before, float(ends[line] * 100 > strike)


def test_calibration_on_invented_games():
    rows = list(told(40))
    for line in ("winner", "spread", "total"):
        part = [row for row in rows if row[0] == line]
        model, prior = (sum((row[i] - row[3]) ** 2 for row in part) / len(part) for i in (1, 2))
        print(
            f"\nBrier score of {line} on {len(part):,} moments of 40 invented games: model {model:.4f}, prior {prior:.4f}"
        )
        assert model < 0.85 * prior
