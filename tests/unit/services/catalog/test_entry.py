from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from services.catalog.entry import Facts, build, prior_of_trades, same_but_for_time
from services.catalog.lines import CatalogError
from services.exchange.models import Event, Market, Milestone, Series, Trade
from services.exchange.wire import BodyDecoder

START = 1_757_000_000_000
EV = "KXNFLGAME-25SEP04DALPHI"


def decoded(kind: type, body: dict[str, Any]) -> Any:
    return BodyDecoder().decode("test", json.dumps(body).encode(), kind)


def market(team: str, target: str, bid: str = "0.6000", ask: str = "0.6200", **more: Any) -> Market:
    body = {
        "ticker": f"{EV}-{team}", "event_ticker": EV, "status": "active", "yes_sub_title": team, "no_sub_title": team,
        "open_time": "2025-09-01T00:00:00Z", "close_time": "2025-09-20T00:00:00Z", "yes_bid_dollars": bid,
        "yes_ask_dollars": ask, "no_bid_dollars": "0.3800", "no_ask_dollars": "0.4000", "yes_bid_size_fp": "1.00",
        "yes_ask_size_fp": "1.00", "last_price_dollars": "0.6000", "volume_fp": "0.00", "open_interest_fp": "0.00",
        "result": "", "price_level_structure": "linear_cent",
        "price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}], "can_close_early": True,
        "settlement_timer_seconds": 5, "strike_type": "structured", "custom_strike": {"football_team": target}, **more,
    }  # fmt: skip
    return decoded(Market, body)


MARKETS = [market("DAL", "id-dal", "0.3800", "0.4000"), market("PHI", "id-phi")]
EVENT = msgspec.structs.replace(
    decoded(
        Event,
        {"event_ticker": EV, "series_ticker": "KXNFLGAME", "title": "t", "sub_title": "s", "mutually_exclusive": True,
         "collateral_return_type": "MECNET"},
    ),
    markets=MARKETS,
)  # fmt: skip
SERIES = decoded(
    Series,
    {"ticker": "KXNFLGAME", "title": "t", "category": "Sports", "categories": ["Sports"], "frequency": "custom",
     "fee_type": "quadratic_with_maker_fees", "fee_multiplier": 1},
)  # fmt: skip


def milestone(**more: Any) -> Milestone:
    body = {
        "id": "game-1", "category": "Sports", "type": "football_game", "title": "t", "start_date": "2025-09-04T15:33:20Z",
        "related_event_tickers": [EV], "primary_event_tickers": [EV], "last_updated_ts": "2025-09-04T00:00:00Z",
        "details": {"home_team_id": "id-phi", "away_team_id": "id-dal", "main_game_event_ticker": EV}, **more,
    }  # fmt: skip
    return decoded(Milestone, body)


def facts(**changes: Any) -> Facts:
    return Facts(**{"event": EVENT, "series": SERIES, "milestones": [milestone()], "exchange_active": True, **changes})


def entry(now: int, previous: Any = None, **changes: Any) -> Any:
    return build("simulator", facts(**changes), previous, now)


def with_markets(*markets: Market, **event: Any) -> dict[str, Any]:
    return {"event": msgspec.structs.replace(EVENT, markets=list(markets), **event)}


def test_what_an_entry_says():
    found = entry(START - 1)
    assert (found.event, found.game, found.home, found.away) == (EV, "game-1", "PHI", "DAL")
    assert (found.home_id, found.away_id, found.start_ms) == ("id-phi", "id-dal", START)
    assert {m.market[-3:]: (m.outcome, m.prior) for m in found.markets} == {
        "DAL": ("away", 3_900),
        "PHI": ("home", 6_100),
    }
    assert found.markets[0].price_ranges == (("0.0000", "1.0000", "0.0100"),)
    assert (found.fee_type, found.fee_multiplier_ppm) == ("quadratic_with_maker_fees", 1_000_000)


def test_the_prior_follows_the_book_until_the_start_and_never_after():
    before = entry(START - 1)
    moved = with_markets(market("DAL", "id-dal", "0.1000", "0.1200"), market("PHI", "id-phi", "0.8800", "0.9000"))
    assert [m.prior for m in entry(START - 1, before, **moved).markets] == [1_100, 8_900]
    assert [m.prior for m in entry(START, before, **moved).markets] == [3_900, 6_100]
    assert [m.prior for m in entry(START, None, **moved).markets] == [None, None]


@pytest.mark.parametrize(("bid", "ask"), [("0.0000", "0.6200"), ("0.6000", "1.0000"), ("0.4000", "0.6000")])
def test_an_empty_or_wide_book_is_no_prior(bid, ask):
    found = entry(START - 1, None, **with_markets(MARKETS[0], market("PHI", "id-phi", bid, ask)))
    assert found.markets[1].prior is None
    kept = entry(START - 1, entry(START - 2), **with_markets(MARKETS[0], market("PHI", "id-phi", bid, ask)))
    assert kept.markets[1].prior == 6_100


def trade(price: int, count: int, at: int, *, block: bool = False) -> Trade:
    return Trade(
        trade_id="t", ticker=EV, count=count, yes_price=price, no_price=10_000 - price, taker_outcome_side="yes",
        taker_book_side="bid", created_time=at, is_block_trade=block,
    )  # fmt: skip


