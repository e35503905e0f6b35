"""Payloads (``msg``) of the stream's messages."""

from functools import lru_cache
from typing import Any

import msgspec

from services.simulator.engine.events import BookChange, GroupChanged, MarketChange
from services.simulator.engine.model import DOLLAR, Account, Fill, Market, Order, Position, Trade
from services.simulator.wire.private import outcome, shown_remaining
from services.simulator.wire.public import ladders
from services.simulator.wire.times import rfc3339
from services.simulator.world.listings import EventListing, MarketListing, price_levels
from trading_logic.money import format_cash, format_count, format_price

Body = dict[str, Any]

_stamp = lru_cache(maxsize=256)(rfc3339)
"""Many frames share a millisecond."""


def snapshot(market: Market, *, use_yes_price: bool, empty_ladders: bool = False) -> Body:
    """Ladders of both sides; an empty side is left out as the exchange does, or said to be ``[]``."""
    yes, no = ladders(market.book, use_yes_price=use_yes_price)
    body: Body = {"market_ticker": market.ticker, "market_id": market.market_id}
    if yes or empty_ladders:
        body["yes_dollars_fp"] = yes
    if no or empty_ladders:
        body["no_dollars_fp"] = no
    return body


def delta(change: BookChange, *, use_yes_price: bool) -> bytes:
    """One level's change, encoded; written out by hand because a busy book sends tens of thousands a second."""
    market, price = change.market, change.price
    if change.side == "bid":
        side = "yes"
    else:
        side = "no"
        if not use_yes_price:
            price = DOLLAR - price
    return (
        f'{{"market_ticker":"{market.ticker}","market_id":"{market.market_id}","price_dollars":"{format_price(price)}",'
        f'"delta_fp":"{format_count(change.delta)}","side":"{side}","ts":"{_stamp(change.ts_ms)}",'
        f'"ts_ms":{change.ts_ms}}}'
    ).encode()


def own_delta(change: BookChange, *, use_yes_price: bool) -> bytes:
    """The same for who caused it: with the order's client id and subaccount."""
    head = delta(change, use_yes_price=use_yes_price)[:-1]
    order = change.order
    return b'%b,"client_order_id":%b,"subaccount":%d}' % (
        head, msgspec.json.encode(order.client_order_id), order.account.number,
    )  # fmt: skip


def trade(found: Trade) -> Body:
    return {
        "trade_id": found.trade_id,
        "market_ticker": found.ticker,
        "yes_price_dollars": format_price(found.price),
        "no_price_dollars": format_price(DOLLAR - found.price),
        "count_fp": format_count(found.count),
        "taker_side": outcome(found.taker_side),
        "taker_outcome_side": outcome(found.taker_side),
        "taker_book_side": found.taker_side,
        "is_block_trade": False,
        "ts": found.ts_ms // 1000,
        "ts_ms": found.ts_ms,
    }


def ticker(market: Market, now_ms: int) -> Body:
    bid, ask = market.book.best_bid(), market.book.best_ask()
    return {
        "market_ticker": market.ticker,
        "market_id": market.market_id,
        "price_dollars": format_price(market.last_price),
        "yes_bid_dollars": format_price(bid.price if bid is not None else 0),
        "yes_ask_dollars": format_price(ask.price if ask is not None else DOLLAR),
        "yes_bid_size_fp": format_count(bid.total if bid is not None else 0),
        "yes_ask_size_fp": format_count(ask.total if ask is not None else 0),
        "volume_fp": format_count(market.volume),
        "open_interest_fp": format_count(market.open_interest),
        "dollar_volume": market.dollar_volume // 1_000_000,
        "dollar_open_interest": market.open_interest // 100,
        "last_trade_size_fp": format_count(market.last_count),
        "ts": now_ms // 1000,
        "ts_ms": now_ms,
        "time": rfc3339(now_ms),
    }


def fill(found: Fill) -> Body:
    return {
        "trade_id": found.trade_id,
        "order_id": found.order_id,
        "client_order_id": found.client_order_id,
        "market_ticker": found.ticker,
        "exchange_index": 0,
        "is_taker": found.is_taker,
        "side": outcome(found.side),
        "purchased_side": outcome(found.side),
        "outcome_side": outcome(found.side),
        "book_side": found.side,
        "action": "buy",
        "yes_price_dollars": format_price(found.price),
        "count_fp": format_count(found.count),
        "fee_cost": format_cash(found.fee),
        "post_position_fp": format_count(found.position_after),
        "ts": found.ts_ms // 1000,
        "ts_ms": found.ts_ms,
        "subaccount": found.subaccount,
    }


