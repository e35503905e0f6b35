"""The gate: every check between a wish and an order, as a chain of pure functions.

``trading_logic/contracts/lua/claim.lua`` is the same chain in one atomic call; one suite runs both on the same
states. This one is the definition that the script is held to; in production only the script runs. The first refusal
ends the chain. Exits pass the limits on entries, never the fence.
"""

from collections.abc import Callable
from typing import Final, Literal

import msgspec

from trading_logic.contracts.config import Limits
from trading_logic.money import Cash, format_cash
from trading_logic.refusal import Refusal, Verdict
from trading_logic.risk.limits import MAX_INTENT_AGE_MS, orders_allowed, part_of


class GateState(msgspec.Struct, frozen=True, gc=False):
    """What the record says at the moment of the claim. Money is cash; sums of reservations exclude this claim.

    Attributes:
        latch_ids: ids of the causes to be halted.
        writer_token: who holds the strategy's writer lease, "" when nobody does.
        lease_ms_left: life left of the trading lease, 0 or less when there is none.
        lease_epoch: the epoch that the trading lease was given for.
        reconciled: whether the ledger's books agree with the exchange.
        stale_marks: markets without a fresh mark, "" when all are fresh, "none" when the ledger never said.
        seen: whether an order of this intent exists.
        orders_last_minute: orders claimed within the last ``ORDER_WINDOW_MS``.
        trades_today: entry orders of the trading day that are not proved unfilled.
        flatten_until_ms: until when people want the strategy to hold nothing, 0 when they do not.
        market_exposure, game_exposure, total_exposure: worst-case loss of positions.
        market_reserved, game_reserved, total_reserved: cost of open entry orders.
    """

    latch_ids: tuple[str, ...]
    epoch: int
    term: int
    writer_token: str
    lease_ms_left: int
    lease_epoch: int
    reconciled: bool
    stale_marks: str
    seen: bool
    now_ms: int
    orders_last_minute: int
    trades_today: int
    flatten_until_ms: int
    equity: Cash
    market_exposure: Cash
    game_exposure: Cash
    total_exposure: Cash
    market_reserved: Cash
    game_reserved: Cash
    total_reserved: Cash


class Claim(msgspec.Struct, frozen=True, gc=False):
    """A wish that asks to become an order. ``cost`` is its worst-case loss, fees included."""

    intent_id: str
    kind: Literal["entry", "exit"]
    epoch: int
    term: int
    writer_token: str
    received_ms: int
    cost: Cash


Check = Callable[[GateState, Claim, Limits], Verdict]


def duplicate(state: GateState, claim: Claim, _: Limits) -> Verdict:
    """One intent, one order, however often the intent is delivered."""
    return Verdict("duplicate", claim.intent_id, "once", not state.seen)


def latch(state: GateState, _: Claim, __: Limits) -> Verdict:
    return Verdict("latch", ",".join(sorted(state.latch_ids)) or "none", "none", not state.latch_ids)


def epoch(state: GateState, claim: Claim, _: Limits) -> Verdict:
    """A halt since the wish was made."""
    return Verdict("epoch", str(claim.epoch), str(state.epoch), claim.epoch == state.epoch)


def term(state: GateState, claim: Claim, _: Limits) -> Verdict:
    """Another executor took over."""
    return Verdict("term", str(claim.term), str(state.term), claim.term == state.term)


def writer_lease(state: GateState, claim: Claim, _: Limits) -> Verdict:
    held = bool(state.writer_token) and state.writer_token == claim.writer_token
    return Verdict("writerLease", state.writer_token or "none", claim.writer_token, held)


def trading_lease(state: GateState, _: Claim, __: Limits) -> Verdict:
    """The ledger's word is over, or was given before the last halt."""
    good = state.lease_ms_left > 0 and state.lease_epoch == state.epoch
    return Verdict("tradingLease", str(state.lease_ms_left) if good else "0", "> 0", good)


def reconciled(state: GateState, _: Claim, __: Limits) -> Verdict:
    return Verdict("reconciled", "yes" if state.reconciled else "no", "yes", state.reconciled)


