import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_logic.markets import Outcome, yes_payout
from trading_logic.risk.exposure import PayoffError, Position, game_loss, market_loss, payout, portfolio_loss

WINNER = {
    "HOME": tuple(yes_payout(Outcome.HOME, outcome) for outcome in Outcome),
    "AWAY": tuple(yes_payout(Outcome.AWAY, outcome) for outcome in Outcome),
}
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
