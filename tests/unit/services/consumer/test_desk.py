from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from services.consumer.desk import ZERO, Desk, entry_id
from services.consumer.games import GAME_LATE_MS, KNOWN_FOR_MS, Games
from trading_logic.contracts import codec
from trading_logic.contracts.messages import (
    BookDelta,
    BookSnapshot,
    CatalogEntry,
    FeedState,
    GameState,
    MarketData,
    MarketInfo,
    TradePrint,
)

EV, HOME, AWAY = "EV", "EV-H", "EV-A"
CATALOG = CatalogEntry(
    event=EV, series="S", feed="simulator", title="t", game="g", sport="football", home="H", away="A", home_id="h",
    away_id="a", start_ms=0, exchange_index=0, fee_type="quadratic", fee_multiplier_ppm=1_000_000, exchange_active=True,
    markets=(
        MarketInfo(HOME, "home", "H", "active", (("0.0000", "1.0000", "0.0100"),), 0, "", 6_100),
        MarketInfo(AWAY, "away", "A", "active", (("0.0000", "1.0000", "0.0100"),), 0, "", 4_100),
    ),
    updated_ms=0,
)  # fmt: skip
GAME = GameState(
    source="game", game="g", sport="football", status="live", home_points=0, away_points=0, period=1, clock_seconds=900,
    seconds_remaining=3_600, possession="", down=0, distance=0, yardline=0, description="", received_ms=1_000,
)  # fmt: skip


def desk() -> Desk:
    found = Desk(EV)
    found.set_catalog(CATALOG)
    return found


def snap(market: str, seq: int, at: int = 10) -> BookSnapshot:
    return BookSnapshot("s1", 1, seq, market, ((4_000, 300), (4_100, 200)), ((5_500, 100),), at)


def delta(market: str, seq: int, price: int, count: int, at: int = 20) -> BookDelta:
    return BookDelta("s1", 1, seq, market, "yes", price, count, at)


def test_one_signal_per_market_per_batch_with_the_oldest_time():
    found = desk()
    found.apply((1, 0), [snap(HOME, 1), snap(AWAY, 2, 11)])
    found.apply((2, 0), [delta(HOME, 3, 4_200, 100, 20), delta(HOME, 4, 4_200, 100, 30)])
    signals = {signal.market: signal for signal in found.take()}
    assert set(signals) == {HOME, AWAY}
    assert (signals[HOME].cause, signals[HOME].received_ms, signals[HOME].top.seq) == ("book", 10, 4)
    assert (signals[HOME].top.yes_bid, signals[HOME].top.yes_bid_size) == (4_200, 200)
    assert (signals[HOME].yes_bid_depth, signals[HOME].yes_ask_depth) == (700, 100)
    assert (signals[HOME].outcome, signals[AWAY].outcome) == ("home", "away")
    assert found.take() == []


def test_what_does_not_move_the_top_is_no_signal():
    found = desk()
    found.apply((1, 0), [snap(HOME, 1)])
    found.take()
    trade = TradePrint("s1", 2, 1, HOME, "t", 4_500, 100, "yes", 21)
    found.apply((2, 0), [delta(HOME, 2, 4_000, 100), trade])
    assert found.take() == []
    found.apply((3, 0), [delta(HOME, 3, 4_100, 100), delta(HOME, 4, 4_100, -100)])
    assert found.take() == []


def test_a_gap_is_a_feed_signal_and_the_snapshot_after_it_a_book_signal():
    found = desk()
    found.apply((1, 0), [snap(HOME, 1), snap(AWAY, 2)])
    found.take()
    found.apply((2, 0), [FeedState("s1", (HOME,), "gap", "lost", 30)])
    [signal] = found.take()
    assert (signal.market, signal.cause, signal.top.status, signal.received_ms) == (HOME, "feed", "gap", 30)
    assert found.blind() == [HOME]
    found.apply((3, 0), [snap(HOME, 5, 40)])
    [signal] = found.take()
    assert (signal.cause, signal.top.status) == ("book", "valid")


def test_an_id_is_the_same_on_every_path_and_differs_by_cause():
    one, two = desk(), desk()
    for found in (one, two):
        found.apply((1, 0), [snap(HOME, 1), snap(AWAY, 2)])
        found.take()
    one.apply((2, 0), [delta(HOME, 3, 4_200, 100)])
    one.apply((3, 0), [delta(HOME, 4, 4_200, 100)])
    two.apply((2, 0), [delta(HOME, 3, 4_200, 100), delta(HOME, 4, 4_200, 100)])
    [a], [b] = one.take(), two.take()
    assert a.id == b.id
    one.set_game(GAME, 1_000)
    ids = {signal.id for cause in ("book", "game", "feed") for signal in one.everything(cause)}
    assert len(ids) == 6
    assert a.id in ids
    one.set_game(msgspec.structs.replace(GAME, received_ms=1_500), 1_500)
    assert {s.id for s in one.everything("game")} <= ids


