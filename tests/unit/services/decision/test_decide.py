from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import pytest

from services.decision.decide import Draft, decide, entry_price, exit_plan
from services.decision.explain import explained
from services.decision.terms import market_terms
from services.decision.view import RiskView
from trading_logic.refusal import Refusal
from trading_logic.stages import DECISION_RULES


def view(scene: Any, **changes: Any) -> RiskView:
    return dataclasses.replace(scene.view, **changes)


def rule(asked: Any) -> str:
    draft = Draft()
    decision, intent = decide(asked, draft)
    assert (decision.rule == "") == (decision.verdict == "trade") == (intent is not None)
    told = explained(asked, draft, decision, intent).explanation
    assert all(check.rule and check.value and check.limit for check in told.checks)
    asked_rules = [check.rule for check in told.checks]
    assert asked_rules == list(DECISION_RULES[: len(asked_rules)])
    assert [check.rule for check in told.checks if not check.passed] == ([decision.rule] if decision.rule else [])
    assert asked_rules[-1] == (decision.rule or DECISION_RULES[-1])
    if decision.rule:
        assert decision.value, decision
        assert decision.limit, decision
        assert decision.count == 0
    return decision.rule


def test_the_scene_trades(scene):
    decision, intent = decide(scene.asked())
    assert decision.verdict == "trade"
    assert intent is not None
    assert (intent.side, intent.price, intent.style) == ("yes", 6_000, "Take")
    assert decision.count == intent.count > 0
    assert decision.edge is not None
    assert decision.edge >= 300
    assert intent.cost >= intent.price * intent.count
    assert decision.parts[0][:2] == ("game-state", "football-2")


@pytest.mark.parametrize("status", ["empty", "stale", "gap", "crossed"])
def test_feed_refuses_every_status_but_valid(scene, status):
    decision, _ = decide(scene.asked(signal=scene.top(status=status)))
    assert (decision.rule, decision.value, decision.limit) == ("feed", status, "valid")


@pytest.mark.parametrize(("age", "refused"), [(2_000, False), (2_001, True)])
def test_feed_refuses_a_silent_connection(scene, age, refused):
    assert (rule(scene.asked(signal=scene.top(alive_ms=scene.now - age))) == "feed") is refused


@pytest.mark.parametrize(("age", "refused"), [(2_000, False), (2_001, True)])
def test_feed_refuses_an_old_tick(scene, age, refused):
    assert (rule(scene.asked(signal=scene.with_(received_ms=scene.now - age))) == "feed") is refused


@pytest.mark.parametrize("status", ["closed", "inactive", "determined", "finalized", "initialized"])
def test_market_status(scene, status):
    markets = tuple(msgspec.structs.replace(m, status=status) for m in scene.catalog.markets)
    catalog = msgspec.structs.replace(scene.catalog, markets=markets)
    decision, _ = decide(scene.asked(catalog=catalog))
    assert (decision.rule, decision.value) == ("marketStatus", status)


def test_market_status_of_an_unknown_market_and_a_paused_exchange(scene):
    assert rule(scene.asked(signal=scene.with_(market="KXOTHER"))) == "marketStatus"
    paused = msgspec.structs.replace(scene.catalog, exchange_active=False)
    assert rule(scene.asked(catalog=paused)) == "marketStatus"


def test_game_status(scene):
    assert rule(scene.asked(signal=scene.with_(game=None))) == "gameStatus"
    assert rule(scene.asked(signal=scene.game(status="final"))) == "gameStatus"
    assert rule(scene.asked(signal=scene.game(received_ms=scene.now - 30_001))) == "gameStatus"
    assert rule(scene.asked(signal=scene.game(received_ms=scene.now - 30_000))) == ""


def test_models_refuse_without_a_prior(scene):
    decision, _ = decide(scene.asked(signal=scene.with_(prior_home_ppm=None)))
    assert decision.rule == "models"
    assert "prior" in decision.value


