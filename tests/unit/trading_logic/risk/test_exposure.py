import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trading_logic.risk.exposure import (
    PayoffError,
    Position,
    Question,
    game_loss,
    game_payoffs,
    market_loss,
    payout,
    portfolio_loss,
    yes_payoff,
)

WINNER = game_payoffs({"HOME": Question("winner", "home", 0), "AWAY": Question("winner", "away", 0)})
counts = st.integers(-10_000, 10_000)
costs = st.integers(0, 10**9)


@given(counts, costs)
def test_a_market_can_lose_all_it_cost_and_no_more(count, cost):
    assert market_loss(Position("M", count, cost)) == cost


@given(counts, st.integers(0, 10_000))
def test_yes_and_no_of_one_contract_pay_a_dollar_together(count, payoff):
    assert payout(count, payoff) + payout(-count, payoff) == abs(count) * 10_000


@given(counts, costs, counts, costs)
def test_a_game_loses_no_more_than_its_markets_and_is_the_worst_of_its_ends(home, home_cost, away, away_cost):
    positions = [Position("HOME", home, home_cost), Position("AWAY", away, away_cost)]
    loss = game_loss(positions, WINNER)
    ends = [
        home_cost + away_cost - payout(home, WINNER["HOME"][end]) - payout(away, WINNER["AWAY"][end])
        for end in range(3)
    ]
    assert loss == max(0, *ends)
    assert loss <= sum(market_loss(position) for position in positions)


def test_the_same_bet_through_both_markets_adds_up_and_opposite_bets_cancel():
    # YES of the home team and NO of the away team win together; YES of both always pays one dollar.
    same = [Position("HOME", 100, 400_000), Position("AWAY", -100, 450_000)]
    assert game_loss(same, WINNER) == 850_000
    both = [Position("HOME", 100, 400_000), Position("AWAY", 100, 450_000)]
    assert game_loss(both, WINNER) == 0
    assert game_loss([Position("HOME", 100, 600_000), Position("AWAY", 100, 450_000)], WINNER) == 50_000


def test_nothing_held_can_lose_nothing():
    assert game_loss([], WINNER) == 0
    assert portfolio_loss([]) == 0
    assert portfolio_loss([5, 7]) == 12


@pytest.mark.parametrize(
    ("payoffs", "market"),
    [
        ({}, "HOME"),
        ({"HOME": ()}, "HOME"),
        ({"HOME": (0, 10_000)}, "AWAY"),
        ({"HOME": (0, 10_000), "AWAY": (0,)}, "AWAY"),
        ({"HOME": (0, 10_001), "AWAY": (0, 1)}, "HOME"),
        ({"HOME": (-1, 0), "AWAY": (0, 1)}, "HOME"),
    ],
)
def test_payoffs_that_do_not_fit_name_the_market(payoffs, market):
    with pytest.raises(PayoffError, match=rf"^payoffs\.{market}: "):
        game_loss([Position("HOME", 1, 1), Position("AWAY", 1, 1)], payoffs)


halves = st.integers(0, 40).map(lambda n: n * 100 + 50)
questions = st.one_of(
    st.builds(Question, st.just("winner"), st.sampled_from(["home", "away"]), st.just(0)),
    st.builds(Question, st.just("spread"), st.sampled_from(["home", "away"]), halves),
    st.builds(Question, st.just("total"), st.just("over"), halves),
)
held = st.tuples(questions, st.integers(-1_000, 1_000), st.integers(0, 10**7))
SCORES = [(home, away) for home in range(0, 46, 1) for away in range(0, 46, 3)]


def lost(positions, asked, home, away):
    """What these positions lose at one final score."""
    paid = (payout(p.count, yes_payoff(asked[p.market], (home - away) * 100, (home + away) * 100)) for p in positions)
    return sum(p.cost for p in positions) - sum(paid)


def laid(rows):
    asked = {f"M{n}": row[0] for n, row in enumerate(rows)}
    return asked, [Position(f"M{n}", count, cost) for n, (_, count, cost) in enumerate(rows)]


def test_a_game_of_winner_spread_and_total_is_seen_as_one():
    asked = {
        "PHI": Question("winner", "home", 0),
        "PHI8": Question("spread", "home", 750),
        "DAL3": Question("spread", "away", 250),
        "48": Question("total", "over", 4_750),
    }
    payoffs = game_payoffs(asked)
    # PHI by more than 7.5 wins too, so YES of PHI and NO of PHI8 cannot both lose.
    hedged = [Position("PHI", 100, 600_000), Position("PHI8", -100, 650_000)]
    assert game_loss(hedged, payoffs) == 250_000
    # Both teams cannot win by more: NO of both spreads pays at least one dollar.
    assert game_loss([Position("PHI8", -100, 600_000), Position("DAL3", -100, 600_000)], payoffs) == 200_000
    # A total says nothing about the lead: both can be lost.
    assert game_loss([*hedged, Position("48", 100, 500_000)], payoffs) == 750_000


@settings(max_examples=100, deadline=None)
@given(rows=st.lists(held, min_size=1, max_size=6))
def test_no_final_score_loses_more_than_the_game_can_lose(rows):
    asked, positions = laid(rows)
    loss = game_loss(positions, game_payoffs(asked))
    assert loss >= max(lost(positions, asked, home, away) for home, away in SCORES)
    assert loss <= sum(market_loss(position) for position in positions)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(held, min_size=1, max_size=4))
# Nobody wins by a quarter of a point.
@example(rows=[(Question("winner", "home", 0), -1, 1), (Question("spread", "home", 50), 1, 0)])
@example(rows=[(Question("winner", "away", 0), -1, 1), (Question("spread", "away", 50), 1, 0)])
def test_leads_and_points_each_alone_are_exact(rows):
    for keep in ({"winner", "spread"}, {"total"}):
        asked, positions = laid([row for row in rows if row[0].line in keep])
        if positions:
            worst = max(lost(positions, asked, home, away) for home in range(90) for away in (0, 45, 89))
            assert game_loss(positions, game_payoffs(asked)) == max(0, worst)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(held, max_size=3),
    orders=st.lists(
        st.tuples(questions, st.integers(-1_000, 1_000), st.integers(0, 10_000), st.integers(0, 2)), max_size=3
    ),
)
def test_what_the_gate_adds_up_is_never_too_little(rows, orders):
    """The gate takes the positions' worst case and every open order at its full cost, the new one included.

    Whatever part of the orders fills, no final score loses more: each costs its price and may pay nothing.
    """
    asked, positions = laid(rows)
    payoffs = game_payoffs(asked)
    reserved = sum(abs(count) * price for _, count, price, _ in orders)
    gate = game_loss(positions, payoffs) + reserved
    for n, (question, count, price, filled) in enumerate(orders):
        asked[f"O{n}"] = question
        positions.append(Position(f"O{n}", count * filled // 2, abs(count * filled // 2) * price))
    assert gate >= max((lost(positions, asked, home, away) for home, away in SCORES), default=0)
