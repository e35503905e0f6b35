"""Run by Python 3.13 with ``kalshi-python-async``: every model read, every kind of order. Prints one JSON line.

Arguments: REST address, key id, private key file, admin address.
"""

import asyncio
import json
import sys
import time
import urllib.request
import uuid
from pathlib import Path

from kalshi_python_async import Configuration, KalshiClient
from kalshi_python_async.exceptions import ApiException

SERIES = "KXNFLGAME"


def admin(base, method, path, body):
    request = urllib.request.Request(f"{base}{path}", json.dumps(body).encode(), method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


async def public_reads(client, event, market, seen):
    now = int(time.time())
    span = {"start_ts": now - 600, "end_ts": now + 60, "period_interval": 1}
    milestone = (await client.get_milestones(limit=10, related_event_ticker=event)).milestones[0]
    target = (await client.get_structured_targets(page_size=5)).structured_targets[0]
    calls = {
        "get_exchange_status": {},
        "get_exchange_schedule": {},
        "get_user_data_timestamp": {},
        "get_series_list": {"include_volume": True},
        "get_series": {"series_ticker": SERIES},
        "get_series_fee_changes": {},
        "get_events": {"with_nested_markets": True, "with_milestones": True, "limit": 10},
        "get_event": {"event_ticker": event},
        "get_event_metadata": {"event_ticker": event},
        "get_event_fee_changes": {},
        "get_multivariate_events": {},
        "get_market_candlesticks_by_event": {"series_ticker": SERIES, "ticker": event, **span},
        "get_markets": {"status": "open", "limit": 10},
        "get_market": {"ticker": market},
        "get_market_orderbook": {"ticker": market},
        "get_market_orderbooks": {"tickers": [market]},
        "get_trades": {"ticker": market},
        "batch_get_market_candlesticks": {"market_tickers": market, **span},
        "get_market_candlesticks": {"series_ticker": SERIES, "ticker": market, **span},
        "get_historical_cutoff": {},
        "get_historical_markets": {},
        "get_trades_historical": {},
        "get_milestones": {"limit": 10},
        "get_milestone": {"milestone_id": milestone.id},
        "get_live_data": {"type": milestone.type, "milestone_id": milestone.id},
        "get_live_data_by_milestone": {"milestone_id": milestone.id},
        "get_live_datas": {"milestone_ids": [milestone.id]},
        "get_game_stats": {"milestone_id": milestone.id},
        "get_structured_targets": {"page_size": 5},
        "get_structured_target": {"structured_target_id": target.id},
        "get_filters_for_sports": {},
        "get_tags_for_series_categories": {},
        "get_multivariate_event_collections": {},
        "get_incentive_programs": {},
        "get_account_endpoint_costs": {},
    }
    for name, arguments in calls.items():
        seen[name] = await getattr(client, name)(**arguments) is not None


async def own_reads(client, market, seen):
    calls = {
        "get_balance": {},
        "get_positions": {"settlement_status": "all"},
        "get_fills": {"ticker": market},
        "get_settlements": {},
        "get_orders": {"ticker": market},
        "get_order_queue_positions": {"market_tickers": market},
        "get_order_groups": {},
        "get_account_api_limits": {},
        "get_account_api_usage_level_volume_progress": {},
        "get_api_keys": {},
        "get_subaccount_balances": {},
        "get_subaccount_transfers": {},
        "get_subaccount_netting": {},
        "get_deposits": {},
        "get_withdrawals": {},
        "get_fills_historical": {},
        "get_historical_orders": {},
        "get_historical_positions": {},
    }
    for name, arguments in calls.items():
        seen[name] = await getattr(client, name)(**arguments) is not None


def order(market, side, price, count, **rest):
    return {
        "ticker": market,
        "side": side,
        "price": price,
        "count": count,
        "time_in_force": "good_till_canceled",
        "self_trade_prevention_type": "taker_at_cross",
        **rest,
    }


async def orders(client, market, seen):
    group = await client.create_order_group(contracts_limit=1000)
    client_id = str(uuid.uuid4())
    made = await client.create_order_v2(
        **order(market, "bid", "0.0200", "3.50", client_order_id=client_id, order_group_id=group.order_group_id)
    )
    seen["create_order_v2"] = (made.client_order_id, made.remaining_count) == (client_id, "3.50")
    seen["get_order"] = (await client.get_order(made.order_id)).order.remaining_count_fp == "3.50"
    ahead = await client.get_order_queue_position(made.order_id)
    seen["get_order_queue_position"] = ahead.queue_position_fp is not None
    amended = await client.amend_order_v2(made.order_id, ticker=market, side="bid", price="0.03", count="5")
    seen["amend_order_v2"] = amended.remaining_count == "5.00"
    less = await client.decrease_order_v2(made.order_id, reduce_to="2")
    seen["decrease_order_v2"] = less.remaining_count == "2.00"
    listed = await client.get_order_group(group.order_group_id)
    seen["get_order_group"] = listed.orders == [made.order_id]
    gone = await client.cancel_order_v2(made.order_id)
    seen["cancel_order_v2"] = gone.reduced_by == "2.00"
    batch = await client.batch_create_orders_v2(
        orders=[
            order(market, "bid", "0.02", "1"),
            order(market, "bid", "0.0255", "1"),
            order(market, "bid", "0.01", "1"),
        ]
    )
    seen["batch_create_orders_v2"] = [item.error is None for item in batch.orders] == [True, False, True]
    ended = await client.batch_cancel_orders_v2(orders=[{"order_id": batch.orders[0].order_id}, {"order_id": "nope"}])
    seen["batch_cancel_orders_v2"] = [item.reduced_by for item in ended.orders] == ["1.00", "0.00"]
    await client.cancel_all_orders()
    seen["cancel_all_orders"] = (await client.get_orders(status="resting")).orders == []
    await client.update_order_group_limit(group.order_group_id, contracts_limit=5)
    await client.trigger_order_group(group.order_group_id)
    await client.reset_order_group(group.order_group_id)
    await client.delete_order_group(group.order_group_id)
    seen["order_groups"] = (await client.get_order_groups()).order_groups == []


async def fills(client, market, base, seen):
    for _ in range(200):
        shown = (await client.get_market(market)).market
        if shown.yes_ask_dollars != "1.0000":
            break
        await asyncio.sleep(0.05)
    taken = await client.create_order_v2(**order(market, "bid", "0.99", "1") | {"time_in_force": "immediate_or_cancel"})
    seen["taken"] = taken.fill_count == "1.00" and taken.average_fill_price is not None
    read = (await client.get_fills(order_id=taken.order_id)).fills
    seen["read back"] = [fill.count_fp for fill in read] == ["1.00"]
    held = (await client.get_positions(ticker=market)).market_positions
    seen["position"] = held[0].position_fp == "1.00"
    admin(base, "POST", f"/markets/{market}", {"action": "void"})
    admin(base, "POST", f"/markets/{market}", {"action": "settle"})
    rows = (await client.get_settlements(ticker=market)).settlements
    seen["settled"] = rows[0].market_result in {"scalar", "yes", "no"}


async def accounts(client, seen):
    sub = (await client.create_subaccount()).subaccount_number
    await client.apply_subaccount_transfer(
        client_transfer_id=str(uuid.uuid4()), from_subaccount=0, to_subaccount=sub, amount_cents=500
    )
    seen["subaccounts"] = (await client.get_balance(subaccount=sub)).balance == 500
    key = await client.generate_api_key(name="made", key_type="ed25519", scopes=["read"])
    await client.delete_api_key(key.api_key_id)
    seen["api keys"] = len((await client.get_api_keys()).api_keys) == 1


async def refusals(client, market, seen):
    for name, act, status in (
        ("404", client.cancel_order_v2("00000000-0000-4000-8000-000000000000"), 404),
        ("400", client.create_order_v2(**order(market, "bid", "0.0255", "1")), 400),
        ("501", client.get_communications_id(), 501),
    ):
        try:
            await act
        except ApiException as error:
            seen[name] = error.status == status and json.loads(error.body)["error"]["code"] != ""
        else:
            seen[name] = False


async def main(host, key_id, key_file, base):
    config = Configuration(host=host)
    config.api_key_id, config.private_key_pem = key_id, Path(key_file).read_text()
    client, seen = KalshiClient(config), {}
    try:
        event = (await client.get_events(series_ticker=SERIES)).events[0].event_ticker
        market = (await client.get_markets(event_ticker=event)).markets[0].ticker
        await public_reads(client, event, market, seen)
        await orders(client, market, seen)
        await refusals(client, market, seen)
        await accounts(client, seen)
        await fills(client, market, base, seen)
        await own_reads(client, market, seen)
    finally:
        await client.close()
    print(json.dumps(seen))


asyncio.run(main(*sys.argv[1:]))
