from __future__ import annotations

import dataclasses

import msgspec

from services.decision.decide import Draft, decide
from services.decision.explain import explained
from trading_logic.contracts import codec
from trading_logic.contracts.messages import Decision
from trading_logic.stages import DECISION_RULES, DECISION_STAGES, stage_of


def told(asked):
    draft = Draft()
    decision, intent = decide(asked, draft)
    return explained(asked, draft, decision, intent)


def test_a_trade_names_all_that_it_looked_at(scene):
    decision = told(scene.asked())
    why = decision.explanation
    assert (why.version, why.top, why.game, why.prior_home_ppm) == (1, scene.signal.top, scene.signal.game, 600_000)
    assert [(m.name, m.version, m.weight_ppm) for m in why.models] == [("game-state", "football-2", 1_000_000)]
    assert why.models[0].probability_ppm == decision.fair_ppm
    assert why.fee > 0
    # The edge is what the price and its fee leave of the fair value, rounded against us.
    assert decision.edge == (decision.fair_ppm - decision.price * 100 - why.fee) // 100
    assert why.sizing.count == decision.count > 0
    assert why.sizing.clipped_by in {*why.sizing.rooms, "available at the price"}
    assert why.intent_id
    assert [check.rule for check in why.checks] == list(DECISION_RULES)
    assert all(check.passed and check.value and check.limit for check in why.checks)


def test_the_prior_total_that_was_used_is_told(scene):
    asked = scene.asked()
    asked = dataclasses.replace(asked, signal=msgspec.structs.replace(asked.signal, prior_total=4_450))
    assert told(asked).explanation.prior_total == 4_450


def test_the_smallest_room_is_what_clipped(scene):
    why = told(scene.asked(cfg=scene.limits(max_position_cash=7_000_000))).explanation
    assert why.sizing.clipped_by == "maxPositionDollars"
    assert why.sizing.cost <= 7_000_000 == why.sizing.rooms["maxPositionDollars"]


def test_a_refusal_ends_the_list_with_its_own_value_and_limit(scene):
    decision = told(scene.asked(view=dataclasses.replace(scene.view, causes=("manual",))))
    last = decision.explanation.checks[-1]
    assert (last.rule, last.value, last.limit, last.passed) == ("latch", "manual", "none", False)
    assert (decision.explanation.sizing, decision.explanation.intent_id) == (None, "")


def test_too_little_left_still_says_what_left_it(scene):
    decision = told(scene.asked(view=dataclasses.replace(scene.view, total=499_500_000)))
    assert decision.rule == "minPositionDollars"
    assert decision.explanation.sizing.clipped_by == "maxExposureFraction"


def test_it_survives_the_wire_and_its_absence(scene):
    decision = told(scene.asked())
    reader = codec.Reader(Decision)
    assert reader.batch(codec.encode_batch([decision])) == [decision]
    plain = msgspec.msgpack.encode({k: v for k, v in msgspec.to_builtins(decision).items() if k != "explanation"})
    assert reader.one(codec.encode(decision)[:1] + plain).explanation is None


def test_every_rule_has_one_stage():
    assert len(DECISION_RULES) == len(set(DECISION_RULES))
    assert [stage_of(rule) for rules in DECISION_STAGES.values() for rule in rules] == [
        stage for stage, rules in DECISION_STAGES.items() for _ in rules
    ]
    assert stage_of("a rule of tomorrow") == "size"