def test_one_model_that_refuses_refuses_all(scene):
    models = (*scene.config.models, type(scene.config.models[0])("book", 1))
    both = msgspec.structs.replace(scene.config, models=models)
    assert rule(scene.asked(cfg=both)) != "models"
    assert rule(scene.asked(cfg=both, signal=scene.top(yes_bid=0, yes_bid_size=0))) == "models"


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"min_price": 6_000}, ""),
        ({"min_price": 6_001}, "minPrice"),
        ({"max_price": 6_000}, ""),
        ({"max_price": 5_999}, "maxPrice"),
        ({"max_spread": 100}, ""),
        ({"max_spread": 99}, "maxSpread"),
        ({"min_liquidity": 150_000}, ""),
        ({"min_liquidity": 150_001}, "minLiquidityContracts"),
    ],
)
def test_entry_rules_hold_at_their_limit(scene, entry, expected):
    assert rule(scene.asked(cfg=scene.entry(**entry))) == expected


def test_min_edge_holds_at_its_limit(scene):
    edge = decide(scene.asked())[0].edge
    assert rule(scene.asked(cfg=scene.entry(min_edge=edge))) == ""
    decision, _ = decide(scene.asked(cfg=scene.entry(min_edge=edge + 1)))
    assert (decision.rule, decision.verdict, decision.side) == ("minEdge", "pass", "yes")


def test_liquidity_is_that_of_the_side_bought(scene):
    cheap_no = scene.top(yes_bid=8_900, yes_ask=9_000)
    thin = msgspec.structs.replace(cheap_no, yes_bid_depth=9_999)
    assert decide(scene.asked(signal=cheap_no))[0].side == "no"
    assert rule(scene.asked(signal=thin)) == "minLiquidityContracts"


def test_an_empty_side_is_refused(scene):
    assert rule(scene.asked(signal=scene.top(yes_bid=0, yes_bid_size=0))) == "maxSpread"
    assert rule(scene.asked(signal=scene.top(yes_ask=10_000, yes_ask_size=0))) in {"maxSpread", "maxPrice"}


def test_latch_names_its_causes(scene):
    decision, _ = decide(scene.asked(view=view(scene, causes=("drawdown-1", "manual"))))
    assert (decision.rule, decision.value) == ("latch", "drawdown-1,manual")


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"read_ms": -1_000}, False),
        ({"read_ms": -1_001}, True),
        ({"updated_ms": -10_000}, False),
        ({"updated_ms": -10_001}, True),
    ],
)
def test_risk_refuses_an_old_view(scene, changes, refused):
    moved = {name: scene.now + offset for name, offset in changes.items()}
    assert (rule(scene.asked(view=view(scene, **moved))) == "risk") is refused


def test_risk_refuses_what_the_ledger_does_not_vouch_for(scene):
    assert rule(scene.asked(view=view(scene, reconciled=False))) == "risk"
    assert rule(scene.asked(view=view(scene, marks=scene.home))) == "risk"
    assert rule(scene.asked(view=view(scene, equity=0))) == "risk"
    assert rule(scene.asked(view=Refusal("risk", "risk.equity: missing", "a risk view"))) == "risk"


def test_one_order_at_a_time(scene):
    assert rule(scene.asked(view=view(scene, outstanding=frozenset({scene.home})))) == "orderOutstanding"
    assert rule(scene.asked(sent={scene.home: 1})) == "orderOutstanding"
    assert rule(scene.asked(sent={scene.away: 1})) == ""


def test_the_other_side_is_not_bought(scene):
    assert rule(scene.asked(view=view(scene, positions={scene.home: -100}))) == "opposite"
    assert rule(scene.asked(view=view(scene, positions={scene.home: 100}))) == ""


def test_nothing_more_when_kelly_is_held(scene):
    held = 900_000_000
    decision, _ = decide(scene.asked(view=view(scene, by_market={scene.home: held})))
    assert (decision.rule, decision.verdict) == ("kelly", "pass")


def test_less_than_the_least_position_is_refused_never_rounded_up(scene):
    decision, _ = decide(scene.asked(view=view(scene, by_game={"g": 99_500_000})))
    assert decision.rule == "minPositionDollars"
    assert "maxGameFraction" in decision.value
    assert decision.limit == "1.000000"


