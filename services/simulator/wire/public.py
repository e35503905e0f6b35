"""JSON bodies of what anybody may read. No body here may carry a win probability."""

from typing import Any

from services.simulator.engine.book import Book
from services.simulator.engine.model import DOLLAR, Market, Order, Trade
from services.simulator.wire.times import rfc3339
from services.simulator.world.catalogue import CITIES, FEES, LINEAR_CENT, SERIES, Game
from services.simulator.world.timeline import Situation, team_id
from trading_logic.money import format_count, format_price

Body = dict[str, Any]

PRICE_RANGES = [
    {"start": format_price(start), "end": format_price(end), "step": format_price(step)}
    for start, end, step in LINEAR_CENT
]


def series(now_ms: int) -> Body:
    milli = FEES.multiplier_milli
    return {
        "ticker": SERIES,
        "frequency": "custom",
        "title": "Pro football game",
        "category": "Sports",
        "categories": ["Sports"],
        "tags": ["Football"],
        "settlement_sources": [{"name": "nflverse play-by-play", "url": "https://github.com/nflverse/nflverse-data"}],
        "contract_url": "",
        "contract_terms_url": "",
        "fee_type": FEES.fee_type,
        "fee_multiplier": milli // 1000 if milli % 1000 == 0 else milli / 1000,
        "additional_prohibitions": [],
        "last_updated_ts": rfc3339(now_ms),
        "exchange_index": 0,
    }


def event(game: Game) -> Body:
    info = game.info
    return {
        "event_ticker": game.event_ticker,
        "series_ticker": SERIES,
        "title": f"{game.title} Winner?",
        "sub_title": f"{info.away} vs {info.home}",
        "collateral_return_type": "MECNET",
        "mutually_exclusive": True,
        "settlement_sources": [{"name": "nflverse play-by-play", "url": "https://github.com/nflverse/nflverse-data"}],
        "category": "Sports",
        "product_metadata": {"competition": "Pro Football", "competition_scope": "Game"},
        "last_updated_ts": rfc3339(game.created_ms),
        "exchange_index": 0,
    }


def market(game: Game, found: Market) -> Body:
    team = game.team_of(found.ticker)
    book = found.book
    bid, ask = book.best_bid(), book.best_ask()
    bid_price = bid.price if bid is not None else 0
    ask_price = ask.price if ask is not None else DOLLAR
    body: Body = {
        "ticker": found.ticker,
        "event_ticker": found.event_ticker,
        "market_type": "binary",
        "title": f"Will {CITIES[team]} win?",
        "subtitle": "",
        "yes_sub_title": CITIES[team],
        "no_sub_title": CITIES[team],
        "created_time": rfc3339(game.created_ms),
        "updated_time": rfc3339(found.updated_ms),
        "open_time": rfc3339(game.created_ms),
        "close_time": rfc3339(found.close_ms),
        "latest_expiration_time": rfc3339(game.scheduled_close_ms),
        "expiration_time": rfc3339(game.scheduled_close_ms),
        "expected_expiration_time": rfc3339(game.expected_end_ms),
        "occurrence_datetime": rfc3339(game.expected_end_ms),
        "settlement_timer_seconds": game.settlement_seconds,
        "status": found.status,
        "yes_bid_dollars": format_price(bid_price),
        "yes_bid_size_fp": format_count(bid.total if bid is not None else 0),
        "yes_ask_dollars": format_price(ask_price),
        "yes_ask_size_fp": format_count(ask.total if ask is not None else 0),
        "no_bid_dollars": format_price(DOLLAR - ask_price),
        "no_ask_dollars": format_price(DOLLAR - bid_price),
        "last_price_dollars": format_price(found.last_price),
        "previous_yes_bid_dollars": "0.0000",
        "previous_yes_ask_dollars": "0.0000",
        "previous_price_dollars": "0.0000",
        "volume_fp": format_count(found.volume),
        "volume_24h_fp": format_count(found.volume),
        "open_interest_fp": format_count(found.open_interest),
        "notional_value_dollars": "1.0000",
        "result": found.result,
        "expiration_value": CITIES.get(game.winner(), "Tie") if found.result else "",
        "can_close_early": True,
        "early_close_condition": "This market will close and expire after a winner is declared.",
        "settlement_bounds_type": "default",
        "rules_primary": (
            f"If {CITIES[team]} wins the {game.title} Pro Football game originally scheduled for "
            f"{game.info.day:%b} {game.info.day.day}, {game.info.day.year}, then the market resolves to Yes."
        ),
        "rules_secondary": "A tie pays 0.50 dollars to both sides.",
        "price_level_structure": "linear_cent",
        "price_ranges": PRICE_RANGES,
        "strike_type": "structured",
        "custom_strike": {"football_team": game.target_of(found.ticker)},
        "exchange_index": 0,
    }
    if found.settlement_value is not None:
        body["settlement_value_dollars"] = format_price(found.settlement_value)
    if found.settled_ms:
        body["settlement_ts"] = rfc3339(found.settled_ms)
    return body


