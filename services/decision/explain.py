"""What a decision saw, rule by rule. Pure; made only for decisions that are written, never for every signal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from services.decision.decide import GAME_STALE_MS, STALE_MS, VIEW_MS, Asked, Draft
from services.decision.view import MAX_BACKLOG, RiskView
from trading_logic.contracts.messages import EXPLANATION_VERSION, Decision, Explanation, Intent, ModelNumber
from trading_logic.money import ONE_CONTRACT, format_cash, format_count, format_fraction, format_price
from trading_logic.refusal import Verdict
from trading_logic.sizing import worst_cost
from trading_logic.stages import DECISION_RULES


def explained(asked: Asked, draft: Draft, decision: Decision, intent: Intent | None) -> Decision:
    """The decision with its explanation; `draft` is the one that `decide` filled in."""
    signal = asked.signal
    weights = {model.name: model.weight_ppm for model in asked.config.models}
    told = Explanation(
        version=EXPLANATION_VERSION,
        intent_id=intent.id if intent else "",
        outcome=signal.outcome,
        top=signal.top,
        yes_bid_depth=signal.yes_bid_depth,
        yes_ask_depth=signal.yes_ask_depth,
        game=signal.game,
        game_degraded=signal.game_degraded,
        prior_home_ppm=signal.prior_home_ppm,
        models=tuple(ModelNumber(name, version, weights[name], ppm) for name, version, ppm in decision.parts),
        fee=_fee(asked, draft),
        sizing=draft.sizing,
        checks=checks(asked, draft, decision),
        prior_total=signal.prior_total,
    )
    return msgspec.structs.replace(decision, explanation=told)


def checks(asked: Asked, draft: Draft, decision: Decision) -> tuple[Verdict, ...]:
    """Every rule that was asked, in order; the last one is the one that said no, if one did."""
    found: list[Verdict] = []
    for rule in DECISION_RULES:
        if rule == decision.rule:
            break
        value, limit = _SEEN[rule](asked, draft)
        found.append(Verdict(rule, value, limit, passed=True))
    if decision.rule:
        found.append(Verdict(decision.rule, decision.value, decision.limit, passed=False))
    return tuple(found)


def _fee(asked: Asked, draft: Draft) -> int | None:
    if draft.price is None or asked.market is None:
        return None
    terms = asked.market.terms(is_taker=asked.config.entry.order_style == "Take")
    return worst_cost(terms, draft.price, ONE_CONTRACT) - draft.price * ONE_CONTRACT


def _price(price: int | None) -> str:
    return "nothing to buy" if price is None else format_price(price)


def _feed(asked: Asked, _: Draft) -> tuple[str, str]:
    age = max(asked.now_ms - asked.signal.top.alive_ms, asked.now_ms - asked.signal.received_ms)
    return f"{asked.signal.top.status}, {age} ms old", f"valid, {STALE_MS} ms"


def _market_status(asked: Asked, _: Draft) -> tuple[str, str]:
    return asked.market.info.status if asked.market else "", "active"


def _game_status(asked: Asked, _: Draft) -> tuple[str, str]:
    game = asked.signal.game
    value = f"{game.status}, {asked.now_ms - game.received_ms} ms old" if game else ""
    return value, f"scheduled, live or halftime, {GAME_STALE_MS} ms"


def _models(_: Asked, draft: Draft) -> tuple[str, str]:
    return format_fraction(draft.fair.probability) if draft.fair else "", "a number of every model"


def _spread(asked: Asked, _: Draft) -> tuple[str, str]:
    top = asked.signal.top
    return format_price(top.yes_ask - top.yes_bid), format_price(asked.config.entry.max_spread)


def _liquidity(asked: Asked, draft: Draft) -> tuple[str, str]:
    depth = asked.signal.yes_bid_depth if draft.side == "no" else asked.signal.yes_ask_depth
    return format_count(depth), format_count(asked.config.entry.min_liquidity)


def _risk(asked: Asked, _: Draft) -> tuple[str, str]:
    assert isinstance(asked.view, RiskView)
    read, written = asked.now_ms - asked.view.read_ms, asked.now_ms - asked.view.updated_ms
    limit = f"{VIEW_MS} ms, {asked.config.limits.stale_after_ms} ms"
    return f"record read {read} ms ago, ledger heard {written} ms ago, reconciled", limit


def _backlog(asked: Asked, _: Draft) -> tuple[str, str]:
    assert isinstance(asked.view, RiskView)
    return str(asked.view.backlog), str(MAX_BACKLOG)


def _kelly(_: Asked, draft: Draft) -> tuple[str, str]:
    assert draft.sizing is not None
    value = f"stake {format_cash(draft.sizing.stake)}, held {format_cash(draft.sizing.held)}"
    return value, f"a contract more at a fraction of {format_fraction(draft.sizing.kelly_ppm)}"


def _least(asked: Asked, draft: Draft) -> tuple[str, str]:
    assert draft.sizing is not None
    return format_cash(draft.sizing.cost), format_cash(asked.config.limits.min_position_cash)


_SEEN: Final[dict[str, Callable[[Asked, Draft], tuple[str, str]]]] = {
    "feed": _feed,
    "marketStatus": _market_status,
    "gameStatus": _game_status,
    "models": _models,
    "minPrice": lambda asked, draft: (_price(draft.price), format_price(asked.config.entry.min_price)),
    "maxPrice": lambda asked, draft: (_price(draft.price), format_price(asked.config.entry.max_price)),
    "maxSpread": _spread,
    "minLiquidityContracts": _liquidity,
    "minEdge": lambda asked, draft: (_price(draft.edge), format_price(asked.config.entry.min_edge)),
    "latch": lambda _, __: ("none", "none"),
    "risk": _risk,
    "executorBacklog": _backlog,
    "orderOutstanding": lambda _, __: ("none", "no order that has not ended"),
    "opposite": lambda _, __: ("none", "none of the other side"),
    "kelly": _kelly,
    "minPositionDollars": _least,
}
"""Rule -> the value and the limit that it let pass."""
