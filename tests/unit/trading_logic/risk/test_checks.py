import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_logic.contracts.config import Limits
from trading_logic.refusal import Refusal
from trading_logic.risk.checks import ENTRY_LIMITS, FENCE, Claim, GateState, gate, verdicts
from trading_logic.risk.limits import orders_allowed, part_of

DOLLAR = 1_000_000
LIMITS = Limits(
    max_drawdown_ppm=250_000, max_daily_loss_ppm=200_000, max_position_fraction_ppm=50_000, min_position_cash=DOLLAR,
    max_position_cash=250 * DOLLAR, max_exposure_fraction_ppm=500_000, max_game_fraction_ppm=100_000,
    max_orders_per_minute=30, max_trades_per_day=20, stale_after_ms=10_000, degraded_kelly_ppm=500_000,
)  # fmt: skip
STATE = GateState(
    latch_ids=(), epoch=3, term=2, writer_token="w", lease_ms_left=5_000, lease_epoch=3, reconciled=True, stale_marks="",
    seen=False, now_ms=10_000, orders_last_minute=0, trades_today=0, flatten_until_ms=0, equity=1_000 * DOLLAR, market_exposure=0,
    game_exposure=0, total_exposure=0, market_reserved=0, game_reserved=0, total_reserved=0,
)  # fmt: skip
ENTRY = Claim("i", "entry", 3, 2, "w", 10_000, 10 * DOLLAR)
EXIT = msgspec.structs.replace(ENTRY, kind="exit")


def changed(struct, **changes):
    return msgspec.structs.replace(struct, **changes)


def test_a_good_claim_passes():
    assert gate(STATE, ENTRY, LIMITS) is None
    assert gate(STATE, EXIT, LIMITS) is None


FENCED = [
    ({"seen": True}, {}, Refusal("duplicate", "i", "once")),
    ({"latch_ids": ("z", "a")}, {}, Refusal("latch", "a,z", "none")),
    ({"epoch": 4, "lease_epoch": 4}, {}, Refusal("epoch", "3", "4")),
    ({}, {"epoch": 4}, Refusal("epoch", "4", "3")),
    ({"term": 3}, {}, Refusal("term", "2", "3")),
    ({}, {"term": 3}, Refusal("term", "3", "2")),
    ({"writer_token": "x"}, {}, Refusal("writerLease", "x", "w")),
    ({"writer_token": ""}, {}, Refusal("writerLease", "none", "w")),
    ({"writer_token": ""}, {"writer_token": ""}, Refusal("writerLease", "none", "")),
    ({"lease_ms_left": 0}, {}, Refusal("tradingLease", "0", "> 0")),
    ({"lease_ms_left": -2}, {}, Refusal("tradingLease", "0", "> 0")),
    ({"lease_epoch": 2}, {}, Refusal("tradingLease", "0", "> 0")),
    ({"reconciled": False}, {}, Refusal("reconciled", "no", "yes")),
    ({"now_ms": 11_001}, {}, Refusal("intentAge", "1001", "1000")),
    ({"now_ms": 8_999}, {}, Refusal("intentAge", "-1001", "1000")),
    ({"orders_last_minute": 30}, {}, Refusal("maxOrdersPerMinute", "30", "30")),
]


@pytest.mark.parametrize(("state", "claim", "refusal"), FENCED)
def test_the_fence_holds_for_exits_too(state, claim, refusal):
    assert gate(changed(STATE, **state), changed(EXIT, **claim), LIMITS) == refusal
    entry = gate(changed(STATE, **state), changed(ENTRY, **claim), LIMITS)
    assert entry is not None
    assert entry.rule == refusal.rule


@pytest.mark.parametrize(
    "state", [{"lease_ms_left": 1}, {"now_ms": 11_000}, {"now_ms": 9_000}, {"orders_last_minute": 23}]
)
def test_the_last_value_within_each_fence_passes(state):
    assert gate(changed(STATE, **state), ENTRY, LIMITS) is None


OUT_OF_BOUNDS = [
    ({"stale_marks": "M1"}, {}, Refusal("marks", "M1", "fresh")),
    ({"orders_last_minute": 24}, {}, Refusal("maxOrdersPerMinute", "24", "24")),
    ({"flatten_until_ms": 10_001}, {}, Refusal("flatten", "1", "0")),
    ({"trades_today": 20}, {}, Refusal("maxTradesPerDay", "20", "20")),
    ({}, {"cost": DOLLAR - 1}, Refusal("minPositionDollars", "0.999999", "1.000000")),
    ({"equity": 10**12}, {"cost": 250 * DOLLAR + 1}, Refusal("maxPositionDollars", "250.000001", "250.000000")),
    (
        {"market_exposure": 40 * DOLLAR, "market_reserved": 1},
        {},
        Refusal("maxPositionFraction", "50.000001", "50.000000"),
    ),
    ({"game_exposure": 90 * DOLLAR, "game_reserved": 1}, {}, Refusal("maxGameFraction", "100.000001", "100.000000")),
    (
        {"total_exposure": 490 * DOLLAR, "total_reserved": 1},
        {},
        Refusal("maxExposureFraction", "500.000001", "500.000000"),
    ),
    ({"equity": 0}, {}, Refusal("maxPositionFraction", "10.000000", "0.000000")),
    ({"equity": -5 * DOLLAR}, {}, Refusal("maxPositionFraction", "10.000000", "0.000000")),
]


