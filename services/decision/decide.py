"""One signal, one decision. Pure: the same signal, view, configuration and time give the same answer.

Rules are asked in a fixed order and the first that says no is the answer, with its value and its limit. Names are
those of the fields in TradingStrategy and RiskPolicy where there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final, Literal

from services.decision.fair import Fair, FairValue
from services.decision.size import entry_size
from services.decision.terms import MarketTerms
from services.decision.view import RiskView, check
from trading_logic.contracts.config import DecisionConfig
from trading_logic.contracts.messages import Decision, ExitPlan, Intent, Side, Signal, Sizing
from trading_logic.money import DOLLAR_PRICE, ONE_PPM, Price, format_count, format_price
from trading_logic.orders import intent_id
from trading_logic.refusal import Refusal
from trading_logic.sizing import Sized, Terms, best_side

STALE_MS: Final = 2_000
"""Ingest says once a second that it is alive: older than this, prices may be anything."""

GAME_STALE_MS: Final = 30_000
VIEW_MS: Final = 1_000
"""The record is read every 200 ms: a view older than this means it cannot be read."""

PASS: Final = frozenset({"minEdge", "kelly"})
"""Rules that say that there is nothing to gain; all others refuse what there might be."""


@dataclass(slots=True)
class Draft:
    """What is known so far of the decision under way."""

    fair: Fair | None = None
    side: Side | Literal[""] = ""
    price: Price | None = None
    edge: int | None = None
    sized: Sized | None = None
    sizing: Sizing | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """All that a decision may look at."""

    signal: Signal
    market: MarketTerms | None
    view: RiskView | Refusal
    outstanding: Collection[str]
    """Markets with an intent of ours that the view cannot know yet."""
    config: DecisionConfig
    fair: FairValue
    now_ms: int


def decide(asked: Asked, draft: Draft | None = None) -> tuple[Decision, Intent | None]:
    """The decision on one signal, and the intent when it is to trade. An empty `draft` is left filled in."""
    draft = Draft() if draft is None else draft
    refusal = _first(asked, draft)
    signal, cfg = asked.signal, asked.config
    intent = None if refusal else _intent(asked, draft)
    decision = Decision(
        id=intent_id(cfg.strategy_uid, signal.id, "decision"),
        signal_id=signal.id,
        strategy=cfg.strategy,
        event=signal.event,
        market=signal.market,
        verdict="trade" if refusal is None else "pass" if refusal.rule in PASS else "refused",
        rule=refusal.rule if refusal else "",
        value=refusal.value if refusal else "",
        limit=refusal.limit if refusal else "",
        side=draft.side,
        fair_ppm=draft.fair.probability if draft.fair else None,
        parts=draft.fair.parts if draft.fair else (),
        price=draft.price,
        edge=draft.edge,
        count=intent.count if intent else 0,
        received_ms=signal.received_ms,
        decided_ms=asked.now_ms,
        trace=signal.trace,
    )
    return decision, intent


def _first(asked: Asked, draft: Draft) -> Refusal | None:
    for rule in _RULES:
        refusal = rule(asked, draft)
        if refusal is not None:
            return refusal
    return None


# ---------------------------------------------------------------------------------------------- may it be looked at


def _feed(asked: Asked, _draft: Draft) -> Refusal | None:
    top = asked.signal.top
    if top.status != "valid":
        return Refusal("feed", top.status, "valid")
    for what, at_ms in (("feed silent for", top.alive_ms), ("tick received", asked.signal.received_ms)):
        if asked.now_ms - at_ms > STALE_MS:
            return Refusal("feed", f"stale: {what} {asked.now_ms - at_ms} ms", f"{STALE_MS} ms")
    return None


def _market_status(asked: Asked, _draft: Draft) -> Refusal | None:
    market = asked.market
    if market is None:
        return Refusal("marketStatus", "not in the catalog", "active")
    if not market.exchange_active:
        return Refusal("marketStatus", "exchange paused", "active")
    if market.info.status != "active":
        return Refusal("marketStatus", market.info.status, "active")
    return None


def _game_status(asked: Asked, _draft: Draft) -> Refusal | None:
    game = asked.signal.game
    if game is None:
        return Refusal("gameStatus", "no game state", "a game state")
    if game.status == "final":
        return Refusal("gameStatus", "final", "scheduled, live or halftime")
    age = asked.now_ms - game.received_ms
    if age > GAME_STALE_MS:
        return Refusal("gameStatus", f"state {age} ms old", f"{GAME_STALE_MS} ms")
    return None


# ---------------------------------------------------------------------------------------------- is there something


def _models(asked: Asked, draft: Draft) -> Refusal | None:
    assert asked.market is not None  # marketStatus comes before
    fair = asked.fair.of(asked.signal, asked.market.info)
    if isinstance(fair, Refusal):
        return fair
    draft.fair = fair
    best = best_side(
        _terms(asked),
        yes_ask=entry_price(asked.market, asked.signal, asked.config.entry.order_style, "yes"),
        no_ask=entry_price(asked.market, asked.signal, asked.config.entry.order_style, "no"),
        probability=fair.probability,
    )
    if best is not None:
        draft.side, draft.price, edge = best
        draft.edge = edge // 100  # cash per contract to 1/10,000 dollar, rounded against us
    return None


def entry_price(market: MarketTerms, signal: Signal, style: Literal["Take", "Rest"], side: Side) -> Price | None:
    """Limit of an entry in the side's own dollars; None when the side has nothing to take or to join.

    Take pays the best ask. Rest joins the best bid one step above it where that still leaves a spread, and never
    reaches the ask.
    """
    top = signal.top
    if side == "yes":
        bid, bid_size, ask, ask_size = top.yes_bid, top.yes_bid_size, top.yes_ask, top.yes_ask_size
    else:
        bid, bid_size = DOLLAR_PRICE - top.yes_ask, top.yes_ask_size
        ask, ask_size = DOLLAR_PRICE - top.yes_bid, top.yes_bid_size
    if style == "Take":
        return ask if ask_size else None
    if not bid_size:
        return None
    better = market.next_up(side, bid)
    return better if better is not None and better < (ask if ask_size else DOLLAR_PRICE) else bid


def _terms(asked: Asked) -> Terms:
    assert asked.market is not None
    return asked.market.terms(is_taker=asked.config.entry.order_style == "Take")


def _min_price(asked: Asked, draft: Draft) -> Refusal | None:
    least = asked.config.entry.min_price
    if draft.price is not None and draft.price < least:
        return Refusal("minPrice", format_price(draft.price), format_price(least))
    return None


def _max_price(asked: Asked, draft: Draft) -> Refusal | None:
    most = asked.config.entry.max_price
    if draft.price is not None and draft.price > most:
        return Refusal("maxPrice", format_price(draft.price), format_price(most))
    return None


def _max_spread(asked: Asked, _draft: Draft) -> Refusal | None:
    top, most = asked.signal.top, asked.config.entry.max_spread
    if not (top.yes_bid_size and top.yes_ask_size):
        return Refusal("maxSpread", "one side is empty", format_price(most))
    spread = top.yes_ask - top.yes_bid
    return Refusal("maxSpread", format_price(spread), format_price(most)) if spread > most else None


def _min_liquidity(asked: Asked, draft: Draft) -> Refusal | None:
    """Contracts within the five best levels of the side that an entry would buy from."""
    least = asked.config.entry.min_liquidity
    depth = asked.signal.yes_bid_depth if draft.side == "no" else asked.signal.yes_ask_depth
    return Refusal("minLiquidityContracts", format_count(depth), format_count(least)) if depth < least else None


def _min_edge(asked: Asked, draft: Draft) -> Refusal | None:
    least = asked.config.entry.min_edge
    if draft.edge is None:
        return Refusal("minEdge", "nothing to buy", format_price(least))
    return Refusal("minEdge", format_price(draft.edge), format_price(least)) if draft.edge < least else None


# ---------------------------------------------------------------------------------------------- may it be bought


def _latch(asked: Asked, _draft: Draft) -> Refusal | None:
    if isinstance(asked.view, RiskView) and asked.view.causes:
        return Refusal("latch", ",".join(asked.view.causes), "none")
    return None


def _risk(asked: Asked, _draft: Draft) -> Refusal | None:
    if isinstance(asked.view, Refusal):
        return asked.view
    refusal = check(asked.view, asked.now_ms, asked.config.limits.stale_after_ms, VIEW_MS)
    if refusal is None and asked.view.equity <= 0:
        return Refusal("risk", f"equity {asked.view.equity}", "above 0")
    return refusal


def _order_outstanding(asked: Asked, _draft: Draft) -> Refusal | None:
    market = asked.signal.market
    if market in _view(asked).outstanding or market in asked.outstanding:
        return Refusal("orderOutstanding", market, "no order that has not ended")
    return None


def _opposite(asked: Asked, draft: Draft) -> Refusal | None:
    held = _view(asked).positions.get(asked.signal.market, 0)
    if held and (held > 0) != (draft.side == "yes"):
        return Refusal("opposite", f"{format_count(abs(held))} {'YES' if held > 0 else 'NO'}", "none of the other side")
    return None


def _size(asked: Asked, draft: Draft) -> Refusal | None:
    assert asked.market is not None
    assert draft.fair is not None
    assert draft.price is not None
    assert draft.side
    signal = asked.signal
    take = asked.config.entry.order_style == "Take"
    available = (signal.top.yes_ask_size if draft.side == "yes" else signal.top.yes_bid_size) if take else None
    yes = draft.fair.probability
    sized, draft.sizing = entry_size(
        _terms(asked),
        side=draft.side,
        price=draft.price,
        probability=yes if draft.side == "yes" else ONE_PPM - yes,
        kelly_ppm=kelly(asked.config, degraded=signal.game_degraded),
        limits=asked.config.limits,
        view=_view(asked),
        market=signal.market,
        game=asked.market.game,
        available=available,
    )
    if isinstance(sized, Refusal):
        return sized
    draft.sized = sized
    return None


def kelly(config: DecisionConfig, *, degraded: bool) -> int:
    """The fraction of Kelly in ppm; a part of it while running on cached data."""
    return config.kelly_ppm * config.limits.degraded_kelly_ppm // ONE_PPM if degraded else config.kelly_ppm


def _view(asked: Asked) -> RiskView:
    assert isinstance(asked.view, RiskView)  # rule `risk` comes before
    return asked.view


Rule = Callable[[Asked, Draft], Refusal | None]
_RULES: Final[tuple[Rule, ...]] = (
    _feed,
    _market_status,
    _game_status,
    _models,
    _min_price,
    _max_price,
    _max_spread,
    _min_liquidity,
    _min_edge,
    _latch,
    _risk,
    _order_outstanding,
    _opposite,
    _size,
)


# ---------------------------------------------------------------------------------------------- the wish


def exit_plan(config: DecisionConfig, market: MarketTerms, side: Side, price: Price) -> ExitPlan:
    """When to leave a position bought at `price`: prices on the market's grid, in the side's own dollars."""
    before = config.exit.flatten_before_close_seconds
    return ExitPlan(
        stop_price=market.nearest(side, price - config.exit.stop_loss),
        take_price=market.nearest(side, price + config.exit.take_profit),
        flatten_at_ms=market.info.close_ms - before * 1000 if before > 0 else 0,
    )


def _intent(asked: Asked, draft: Draft) -> Intent:
    signal, cfg, market = asked.signal, asked.config, asked.market
    assert market is not None
    assert draft.sized is not None
    sized = draft.sized
    return Intent(
        id=intent_id(cfg.strategy_uid, signal.id, f"entry:{sized.side}"),
        strategy=cfg.strategy,
        strategy_uid=cfg.strategy_uid,
        policy=cfg.policy,
        event=signal.event,
        game=market.game,
        market=signal.market,
        exchange_index=market.exchange_index,
        kind="entry",
        side=sized.side,
        price=sized.price,
        count=sized.count,
        style=cfg.entry.order_style,
        rest_seconds=cfg.entry.rest_seconds,
        cost=sized.cost,
        exit_plan=exit_plan(cfg, market, sized.side, sized.price),
        signal_id=signal.id,
        received_ms=signal.received_ms,
        created_ms=asked.now_ms,
        trace=signal.trace,
    )
