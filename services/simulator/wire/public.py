"""JSON bodies of what anybody may read. No body here may carry a win probability."""

from collections.abc import Iterable
from typing import Any

from services.simulator.engine.book import Book
from services.simulator.engine.model import DOLLAR, Market, Order, Trade
from services.simulator.wire.times import rfc3339
from services.simulator.world.catalogue import Game
from services.simulator.world.listings import EventListing, MarketListing, SeriesListing, price_levels
from services.simulator.world.live import live_details
from services.simulator.world.timeline import team_id
from trading_logic.money import format_count, format_price

Body = dict[str, Any]


def total_volume(markets: Iterable[Market]) -> str:
    return format_count(sum(market.volume for market in markets))


def series(found: SeriesListing, now_ms: int) -> Body:
    milli = found.fees.multiplier_milli
    return {
        "ticker": found.ticker,
        "frequency": "custom",
        "title": found.title,
        "category": "Sports",
        "categories": ["Sports"],
        "tags": list(found.tags),
        "settlement_sources": [],
        "contract_url": "",
        "contract_terms_url": "",
        "fee_type": found.fees.fee_type,
        "fee_multiplier": milli // 1000 if milli % 1000 == 0 else milli / 1000,
        "additional_prohibitions": [],
        "last_updated_ts": rfc3339(now_ms),
        "exchange_index": 0,
    }


def event(found: EventListing) -> Body:
    metadata = {"competition": found.competition, "competition_scope": found.scope}
    return {
        "event_ticker": found.event_ticker,
        "series_ticker": found.series_ticker,
        "title": found.title,
        "sub_title": found.sub_title,
        "collateral_return_type": found.collateral_return_type,
        "mutually_exclusive": found.mutually_exclusive,
        "settlement_sources": [],
        "category": "Sports",
        "product_metadata": {name: value for name, value in metadata.items() if value},
        "last_updated_ts": rfc3339(found.created_ms),
        "exchange_index": 0,
    }


def event_metadata(found: EventListing) -> Body:
    """There are no pictures: their addresses are empty."""
    details = [{"market_ticker": ticker, "image_url": "", "color_code": ""} for ticker in found.markets]
    body: Body = {"image_url": "", "market_details": details, "settlement_sources": []}
    if found.competition:
        body |= {"competition": found.competition, "competition_scope": found.scope}
    return body


def market(listing: MarketListing, found: Market) -> Body:
    book = found.book
    bid, ask = book.best_bid(), book.best_ask()
    bid_price = bid.price if bid is not None else 0
    ask_price = ask.price if ask is not None else DOLLAR
    body: Body = {
        "ticker": found.ticker,
        "event_ticker": found.event_ticker,
        "market_type": "binary",
        "title": listing.title,
        "subtitle": "",
        "yes_sub_title": listing.yes_sub_title,
        "no_sub_title": listing.no_sub_title,
        "created_time": rfc3339(listing.created_ms),
        "updated_time": rfc3339(found.updated_ms),
        "open_time": rfc3339(listing.created_ms),
        "close_time": rfc3339(found.close_ms),
        "latest_expiration_time": rfc3339(listing.scheduled_close_ms),
        "expiration_time": rfc3339(listing.scheduled_close_ms),
        "expected_expiration_time": rfc3339(listing.expected_end_ms),
        "occurrence_datetime": rfc3339(listing.expected_end_ms),
        "settlement_timer_seconds": listing.settlement_seconds,
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
        # Gone since 2026-10-01 and always "0.0000" before; client libraries of that time still require it.
        "liquidity_dollars": "0.0000",
        "result": found.result,
        "expiration_value": listing.expiration_value if found.result else "",
        "can_close_early": True,
        "early_close_condition": listing.early_close_condition,
        "settlement_bounds_type": "default",
        "rules_primary": listing.rules_primary,
        "rules_secondary": listing.rules_secondary,
        **price_levels(found.grid),
        "strike_type": listing.strike_type,
        "exchange_index": 0,
    }
    if listing.floor_strike is not None:
        body["floor_strike"] = listing.floor_strike
    if listing.custom_strike:
        body["custom_strike"] = listing.custom_strike
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
    kind = info.sport.target_type
    return {
        "id": game.milestone_id,
        "category": "Sports",
        "type": info.sport.milestone_type,
        "start_date": rfc3339(game.kickoff_ms),
        "related_event_tickers": list(game.events),
        "primary_event_tickers": [game.event_ticker],
        "title": game.title,
        "notification_message": "Who will win?",
        "details": {
            "home_team_id": team_id(info.home, kind),
            "away_team_id": team_id(info.away, kind),
            "main_game_event_ticker": game.event_ticker,
            "status": game.now.status,
            "league": info.sport.league,
            "season_year": info.season,
            "season_type": "REG",
            "season_week": info.week,
        },
        "source_id": info.game_id,
        "source_ids": {info.source: info.game_id},
        "last_updated_ts": rfc3339(game.changed_ms),
    }


def live_data(game: Game) -> Body:
    details = live_details(game)
    return {"type": game.info.sport.milestone_type, "details": details, "milestone_id": game.milestone_id}


def play_by_play(game: Game) -> Body | None:
    """What has happened so far, by period; None before the first play."""
    periods: dict[int, list[Body]] = {}
    before = ""
    for moment in game.moments:
        if game.now.status == "scheduled":
            break
        if moment.last_play and moment.last_play != before:
            before = moment.last_play
            row = {
                "description": moment.last_play,
                "clock": moment.clock,
                "home_points": moment.home_points,
                "away_points": moment.away_points,
            }
            periods.setdefault(moment.quarter, []).append(row)
        if moment is game.now:
            break
    return {"periods": [{"events": periods[number]} for number in sorted(periods)]} if periods else None


def structured_targets(games: Iterable[Game]) -> dict[str, tuple[Body, str]]:
    """Every team in play by its id, with its competition."""
    found: dict[str, tuple[Body, str]] = {}
    for game in games:
        sport = game.info.sport
        for team in (game.info.away, game.info.home):
            name = team_id(team, sport.target_type)
            body = {
                "id": name,
                "name": game.city(team),
                "type": sport.target_type,
                "details": {"abbreviation": team, "short_name": game.city(team), "league": sport.league},
                "source_ids": {game.info.source: team},
                "last_updated_ts": rfc3339(game.created_ms),
            }
            found[name] = (body, sport.competition)
    return found