def test_degraded_data_halves_the_stake(scene):
    whole = decide(scene.asked(cfg=scene.limits(max_position_fraction_ppm=1_000_000, max_game_fraction_ppm=1_000_000)))[
        1
    ]
    half = decide(
        scene.asked(
            cfg=scene.limits(max_position_fraction_ppm=1_000_000, max_game_fraction_ppm=1_000_000),
            signal=scene.with_(game_degraded=True),
        )
    )[1]
    assert whole is not None
    assert half is not None
    assert abs(2 * half.count - whole.count) <= 200


def test_ids_come_from_content(scene):
    one, two = decide(scene.asked()), decide(scene.asked(now=scene.now + 3))
    assert one[0].id == two[0].id
    assert one[1].id == two[1].id
    other = decide(scene.asked(signal=scene.with_(id="1" * 32)))
    assert other[1].id != one[1].id


def test_away_market_is_the_complement(scene):
    away = scene.with_(market=scene.away, outcome="away")
    home_fair = decide(scene.asked())[0].fair_ppm
    away_fair = decide(scene.asked(signal=away))[0].fair_ppm
    assert home_fair + away_fair == 1_000_000


@pytest.mark.parametrize(
    ("bid", "ask", "yes", "no"),
    [
        (5_900, 6_000, 5_900, 4_000),  # one step apart: join
        (5_800, 6_000, 5_900, 4_100),  # one step better still leaves a spread
        (5_500, 6_000, 5_600, 4_100),
    ],
)
def test_rest_joins_or_improves_but_never_crosses(scene, bid, ask, yes, no):
    market = market_terms(scene.catalog)[scene.home]
    signal = scene.top(yes_bid=bid, yes_ask=ask)
    assert entry_price(market, signal, "Rest", "yes") == yes < ask
    assert entry_price(market, signal, "Rest", "no") == no < 10_000 - bid
    assert entry_price(market, signal, "Take", "yes") == ask
    assert entry_price(market, signal, "Take", "no") == 10_000 - bid


def test_rest_has_nothing_to_join_on_an_empty_side(scene):
    market = market_terms(scene.catalog)[scene.home]
    assert entry_price(market, scene.top(yes_bid=0, yes_bid_size=0), "Rest", "yes") is None
    assert entry_price(market, scene.top(yes_ask=10_000, yes_ask_size=0), "Take", "yes") is None


def test_rest_is_not_bound_by_what_is_for_sale_and_says_how_long(scene):
    cfg = scene.entry(order_style="Rest", rest_seconds=8)
    decision, intent = decide(scene.asked(cfg=cfg, signal=scene.top(yes_bid=5_700, yes_ask_size=100, yes_ask=6_000)))
    assert decision.verdict == "trade"
    assert (intent.style, intent.price, intent.rest_seconds) == ("Rest", 5_800, 8)
    assert intent.count > 100


def test_take_wants_no_more_than_is_for_sale(scene):
    _, intent = decide(scene.asked(signal=scene.top(yes_ask_size=1_299)))
    assert intent.count == 1_200


@pytest.mark.parametrize(
    ("price", "stop", "take"), [(6_000, 5_000, 7_500), (500, 100, 2_000), (9_500, 8_500, 9_900), (1_000, 100, 2_500)]
)
def test_exit_prices_stay_on_the_grid(scene, price, stop, take):
    market = market_terms(scene.catalog)[scene.home]
    for side in ("yes", "no"):
        plan = exit_plan(scene.config, market, side, price)
        assert (plan.stop_price, plan.take_price, plan.flatten_at_ms) == (stop, take, 0)


def test_flatten_counts_from_the_close(scene):
    market = market_terms(scene.catalog)[scene.home]
    cfg = msgspec.structs.replace(scene.config, exit=type(scene.config.exit)(1_000, 1_500, 90))
    assert exit_plan(cfg, market, "yes", 5_000).flatten_at_ms == market.info.close_ms - 90_000
