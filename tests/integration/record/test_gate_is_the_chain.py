"""The gate's Lua and the chain in trading_logic.risk.checks say the same on the same state, refusal by refusal."""

from __future__ import annotations

import asyncio

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.runtime.record import Claimed, Fence, Record
from services.runtime.store import Store
from trading_logic.contracts import record as shapes
from trading_logic.contracts.config import Limits
from trading_logic.contracts.messages import ExitPlan, Intent
from trading_logic.contracts.topics import RecordTopics
from trading_logic.refusal import Refusal
from trading_logic.risk.checks import Claim, GateState, gate

NOW = 1_790_000_000_000
DAY = "2026-09-21"

small = st.integers(0, 3)
cash = st.one_of(st.integers(0, 60_000_000), st.sampled_from([0, 1, 999_999, 1_000_000, 49_999_999, 50_000_000]))
rare = st.integers(0, 9).map(lambda n: n == 0)
limits = st.builds(
    Limits,
    max_drawdown_ppm=st.just(1),
    max_daily_loss_ppm=st.just(1),
    stale_after_ms=st.just(10_000),
    degraded_kelly_ppm=st.just(0),
    max_position_fraction_ppm=st.sampled_from([0, 50_000, 333_333, 1_000_000]),
    min_position_cash=cash,
    max_position_cash=cash,
    max_exposure_fraction_ppm=st.sampled_from([0, 500_000, 1_000_000]),
    max_game_fraction_ppm=st.sampled_from([100_000, 777_777]),
    max_orders_per_minute=st.integers(0, 6),
    max_trades_per_day=small,
)


@st.composite
def cases(draw: st.DrawFn) -> tuple[GateState, Claim, Limits]:
    kind = draw(st.sampled_from(["entry", "entry", "exit"]))
    epoch, term = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    state = GateState(
        latch_ids=tuple(sorted(draw(st.sets(st.sampled_from(["manual", "drawdown-1", "x"]))))) if draw(rare) else (),
        epoch=epoch, term=term, writer_token="" if draw(rare) else "me",
        lease_ms_left=0 if draw(rare) else 10_000, lease_epoch=epoch - 1 if draw(rare) else epoch,
        reconciled=not draw(rare), stale_marks=draw(st.sampled_from(["none", "M"])) if draw(rare) else "", seen=draw(rare), now_ms=NOW,
        orders_last_minute=draw(st.integers(0, 6)), trades_today=draw(small),
        flatten_until_ms=draw(st.sampled_from([NOW - 1, NOW, NOW + 1, NOW + 60_000])) if draw(rare) else 0, equity=draw(st.integers(-5_000_000, 1_000_000_000)),
        market_exposure=draw(cash), game_exposure=draw(cash), total_exposure=draw(cash),
        market_reserved=draw(cash), game_reserved=0, total_reserved=0,
    )  # fmt: skip
    # Reservations of this market count for its game and the whole; others come on top.
    game = state.market_reserved + draw(cash)
    state = msgspec.structs.replace(state, game_reserved=game, total_reserved=game + draw(cash))
    claim = Claim(
        intent_id="i", kind=kind, epoch=epoch + 1 if draw(rare) else epoch, term=term - 1 if draw(rare) else term,
        writer_token="me" if not draw(rare) else "you",
        received_ms=NOW - draw(st.sampled_from([0, 0, 0, 1_000, 1_001, -1_000, -1_001])), cost=draw(cash) if kind == "entry" else 0,
    )  # fmt: skip
    return state, claim, draw(limits)


async def lay(rec: Record, state: GateState) -> None:
    """Write the state as the ledger, the operator and the executors would have left it."""
    t, pipe = rec.topics, rec.store.pipeline(transaction=True)
    pipe.flushall()
    for cause in state.latch_ids:
        pipe.hset(t.latch(), cause, "{}")
    pipe.set(t.epoch(), state.epoch)
    pipe.set(t.term("s"), state.term)
    if state.writer_token:
        pipe.set(t.writer_lease("s"), state.writer_token)
    if state.lease_ms_left > 0:
        lease = shapes.TradingLease(epoch=state.lease_epoch, seq=1, incarnation="x", at_ms=NOW)
        pipe.set(t.trading_lease(), shapes.encode(lease), px=state.lease_ms_left)
    risk = {"reconciled": "1" if state.reconciled else "0", "equity": state.equity, "exposure": state.total_exposure}
    pipe.hset(t.risk(), mapping=risk)
    if state.stale_marks != "none":
        pipe.hset(t.risk(), "marks", state.stale_marks)
    pipe.hset(t.exposure(), mapping={"m:M": state.market_exposure, "g:G": state.game_exposure})
    pipe.hset(t.reserved(), mapping={
        "a": f"M|G|{state.market_reserved}", "b": f"N|G|{state.game_reserved - state.market_reserved}",
        "c": f"O|H|{state.total_reserved - state.game_reserved}",
    })  # fmt: skip
    if state.seen:
        pipe.hset(t.order("i"), "state", "claimed")
    for n in range(state.orders_last_minute):
        pipe.zadd(t.rate(), {f"r{n}": NOW - 60_000 + n})
    pipe.zadd(t.rate(), {"older": NOW - 60_001})
    if state.flatten_until_ms:
        pipe.hset(t.flatten(), "s", state.flatten_until_ms)
    pipe.hset(t.flatten(), "another", NOW + 60_000)
    for n in range(state.trades_today):
        pipe.sadd(t.trades(DAY), f"t{n}")
    await pipe.execute()


async def ask(url: str, state: GateState, claim: Claim, own: Limits) -> Claimed | Refusal:
    store = Store(url, "record")
    rec = Record(store, RecordTopics("t", "house"))
    await lay(rec, state)
    intent = Intent(
        id="i", strategy="s", strategy_uid="u", policy="house", event="E", game="G", market="M", exchange_index=0,
        kind=claim.kind, side="yes", price=5_000, count=100, style="Take", rest_seconds=0, cost=claim.cost,
        exit_plan=ExitPlan(1, 2, 0) if claim.kind == "entry" else None, signal_id="", received_ms=claim.received_ms,
        created_ms=NOW, trace="",
    )  # fmt: skip
    fence = Fence(claim.epoch, claim.term, claim.writer_token, "g")
    answer = await rec.claim(intent, b"{}", "c", fence, own, DAY, state.now_ms)
    await store.close()
    return answer


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=cases())
def test_lua_and_chain_agree(redis_url: str, case: tuple[GateState, Claim, Limits]) -> None:
    state, claim, own = case
    answer = asyncio.run(ask(redis_url, state, claim, own))
    expected = gate(state, claim, own)
    if expected is None:
        assert isinstance(answer, Claimed)
    else:
        assert answer == expected