def ladders(book: Book[Order], *, use_yes_price: bool = False) -> tuple[list[list[str]], list[list[str]]]:
    """(yes, no), bids only, best last.

    NO bids are asks seen from the other side; ``use_yes_price`` keeps them on the YES scale.
    """
    yes = [[format_price(price), format_count(total)] for price, total in book.bids.ladder()]
    no = [
        [format_price(price if use_yes_price else DOLLAR - price), format_count(total)]
        for price, total in reversed(book.asks.ladder())
    ]
    return yes, no


def orderbook(book: Book[Order], depth: int = 0) -> Body:
    """REST shape; ``depth`` best levels a side, 0 for all."""
    yes, no = ladders(book)
    return {"yes_dollars": yes[-depth:], "no_dollars": no[-depth:]}


def trade(found: Trade) -> Body:
    yes = found.taker_side == "bid"
    return {
        "trade_id": found.trade_id,
        "ticker": found.ticker,
        "count_fp": format_count(found.count),
        "yes_price_dollars": format_price(found.price),
        "no_price_dollars": format_price(DOLLAR - found.price),
        "taker_outcome_side": "yes" if yes else "no",
        "taker_book_side": found.taker_side,
        "taker_side": "yes" if yes else "no",
        "created_time": rfc3339(found.ts_ms),
        "is_block_trade": False,
    }


def milestone(game: Game) -> Body:
    info = game.info
    return {
        "id": game.milestone_id,
        "category": "Sports",
        "type": "football_game",
        "start_date": rfc3339(game.kickoff_ms),
        "related_event_tickers": [game.event_ticker],
        "primary_event_tickers": [game.event_ticker],
        "title": game.title,
        "notification_message": "Who will win?",
        "details": {
            "home_team_id": team_id(info.home),
            "away_team_id": team_id(info.away),
            "main_game_event_ticker": game.event_ticker,
            "status": game.now.status,
            "league": "NFL",
            "season_year": info.season,
            "season_type": "REG",
            "season_week": info.week,
        },
        "source_id": info.game_id,
        "source_ids": {"nflverse": info.game_id},
        "last_updated_ts": rfc3339(game.changed_ms),
    }


_WIDGET = {"scheduled": "pre", "inprogress": "live", "halftime": "live", "closed": "final"}


def live_data(game: Game) -> Body:
    now = game.now
    winner = game.winner()
    details: Body = {
        "status": now.status,
        "widget_status": _WIDGET[now.status],
        "home_points": now.home_points,
        "away_points": now.away_points,
        "quarter": now.quarter,
        "clock": now.clock,
        "situation": _situation(now.situation),
        "pending_try": now.pending_try,
        "is_under_review": False,
        "last_play": {"description": now.last_play, "occurence_ts": game.play_ms // 1000} if now.last_play else None,
        "winner": team_id(winner) if winner else "",
        "last_updated_ts": game.changed_ms // 1000,
    }
    return {"type": "football_game", "details": details, "milestone_id": game.milestone_id}


def _situation(found: Situation | None) -> Body | None:
    if found is None:
        return None
    return {
        "down": found.down,
        "yfd": found.to_go if found.down is not None else None,
        "yardline": found.yardline,
        "side_team_id": team_id(found.side),
        "possession_team_id": team_id(found.possession),
        "goal_to_go": found.goal_to_go,
    }
