from __future__ import annotations

import msgspec
import pytest

from services.catalog.slate import merged, slate_events, state_of
from services.exchange.models import MarketStatus
from tests.unit.services.catalog.test_entry import EV, EVENT, MARKETS, START, milestone
from trading_logic.contracts.messages import SlateEvent


def with_statuses(*statuses: MarketStatus):
    markets = [msgspec.structs.replace(m, status=s) for m, s in zip(MARKETS, statuses, strict=False)]
    return msgspec.structs.replace(EVENT, markets=markets)


@pytest.mark.parametrize(
    ("statuses", "state"),
    [
        ((), "open"),
        ((MarketStatus.ACTIVE, MarketStatus.FINALIZED), "open"),
        ((MarketStatus.DETERMINED, MarketStatus.DETERMINED), "open"),
        ((MarketStatus.FINALIZED, MarketStatus.FINALIZED), "over"),
    ],
)
def test_an_event_is_over_once_every_market_is_paid_out(statuses, state):
    assert state_of(with_statuses(*statuses)) == state


def test_an_event_is_listed_with_the_scheduled_start_of_its_game():
    assert slate_events([EVENT], [milestone()]) == ([SlateEvent(EV, "game-1", START, "open")], [])


@pytest.mark.parametrize(
    "milestones", [[], [milestone(type="cricket_match")], [milestone(), milestone(id="game-2")]]
)  # fmt: skip
def test_an_event_without_exactly_one_known_game_is_left_out(milestones):
    assert slate_events([EVENT], milestones) == ([], [EV])


def test_a_game_that_comes_twice_in_the_pages_is_one_game():
    found, left_out = slate_events([EVENT], [milestone(), milestone()])
    assert (len(found), left_out) == (1, [])


def test_what_is_followed_stays_in_the_slate_and_says_that_it_is_over():
    listed = [SlateEvent("B", "g2", 5, "open"), SlateEvent("A", "g1", 5, "open")]
    followed = {"OLD": SlateEvent("OLD", "g0", 1, "over"), "A": SlateEvent("A", "g1", 5, "over")}
    made = merged("simulator", "KX", listed, followed, 9)
    assert [(one.event, one.state) for one in made.events] == [("OLD", "over"), ("A", "over"), ("B", "open")]
