from __future__ import annotations

import dataclasses

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from services.decision.size import entry_size
from trading_logic.fees import FeeSchedule, Precision
from trading_logic.refusal import Refusal
from trading_logic.sizing import Sized, Terms, worst_cost

TERMS = Terms(FeeSchedule("quadratic", 1_000_000), Precision.DIRECT, is_taker=True)
CASH = st.integers(0, 2_000_000_000)
PPM = st.integers(0, 1_000_000)


@settings(max_examples=200)
@given(
    price=st.integers(1, 99).map(lambda cents: cents * 100),
    probability=PPM,
    equity=st.integers(1, 5_000_000_000),
    held=CASH,
    game=CASH,
    total=CASH,
    caps=st.tuples(CASH, PPM, PPM, PPM),
    available=st.none() | st.integers(0, 100_000),
)
def test_whatever_the_numbers_no_limit_is_passed(
    scene_limits, price, probability, equity, held, game, total, caps, available
):
    limits, view = scene_limits
    limits = msgspec.structs.replace(
        limits,
        max_position_cash=caps[0],
        max_position_fraction_ppm=caps[1],
        max_game_fraction_ppm=caps[2],
        max_exposure_fraction_ppm=caps[3],
    )
    view = dataclasses.replace(view, equity=equity, by_market={"m": held}, by_game={"g": game}, total=total)
    sized, told = entry_size(
        TERMS, side="yes", price=price, probability=probability, kelly_ppm=250_000, limits=limits, view=view,
        market="m", game="g", available=available,
    )  # fmt: skip
    if isinstance(sized, Refusal):
        assert sized.rule in {"kelly", "minPositionDollars"}
        assert (told.count == 0) is (sized.rule == "kelly" or told.cost == 0)
        return
    assert isinstance(sized, Sized)
    assert sized.count > 0
    assert (told.count, told.cost, told.stake, told.held) == (sized.count, sized.cost, sized.stake, held)
    assert sized.cost <= told.rooms[told.clipped_by] if told.clipped_by in told.rooms else available is not None
    assert sized.count % 100 == 0
    assert sized.cost == worst_cost(TERMS, price, sized.count) >= limits.min_position_cash
    assert held + sized.cost <= min(sized.stake, caps[0], equity * caps[1] // 1_000_000)
    assert game + sized.cost <= equity * caps[2] // 1_000_000
    assert total + sized.cost <= equity * caps[3] // 1_000_000
    assert available is None or sized.count <= available