@pytest.mark.parametrize(("state", "claim", "refusal"), OUT_OF_BOUNDS)
def test_limits_on_entries_let_exits_pass(state, claim, refusal):
    assert gate(changed(STATE, **state), changed(ENTRY, **claim), LIMITS) == refusal
    assert gate(changed(STATE, **state), changed(EXIT, **claim), LIMITS) is None


@pytest.mark.parametrize(
    ("state", "cost"),
    [
        ({"trades_today": 19}, 10 * DOLLAR),
        ({}, DOLLAR),
        ({"equity": 10**12}, 250 * DOLLAR),
        ({"market_exposure": 30 * DOLLAR, "market_reserved": 10 * DOLLAR}, 10 * DOLLAR),
        ({"game_exposure": 80 * DOLLAR, "game_reserved": 10 * DOLLAR}, 10 * DOLLAR),
        ({"total_exposure": 480 * DOLLAR, "total_reserved": 10 * DOLLAR}, 10 * DOLLAR),
    ],
)
def test_exactly_the_limit_passes(state, cost):
    assert gate(changed(STATE, **state), changed(ENTRY, cost=cost), LIMITS) is None


def test_every_rule_has_a_row_above():
    rows = {refusal.rule for _, _, refusal in FENCED + OUT_OF_BOUNDS}
    assert len(rows) == len(FENCE + ENTRY_LIMITS)


money = st.integers(0, 600 * DOLLAR)
small = st.integers(0, 5)
states = st.builds(
    GateState,
    st.sampled_from([(), (), (), ("a",), ("b", "a")]), small, small, st.sampled_from(["w", "x", ""]), st.integers(-5, 5), small,
    st.booleans(), st.sampled_from(["", "", "M"]), st.booleans(), st.integers(8_000, 12_000), st.integers(0, 40),
    st.integers(0, 25), st.integers(-DOLLAR, 2_000 * DOLLAR), money, money, money, money, money, money,
)  # fmt: skip
claims = st.builds(
    Claim,
    st.just("i"),
    st.sampled_from(["entry", "exit"]),
    small,
    small,
    st.sampled_from(["w", "x"]),
    st.integers(8_000, 12_000),
    money,
)


@given(states, claims)
def test_the_gate_is_the_first_refusal_of_the_chain(state, claim):
    chain = FENCE + ENTRY_LIMITS if claim.kind == "entry" else FENCE
    found = [check(state, claim, LIMITS) for check in chain]
    refusals = [verdict.refusal for verdict in found if not verdict.passed]
    assert gate(state, claim, LIMITS) == (refusals[0] if refusals else None)
    assert verdicts(state, claim, LIMITS) == tuple(found)
    assert all(verdict.rule and verdict.value and verdict.limit for verdict in found)


# Everything that can forbid an order, made worse by one step: no order may become possible by it.
WORSE = {
    "market_exposure": 1, "game_exposure": 1, "total_exposure": 1, "market_reserved": 1, "game_reserved": 1,
    "total_reserved": 1, "equity": -1, "orders_last_minute": 1, "trades_today": 1, "lease_ms_left": -1,
}  # fmt: skip


@given(st.sampled_from(sorted(WORSE)), money, money, money, st.integers(0, 2_000 * DOLLAR), money)
def test_what_is_refused_stays_refused_when_things_get_worse(field, market, game, total, equity, cost):
    state = changed(STATE, market_exposure=market, game_exposure=game, total_exposure=total, equity=equity)
    claim = changed(ENTRY, cost=cost)
    worse = changed(state, **{field: getattr(state, field) + WORSE[field]})
    if gate(state, claim, LIMITS) is not None:
        assert gate(worse, claim, LIMITS) is not None


@given(st.integers(0, 1_000))
def test_exits_keep_a_fifth_of_the_order_rate(per_minute):
    kept = per_minute - orders_allowed(per_minute, entry=True)
    assert orders_allowed(per_minute, entry=False) == per_minute
    assert kept == (0 if per_minute <= 1 else max(1, per_minute // 5))


@given(st.integers(-(10**13), 10**13), st.integers(0, 10**6))
def test_a_part_of_equity_is_rounded_down_and_never_negative(equity, fraction):
    part = part_of(equity, fraction)
    assert part >= 0
    if equity > 0:
        assert part * 10**6 <= equity * fraction < (part + 1) * 10**6
