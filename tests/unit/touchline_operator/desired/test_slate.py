"""What a strategy takes of a series, whatever the slate says next."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.resources import strategy
from touchline_operator.api import TradingStrategy
from touchline_operator.desired.slate import Follower, follow
from touchline_operator.desired.world import Followed
from touchline_operator.reconcile.gather import strategy_of
from trading_logic.contracts.messages import Slate, SlateEvent

HOUR = 3_600_000
NOW = 1_800_000_000_000
KEY = ("simulator", "KX")


def wish(most: int = 2, hours: int = 12, series: str = "KX") -> dict[str, Any]:
    return {"name": series.lower(), "series": series, "startsWithinHours": hours, "maxEvents": most}


def made(name: str, *markets: dict[str, Any], policy: str = "house", age: int = 0) -> TradingStrategy:
    raw = strategy(name, riskPolicyRef={"name": policy}, markets=list(markets))
    raw["metadata"] |= {"uid": name, "generation": 1, "creationTimestamp": f"2026-01-01T00:00:{age:02}Z"}
    found = strategy_of(raw)
    assert isinstance(found, TradingStrategy)
    return found


def slate(*events: tuple[str, int, str]) -> dict[tuple[str, str], Slate]:
    listed = tuple(SlateEvent(f"KX-{name}", f"game-{name}", NOW + start, state) for name, start, state in events)
    return {KEY: Slate("simulator", "KX", listed, NOW)}


def taken(*names: str) -> tuple[Followed, ...]:
    return tuple(Followed(f"KX-{name}", "KX") for name in names)


def events(found: dict[str, tuple[Followed, ...]], name: str = "s") -> list[str]:
    return [one.event for one in found.get(name, ())]


def one(most: int = 2, *, had: tuple[Followed, ...] = ()) -> list[Follower]:
    return [Follower(made("s", wish(most)), "simulator", had)]


def test_the_oldest_starts_within_the_hours_are_taken() -> None:
    listed = slate(("C", 3 * HOUR, "open"), ("A", HOUR, "open"), ("FAR", 13 * HOUR, "open"), ("B", 2 * HOUR, "open"))
    assert events(follow(one(), listed, NOW)) == ["KX-A", "KX-B"]
    assert events(follow(one(9), listed, NOW)) == ["KX-A", "KX-B", "KX-C"]


def test_a_game_under_way_is_taken_and_a_settled_one_is_not() -> None:
    listed = slate(("LIVE", -HOUR, "open"), ("OVER", -2 * HOUR, "over"))
    assert events(follow(one(), listed, NOW)) == ["KX-LIVE"]


def test_what_was_taken_stays_when_an_earlier_start_appears_and_goes_once_settled() -> None:
    earlier = ("NEW", HOUR, "open")
    before = slate(("A", 2 * HOUR, "open"), ("B", 3 * HOUR, "open"), earlier)
    assert events(follow(one(had=taken("A", "B")), before, NOW)) == ["KX-A", "KX-B"]
    after = slate(("A", 2 * HOUR, "over"), ("B", 3 * HOUR, "open"), earlier)
    assert events(follow(one(had=taken("A", "B")), after, NOW)) == ["KX-B", "KX-NEW"]


def test_what_the_slate_no_longer_lists_stays() -> None:
    assert events(follow(one(had=taken("A")), slate(), NOW)) == ["KX-A"]


def test_a_silent_catalog_moves_nothing() -> None:
    assert events(follow(one(had=taken("A")), {}, NOW)) == ["KX-A"]
    assert follow(one(), {}, NOW) == {}


def test_a_smaller_maximum_takes_nothing_back() -> None:
    listed = slate(("A", HOUR, "open"), ("B", HOUR, "open"), ("C", HOUR, "open"))
    assert events(follow(one(1, had=taken("A", "B")), listed, NOW)) == ["KX-A", "KX-B"]


def test_a_series_that_is_no_longer_followed_is_let_go() -> None:
    follower = Follower(made("s", wish(series="OTHER")), "simulator", taken("A"))
    assert events(follow([follower], slate(("A", HOUR, "open")), NOW)) == []


def test_within_a_policy_the_older_strategy_chooses_first_and_named_events_are_not_followed() -> None:
    named = made("named", {"name": "a", "event": "KX-A"}, age=2)
    followers = [
        Follower(made("old", wish(1), age=0), "simulator", ()),
        Follower(made("young", wish(1), age=1), "simulator", ()),
        Follower(named, "simulator", ()),
        Follower(made("elsewhere", wish(9), policy="second", age=3), "simulator", ()),
    ]
    found = follow(followers, slate(("A", 1, "open"), ("B", 2, "open"), ("C", 3, "open")), NOW)
    assert [events(found, name) for name in ("old", "young", "named")] == [["KX-B"], ["KX-C"], []]
    assert events(found, "elsewhere") == ["KX-A", "KX-B", "KX-C"]


def test_what_a_younger_strategy_has_is_not_taken_from_it() -> None:
    followers = [
        Follower(made("old", wish(1), age=0), "simulator", ()),
        Follower(made("young", wish(1), age=1), "simulator", taken("A")),
    ]
    found = follow(followers, slate(("A", 1, "open"), ("B", 2, "open")), NOW)
    assert (events(found, "old"), events(found, "young")) == (["KX-B"], ["KX-A"])


def test_a_strategy_that_is_being_deleted_takes_nothing_new() -> None:
    strategy_now = made("s", wish())
    metadata = strategy_now.metadata.model_copy(update={"deletion_timestamp": "2026-01-02T00:00:00Z"})
    follower = Follower(strategy_now.model_copy(update={"metadata": metadata}), "simulator", taken("A"))
    assert events(follow([follower], slate(("A", 1, "open"), ("B", 2, "open")), NOW)) == ["KX-A"]


LISTED = st.dictionaries(
    st.sampled_from("ABCDEFGH"), st.tuples(st.integers(-3, 20), st.sampled_from(["open", "over"])), max_size=8
)
STEPS = st.lists(st.none() | LISTED, min_size=1, max_size=8)


@settings(max_examples=200, deadline=None)
@given(steps=STEPS, most=st.tuples(st.integers(1, 3), st.integers(1, 3)))
def test_whatever_the_slates_say_events_stay_until_settled_and_belong_to_one(steps: Any, most: tuple[int, int]) -> None:
    followers = [
        Follower(made(n, wish(m), age=i), "simulator", ()) for i, (n, m) in enumerate(zip("ab", most, strict=True))
    ]
    for step in steps:
        listed = {} if step is None else slate(*((n, h * HOUR, s) for n, (h, s) in step.items()))
        found = follow(followers, listed, NOW)
        assert found == follow(followers, listed, NOW)
        both = [*events(found, "a"), *events(found, "b")]
        assert len(set(both)) == len(both)
        over = {f"KX-{n}" for n, (_, s) in (step or {}).items() if s == "over"}
        near = {f"KX-{n}" for n, (h, s) in (step or {}).items() if s == "open" and h <= 12}
        for follower, limit in zip(followers, most, strict=True):
            before = {one.event for one in follower.taken}
            now = set(events(found, follower.strategy.metadata.name))
            assert before - over <= now
            assert not now & over
            assert now - before <= near
            assert len(now) <= max(limit, len(before - over))
        followers = [replace(f, taken=found.get(f.strategy.metadata.name, ())) for f in followers]