def user_order(order: Order) -> Body:
    body: Body = {
        "order_id": order.order_id,
        "user_id": order.account.user_id,
        "client_order_id": order.client_order_id,
        "ticker": order.market.ticker,
        "exchange_index": 0,
        "status": order.status,
        "side": outcome(order.side),
        "is_yes": order.side == "bid",
        "outcome_side": outcome(order.side),
        "book_side": order.side,
        "yes_price_dollars": format_price(order.price),
        "initial_count_fp": format_count(order.initial),
        "fill_count_fp": format_count(order.filled),
        "remaining_count_fp": format_count(shown_remaining(order)),
        "taker_fill_cost_dollars": format_cash(order.taker_cost),
        "maker_fill_cost_dollars": format_cash(order.maker_cost),
        "taker_fees_dollars": format_cash(order.taker_fees),
        "maker_fees_dollars": format_cash(order.maker_fees),
        "created_time": rfc3339(order.created_ms),
        "created_ts_ms": order.created_ms,
        "last_update_time": rfc3339(order.updated_ms),
        "last_updated_ts_ms": order.updated_ms,
        "self_trade_prevention_type": order.self_trade,
        "subaccount_number": order.account.number,
    }
    if order.expires_ms is not None:
        body["expiration_time"] = rfc3339(order.expires_ms)
        body["expiration_ts_ms"] = order.expires_ms
    if order.group is not None:
        body["order_group_id"] = order.group.group_id
    if order.reason:
        body["last_update_reason"] = order.reason
    return body


def position(account: Account, market: Market, found: Position) -> Body:
    return {
        "user_id": account.user_id,
        "market_ticker": market.ticker,
        "position_fp": format_count(found.net),
        "position_cost_dollars": format_cash(found.cost),
        "realized_pnl_dollars": format_cash(found.realized),
        "fees_paid_dollars": format_cash(found.fees),
        "position_fee_cost_dollars": format_cash(found.fees),
        "volume_fp": format_count(found.volume),
        "subaccount": account.number,
    }


def group(change: GroupChanged) -> Body:
    return {
        "event_type": change.change,
        "order_group_id": change.group.group_id,
        "contracts_limit_fp": format_count(change.group.limit),
        "ts_ms": change.ts_ms,
    }


def lifecycle(market: Market, change: MarketChange, listing: MarketListing, now_ms: int) -> Body | None:
    """The life of a market as the stream tells it; a dispute and its end send nothing."""
    body: Body = {"market_ticker": market.ticker}
    match change:
        case "activated":
            return body | _created(market, listing)
        case "deactivated" | "reactivated":
            off = change == "deactivated"
            return body | {"event_type": "deactivated" if off else "activated", "is_deactivated": off}
        case "closed" | "close_moved":
            return body | {"event_type": "close_date_updated", "close_ts": market.close_ms // 1000}
        case "regridded":
            return body | {"event_type": "price_level_structure_updated", **price_levels(market.grid)}
        case "determined":
            return body | {
                "event_type": "determined",
                "result": market.result,
                "settlement_value": format_price(market.settlement_value or 0),
                "determination_ts": now_ms // 1000,
            }
        case "settled":
            return body | {"event_type": "settled", "settled_ts": now_ms // 1000}
        case _:
            return None


def _created(market: Market, listing: MarketListing) -> Body:
    metadata: Body = {
        "name": listing.yes_sub_title,
        "title": listing.title,
        "yes_sub_title": listing.yes_sub_title,
        "no_sub_title": listing.no_sub_title,
        "rules_primary": listing.rules_primary,
        "rules_secondary": listing.rules_secondary,
        "can_close_early": True,
        "event_ticker": market.event_ticker,
        "expected_expiration_ts": listing.expected_end_ms // 1000,
        "strike_type": listing.strike_type,
    }
    if listing.floor_strike is not None:
        metadata["floor_strike"] = listing.floor_strike
    if listing.custom_strike:
        metadata["custom_strike"] = listing.custom_strike
    return {
        "event_type": "created",
        "open_ts": listing.created_ms // 1000,
        "close_ts": market.close_ms // 1000,
        "exchange_index": 0,
        **price_levels(market.grid),
        "additional_metadata": metadata,
    }


def event_lifecycle(listed: EventListing) -> Body:
    return {
        "event_ticker": listed.event_ticker,
        "exchange_index": 0,
        "title": listed.title,
        "subtitle": listed.sub_title,
        "collateral_return_type": listed.collateral_return_type,
        "series_ticker": listed.series_ticker,
    }