def marks(state: GateState, claim: Claim, _: Limits) -> Verdict:
    """No new entries while a position's worth is not known from a good book."""
    return Verdict("marks", state.stale_marks or "fresh", "fresh", claim.kind == "exit" or not state.stale_marks)


def intent_age(state: GateState, claim: Claim, _: Limits) -> Verdict:
    age = state.now_ms - claim.received_ms
    return Verdict("intentAge", str(age), str(MAX_INTENT_AGE_MS), abs(age) <= MAX_INTENT_AGE_MS)


def max_orders_per_minute(state: GateState, claim: Claim, limits: Limits) -> Verdict:
    allowed = orders_allowed(limits.max_orders_per_minute, entry=claim.kind == "entry")
    sent = state.orders_last_minute
    return Verdict("maxOrdersPerMinute", str(sent), str(allowed), sent < allowed)


def flatten(state: GateState, _: Claim, __: Limits) -> Verdict:
    """People want this strategy flat: it sells, and enters nothing for so many ms more."""
    left = max(0, state.flatten_until_ms - state.now_ms)
    return Verdict("flatten", str(left), "0", left == 0)


def max_trades_per_day(state: GateState, _: Claim, limits: Limits) -> Verdict:
    made, most = state.trades_today, limits.max_trades_per_day
    return Verdict("maxTradesPerDay", str(made), str(most), made < most)


def min_position_dollars(_: GateState, claim: Claim, limits: Limits) -> Verdict:
    least = limits.min_position_cash
    return Verdict("minPositionDollars", format_cash(claim.cost), format_cash(least), claim.cost >= least)


def _within(rule: str, value: Cash, limit: Cash) -> Verdict:
    return Verdict(rule, format_cash(value), format_cash(limit), value <= limit)


def max_position_dollars(state: GateState, claim: Claim, limits: Limits) -> Verdict:
    held = state.market_exposure + state.market_reserved + claim.cost
    return _within("maxPositionDollars", held, limits.max_position_cash)


def max_position_fraction(state: GateState, claim: Claim, limits: Limits) -> Verdict:
    held = state.market_exposure + state.market_reserved + claim.cost
    return _within("maxPositionFraction", held, part_of(state.equity, limits.max_position_fraction_ppm))


def max_game_fraction(state: GateState, claim: Claim, limits: Limits) -> Verdict:
    held = state.game_exposure + state.game_reserved + claim.cost
    return _within("maxGameFraction", held, part_of(state.equity, limits.max_game_fraction_ppm))


def max_exposure_fraction(state: GateState, claim: Claim, limits: Limits) -> Verdict:
    held = state.total_exposure + state.total_reserved + claim.cost
    return _within("maxExposureFraction", held, part_of(state.equity, limits.max_exposure_fraction_ppm))


# A known intent comes first: asking again must not even be counted, whatever else has changed since.
FENCE: Final[tuple[Check, ...]] = (
    duplicate,
    latch,
    epoch,
    term,
    writer_lease,
    trading_lease,
    reconciled,
    marks,
    intent_age,
    max_orders_per_minute,
)
"""Checks that every order passes."""

ENTRY_LIMITS: Final[tuple[Check, ...]] = (
    flatten,
    max_trades_per_day,
    min_position_dollars,
    max_position_dollars,
    max_position_fraction,
    max_game_fraction,
    max_exposure_fraction,
)
"""Checks of what would be held; an exit holds less afterwards."""

_CHAIN: Final[dict[str, tuple[Check, ...]]] = {"entry": FENCE + ENTRY_LIMITS, "exit": FENCE}


def verdicts(state: GateState, claim: Claim, limits: Limits) -> tuple[Verdict, ...]:
    """Every check of the chain in its order, also those after a no: for people who ask why."""
    return tuple(check(state, claim, limits) for check in _CHAIN[claim.kind])


def gate(state: GateState, claim: Claim, limits: Limits) -> Refusal | None:
    """The first refusal of the chain, or None when the claim may become an order."""
    for check in _CHAIN[claim.kind]:
        verdict = check(state, claim, limits)
        if not verdict.passed:
            return verdict.refusal
    return None