def test_prior_of_the_last_trades_before_the_start():
    late = [trade(9_000, 100, START), trade(9_500, 100, START + 1)]
    assert prior_of_trades([*late, trade(6_000, 300, START - 1), trade(7_000, 100, START - 2)], START) == 6_250
    assert prior_of_trades(late, START) is None
    assert prior_of_trades([trade(6_000, 100, START - 1, block=True)], START) is None
    many = [trade(5_000, 100, START - 1 - n) for n in range(10)] + [trade(1, 100, START - 500)]
    assert prior_of_trades(many, START) == 5_000


def test_fee_overrides_of_the_event_win():
    found = entry(START, None, **with_markets(*MARKETS, fee_type_override="quadratic", fee_multiplier_override=0))
    assert (found.fee_type, found.fee_multiplier_ppm) == ("quadratic", 0)


def test_only_time_is_not_a_change():
    assert same_but_for_time(entry(START), entry(START + 5))
    assert not same_but_for_time(entry(START), entry(START + 5, None, exchange_active=False))
    assert not same_but_for_time(None, entry(START))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"milestones": []}, "main_game_event_ticker"),
        ({"milestones": [milestone(), milestone()]}, "2 of 2"),
        ({"milestones": [milestone(type="tennis_tournament_singles")]}, "tennis_tournament_singles"),
        (
            {"milestones": [milestone(details={"main_game_event_ticker": EV, "away_team_id": "id-dal"})]},
            "details.home_team_id is None",
        ),
        ({"series": msgspec.structs.replace(SERIES, fee_type="flat")}, "fee_type"),
        (with_markets(MARKETS[0]), "one for home and one for away"),
        (with_markets(MARKETS[0], market("PHI", "id-xxx")), "custom_strike"),
        (with_markets(MARKETS[0], market("PHI", "id-phi", custom_strike=None)), "custom_strike"),
        (with_markets(MARKETS[0], market("PHI", "id-phi", price_ranges=[])), "price_ranges"),
    ],
)
def test_what_cannot_be_traded_is_named(changes, named):
    with pytest.raises(CatalogError, match=EV):
        entry(START, None, **changes)
    with pytest.raises(CatalogError) as error:
        entry(START, None, **changes)
    assert named in str(error.value)


SPREAD, TOTAL = "KXNFLSPREAD-25SEP04DALPHI", "KXNFLTOTAL-25SEP04DALPHI"


def line_event(ticker: str, *markets: Market) -> dict[str, Any]:
    game = milestone(related_event_tickers=[EV, SPREAD, TOTAL], title="DAL at PHI")
    event = msgspec.structs.replace(EVENT, event_ticker=ticker, markets=list(markets))
    return {"event": event, "milestones": [game, milestone(id="cup", details={})]}


def lined(suffix: str, strike: Any, target: str | None, **more: Any) -> Market:
    changes = {
        "strike_type": "greater",
        "floor_strike": strike,
        "custom_strike": {"football_team": target} if target else None,
    }
    return market(suffix, "", **{**changes, **more})


def test_an_event_of_spreads_belongs_to_the_game_of_its_winner():
    found = entry(START - 1, None, **line_event(SPREAD, lined("PHI8", 7.5, "id-phi"), lined("DAL3", 2.5, "id-dal")))
    assert (found.event, found.game, found.home, found.away, found.sport) == (
        SPREAD,
        "game-1",
        "PHI",
        "DAL",
        "football",
    )
    assert [(m.line, m.outcome, m.strike) for m in found.markets] == [("spread", "home", 750), ("spread", "away", 250)]


def test_an_event_of_totals_names_no_team():
    found = entry(START - 1, None, **line_event(TOTAL, lined("48", 47.5, None), lined("55", 54.5, None)))
    assert [(m.line, m.outcome, m.strike) for m in found.markets] == [
        ("total", "over", 4_750),
        ("total", "over", 5_450),
    ]
    assert {m.prior for m in found.markets} == {6_100}


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        (lined("48", 47, None), "floor_strike 47"),
        (lined("48", None, None), "floor_strike None"),
        (lined("48", 100_000.5, None), "floor_strike 100000.5"),
        (lined("48", 47.5, None, strike_type="less"), "strike_type 'less'"),
        (lined("48", 47.5, None, strike_type=None), "strike_type None"),
        (lined("48", 47.5, "id-xxx"), "custom_strike"),
    ],
)
def test_a_line_that_is_not_understood_is_named(bad, named):
    with pytest.raises(CatalogError) as error:
        entry(START, None, **line_event(TOTAL, bad))
    assert named in str(error.value)


def test_one_event_asks_one_kind_of_question():
    with pytest.raises(CatalogError, match="one kind is allowed"):
        entry(START, None, **line_event(SPREAD, lined("PHI8", 7.5, "id-phi"), lined("48", 47.5, None)))


def test_basketball_is_a_sport_of_the_catalog():
    assert entry(START, None, milestones=[milestone(type="basketball_game")]).sport == "basketball"
