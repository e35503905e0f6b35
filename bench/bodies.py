"""JSON bodies of the bench venue: one event of twenty markets, one game that stands still, one flat account. Pure."""

from __future__ import annotations

import time
from typing import Any

from bench.market import EVENT, MARKETS, TEAMS
from trading_logic.money import format_price, parse_price

Body = dict[str, Any]

GAME = "11111111-2222-4333-8444-555555555555"
SERIES = "KXNFLGAME"
BALANCE_DOLLARS = 10_000
STARTED_S_AGO = 3_600


def stamp(epoch_s: float) -> str:
    """RFC 3339 in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch_s))


def status() -> Body:
    return {"exchange_active": True, "trading_active": True}


def series() -> Body:
    return {
        "series": {
            "ticker": SERIES, "title": "Pro football game", "category": "Sports", "categories": ["Sports"],
            "frequency": "custom", "fee_type": "quadratic", "fee_multiplier": 1,
        }
    }  # fmt: skip


def team_of(market: str) -> str:
    return next(team for team in TEAMS if team in market)


def market(ticker: str, now_s: float) -> Body:
    """As of the start: the stream tells the prices that count."""
    return {
        "ticker": ticker, "event_ticker": EVENT, "status": "active", "yes_sub_title": team_of(ticker),
        "no_sub_title": team_of(ticker), "open_time": stamp(now_s - 86_400), "close_time": stamp(now_s + 86_400),
        "yes_bid_dollars": "0.3400", "yes_ask_dollars": "0.6600", "no_bid_dollars": "0.3400",
        "no_ask_dollars": "0.6600", "yes_bid_size_fp": "300.00", "yes_ask_size_fp": "300.00",
        "last_price_dollars": "0.5000", "volume_fp": "0.00", "open_interest_fp": "0.00", "result": "",
        "price_level_structure": "linear_cent",
        "price_ranges": [{"start": "0.0100", "end": "0.9900", "step": "0.0100"}],
        "can_close_early": True, "settlement_timer_seconds": 60, "strike_type": "structured",
        "custom_strike": {"football_team": TEAMS[team_of(ticker)]},
    }  # fmt: skip


def event(now_s: float) -> Body:
    return {
        "event": {
            "event_ticker": EVENT, "series_ticker": SERIES, "title": "Away at Home Winner?", "sub_title": "bench",
            "mutually_exclusive": True, "collateral_return_type": "MECNET",
        },
        "markets": [market(ticker, now_s) for ticker in MARKETS],
    }  # fmt: skip


def milestones(now_s: float) -> Body:
    return {
        "milestones": [
            {
                "id": GAME, "category": "Sports", "type": "football_game", "title": "Away at Home",
                "start_date": stamp(now_s - STARTED_S_AGO), "related_event_tickers": [EVENT],
                "primary_event_tickers": [EVENT], "last_updated_ts": stamp(now_s),
                "details": {
                    "home_team_id": TEAMS["HOME"], "away_team_id": TEAMS["AWAY"],
                    "main_game_event_ticker": EVENT, "status": "live",
                },
            }
        ]
    }  # fmt: skip


def trades(ticker: str, now_s: float) -> Body:
    """One trade at one half before the start: the prior of every market."""
    return {
        "trades": [
            {
                "trade_id": f"trade-{ticker}", "ticker": ticker, "count_fp": "10.00", "yes_price_dollars": "0.5000",
                "no_price_dollars": "0.5000", "taker_outcome_side": "yes", "taker_book_side": "bid",
                "created_time": stamp(now_s - 2 * STARTED_S_AGO), "is_block_trade": False,
            }
        ]
    }  # fmt: skip


def live_data() -> Body:
    """Level after a quarter and a half, nobody has the ball: worth one half."""
    details = {
        "status": "inprogress", "home_points": 7, "away_points": 7, "quarter": 2, "clock": "07:30", "situation": None,
    }  # fmt: skip
    return {"live_data": {"milestone_id": GAME, "type": "football_game", "details": details}}


def balance(now_s: float) -> Body:
    return {
        "balance": BALANCE_DOLLARS * 100, "balance_dollars": f"{BALANCE_DOLLARS}.0000", "portfolio_value": 0,
        "updated_ts": int(now_s),
    }  # fmt: skip


def limits() -> Body:
    """A tier whose budget is not in the way: what is measured is us, not the waiting for an exchange's permission."""
    bucket = {"refill_rate": 1_200, "bucket_capacity": 3_600}
    return {"usage_tier": "premier", "read": bucket, "write": bucket}


def order(asked: Body, order_id: str, now_s: float) -> Body:
    """The order as its owner reads it: an immediate one that found nobody."""
    price = asked["price"]
    outcome = "yes" if asked["side"] == "bid" else "no"
    return {
        "order_id": order_id, "client_order_id": asked["client_order_id"], "ticker": asked["ticker"],
        "outcome_side": outcome, "book_side": asked["side"], "status": "canceled", "yes_price_dollars": price,
        "no_price_dollars": format_price(10_000 - parse_price(price, "price")), "initial_count_fp": asked["count"],
        "fill_count_fp": "0.00", "remaining_count_fp": "0.00", "taker_fill_cost_dollars": "0.000000",
        "maker_fill_cost_dollars": "0.000000", "taker_fees_dollars": "0.000000", "maker_fees_dollars": "0.000000",
        "order_group_id": asked.get("order_group_id"), "created_time": stamp(now_s), "exchange_index": 0,
    }  # fmt: skip


def user_order_msg(found: Body, now_s: float) -> Body:
    """The same order as the stream tells it."""
    names = ("order_id", "ticker", "client_order_id", "exchange_index", "status", "outcome_side", "book_side")
    counts = ("yes_price_dollars", "initial_count_fp", "fill_count_fp", "remaining_count_fp", "order_group_id")
    fees = ("taker_fees_dollars", "maker_fees_dollars")
    return {name: found[name] for name in (*names, *counts, *fees)} | {"created_ts_ms": round(now_s * 1000)}