def test_a_game_change_is_more_than_its_time():
    found = desk()
    assert found.set_game(GAME, 1_000)
    assert not found.set_game(msgspec.structs.replace(GAME, received_ms=1_500), 1_500)
    assert found.set_game(msgspec.structs.replace(GAME, home_points=7, received_ms=1_500), 1_500)


def test_a_late_or_degraded_source_shows():
    found = desk()
    found.apply((1, 0), [snap(HOME, 1)])
    found.set_game(GAME, 1_000 + GAME_LATE_MS)
    assert not found.everything("game")[0].game_degraded
    assert found.set_game(GAME, 1_001 + GAME_LATE_MS)
    assert found.everything("game")[0].game_degraded
    found.set_game(GAME, 1_000)
    assert found.set_game(msgspec.structs.replace(GAME, degraded=True), 1_000)
    assert found.everything("game")[0].game_degraded


def test_signals_carry_what_was_expected_before_the_start():
    total = MarketInfo("T", "over", "", "active", (), 0, "", 5_000, "total", 4_750)
    found = desk()
    found.set_catalog(msgspec.structs.replace(CATALOG, markets=(total,)))
    found.apply((1, 0), [snap("T", 1)])
    (signal,) = found.take()
    assert (signal.outcome, signal.prior_total, signal.prior_home_ppm) == ("over", 4_750, None)


def test_entry_ids_have_an_order():
    assert entry_id("9-0") < entry_id("10-0") < entry_id("10-2") < entry_id("10-10")


# ---------------------------------------------------------------------------------------------- restart

Stream = list[tuple[tuple[int, int], list[MarketData]]]
_STEP = st.tuples(st.sampled_from([HOME, AWAY]), st.sampled_from([4_000, 4_100, 4_200]), st.integers(1, 500))


def stream_of(steps: list[list[tuple[str, int, int]]]) -> Stream:
    found: Stream = [((1, 0), [snap(HOME, 1), snap(AWAY, 2)])]
    seq = 2
    for number, batch in enumerate(steps, start=2):
        messages: list[MarketData] = []
        for market, price, count in batch:
            seq += 1
            messages.append(delta(market, seq, price, count, seq))
        found.append(((number, 0), messages))
    return found


@settings(max_examples=150)
@given(st.lists(st.lists(_STEP, max_size=4), min_size=1, max_size=12), st.data())
def test_wherever_it_stops_it_resumes_with_the_same_books(steps, data):
    """Books of any age per market, entries delivered again: nothing is applied twice, nothing is left out."""
    stream = stream_of(steps)
    whole = desk()
    for at, messages in stream:
        whole.apply(at, messages)
    states = []
    for market in (HOME, AWAY):
        upto = data.draw(st.integers(1, len(stream)), label=f"{market} book includes")
        ingest = desk()
        for at, messages in stream[:upto]:
            ingest.apply(at, messages)
        states.append(ingest.feed.markets[market].state(f"{upto}-0"))
    resumed = desk()
    resumed.apply((1, 0), [snap(HOME, 1)])  # an earlier life
    start = resumed.restore(states)
    assert start == min(entry_id(state.stream_id) for state in states)
    for at, messages in stream:
        if at > start:
            resumed.apply(at, messages)
    for market in (HOME, AWAY):
        assert resumed.feed.markets[market].state("x") == whole.feed.markets[market].state("x")
    assert {s.id for s in resumed.everything("book")} == {s.id for s in whole.everything("book")}


def test_without_a_snapshot_a_market_starts_at_the_beginning():
    found = desk()
    found.apply((5, 0), [snap(HOME, 1), snap(AWAY, 2)])
    state = found.feed.markets[HOME].state("5-0")
    assert found.restore([state]) == ZERO
    assert found.blind() == [AWAY]
    found.apply((5, 0), [snap(HOME, 1), snap(AWAY, 2), FeedState("s1", (HOME, AWAY), "gap", "x", 1)])
    assert found.feed.markets[HOME].book.status == "valid"
    assert found.feed.markets[AWAY].book.status == "gap"


# ---------------------------------------------------------------------------------------------- sources


def test_the_first_source_that_knows_the_game_wins_while_it_is_fresh():
    games = Games(["first", "second"])
    assert games.best(0) is None
    games.put("second", "g", codec.encode(msgspec.structs.replace(GAME, source="second", received_ms=5_000)))
    assert games.best(5_000).source == "second"
    games.put("first", "g", codec.encode(msgspec.structs.replace(GAME, source="first", received_ms=4_000)))
    assert games.best(5_000).source == "first"
    assert games.best(4_001 + KNOWN_FOR_MS).source == "second"
    assert games.best(9_000 + KNOWN_FOR_MS).source == "second"


def test_other_games_and_older_states_are_not_taken():
    games = Games(["first"])
    games.put("first", "other", codec.encode(GAME))
    assert games.best(0) is None
    games.put("first", "g", codec.encode(msgspec.structs.replace(GAME, home_points=7, received_ms=2_000)))
    games.put("first", "g", codec.encode(GAME))
    assert games.best(2_000).home_points == 7
