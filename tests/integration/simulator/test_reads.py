"""The reads around trading: candles, metadata, search, play by play, what is empty and what is not served."""

import pytest

from services.simulator.rest.index import UNSERVED

EVENT = "KXNFLGAME-25SEP04DALPHI"
PHI, DAL = f"{EVENT}-PHI", f"{EVENT}-DAL"


async def test_candlesticks(quiet):
    await quiet.two.order("ask", "0.60", "10")
    await quiet.one.order("bid", "0.60", "4")
    now = quiet.clock.now // 1000
    span = f"start_ts={now - 60}&end_ts={now + 60}&period_interval=1"
    one = (await quiet.call("GET", f"/series/KXNFLGAME/markets/{PHI}/candlesticks?{span}")).body
    assert one["ticker"] == PHI
    candle = one["candlesticks"][0]
    assert (candle["price"]["close_dollars"], candle["volume_fp"], candle["open_interest_fp"]) == (
        "0.6000",
        "4.00",
        "4.00",
    )
    assert candle["yes_ask"]["low_dollars"] == "0.6000"
    many = (await quiet.call("GET", f"/markets/candlesticks?market_tickers={PHI}%2C{DAL}&{span}")).body["markets"]
    assert [(row["market_ticker"], len(row["candlesticks"]) > 0) for row in many] == [(PHI, True), (DAL, False)]
    event = (await quiet.call("GET", f"/series/KXNFLGAME/events/{EVENT}/candlesticks?{span}")).body
    assert (event["market_tickers"], event["adjusted_end_ts"]) == ([DAL, PHI], now + 60)
    assert event["market_candlesticks"][1] == one["candlesticks"]
    later = f"start_ts={now + 120}&end_ts={now + 130}&period_interval=1&include_latest_before_start=true"
    (made_up,) = (await quiet.call("GET", f"/series/KXNFLGAME/markets/{PHI}/candlesticks?{later}")).body["candlesticks"]
    assert made_up["price"] == {"previous_dollars": "0.6000"}
    assert (await quiet.call("GET", f"/series/KXNBAGAME/markets/{PHI}/candlesticks?{span}")).status == 404


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("end_ts=2&period_interval=1", "'StartTs' failed on the 'required'"),
        ("start_ts=1&end_ts=2&period_interval=5", "'PeriodInterval' failed on the 'oneof'"),
        ("start_ts=3&end_ts=2&period_interval=1", "'EndTs' failed on the 'gtefield'"),
    ],
)
async def test_candlesticks_of_bad_ranges(quiet, query, said):
    answer = await quiet.call("GET", f"/series/KXNFLGAME/markets/{PHI}/candlesticks?{query}")
    assert answer.status == 400
    assert said in answer.body["msg"]


async def test_markets_by_one_family_of_times(quiet):
    now = quiet.clock.now // 1000

    async def tickers(query):
        answer = await quiet.call("GET", f"/markets?{query}")
        return [market["ticker"] for market in answer.body["markets"]] if answer.status == 200 else answer.status

    assert await tickers(f"min_created_ts={now - 100}&status=open") == [DAL, PHI]
    assert await tickers(f"min_created_ts={now + 1}") == []
    assert await tickers(f"min_close_ts={now}&max_close_ts={now + 20 * 86_400}") == [DAL, PHI]
    assert await tickers(f"min_settled_ts={now - 100}") == []
    assert await tickers(f"min_updated_ts={now - 100}") == [DAL, PHI]
    assert await tickers(f"min_updated_ts={now - 100}&series_ticker=KXNFLGAME&mve_filter=exclude") == [DAL, PHI]
    for bad in (
        "min_created_ts=1&status=settled",
        "min_created_ts=1&min_close_ts=1",
        "min_updated_ts=1&series_ticker=KXNFLGAME",
        "min_updated_ts=1&tickers=A",
        "min_close_ts=1&status=open",
    ):
        assert await tickers(bad) == 400, bad


async def test_what_is_listed_besides(quiet):
    metadata = (await quiet.call("GET", f"/events/{EVENT}/metadata")).body
    assert [row["market_ticker"] for row in metadata["market_details"]] == [DAL, PHI]
    assert (metadata["competition"], metadata["competition_scope"]) == ("Pro Football", "Game")
    assert (await quiet.call("GET", "/search/tags_by_categories")).body == {
        "tags_by_categories": {"Sports": ["Football"]}
    }
    filters = (await quiet.call("GET", "/search/filters_by_sport")).body
    assert filters == {
        "filters_by_sports": {"Football": {"scopes": ["Game"], "competitions": {"Pro Football": {"scopes": ["Game"]}}}},
        "sport_ordering": ["Football"],
    }
    targets = (await quiet.call("GET", "/structured_targets?type=football_team&page_size=1")).body
    assert len(targets["structured_targets"]) == 1
    assert targets["cursor"]
    first = targets["structured_targets"][0]
    assert (await quiet.call("GET", f"/structured_targets/{first['id']}")).body == {"structured_target": first}
    by_id = (await quiet.call("GET", f"/structured_targets?ids={first['id']}&ids=nope")).body["structured_targets"]
    assert by_id == [first]
    strike = (await quiet.call("GET", f"/markets/{DAL}")).body["market"]["custom_strike"]
    assert (await quiet.call("GET", f"/structured_targets/{strike['football_team']}")).body["structured_target"][
        "name"
    ] == "Dallas"
    assert (await quiet.call("GET", "/structured_targets/nope")).status == 404
    listed = (await quiet.call("GET", "/series?include_volume=true&tags=Football")).body["series"]
    assert listed[0]["volume_fp"] == "0.00"
    assert (await quiet.call("GET", "/series?category=Politics")).body == {"series": []}


async def test_play_by_play_and_the_old_form_of_live_data(launch):
    running = await launch()
    milestone = (await running.call("GET", "/milestones?limit=1")).body["milestones"][0]["id"]
    assert (await running.call("GET", f"/live_data/milestone/{milestone}/game_stats")).body == {"pbp": None}
    running.pass_time(60)
    stats = (await running.call("GET", f"/live_data/milestone/{milestone}/game_stats")).body["pbp"]
    plays = stats["periods"][0]["events"]
    assert plays[0]["description"] != plays[1]["description"]
    live = (await running.call("GET", f"/live_data/milestone/{milestone}")).body["live_data"]
    assert stats["periods"][-1]["events"][-1]["description"] == live["details"]["last_play"]["description"]
    assert (await running.call("GET", f"/live_data/football_game/milestone/{milestone}")).body["live_data"] == live
    assert (await running.call("GET", f"/live_data/basketball_game/milestone/{milestone}")).status == 404
    assert (await running.call("GET", f"/live_data/events/{EVENT}")).status == 404


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/series/fee_changes", {"series_fee_change_arr": []}),
        ("/events/fee_changes", {"event_fee_changes": [], "cursor": ""}),
        ("/events/multivariate", {"events": [], "cursor": ""}),
        ("/multivariate_event_collections", {"multivariate_contracts": [], "cursor": ""}),
        ("/incentive_programs", {"incentive_programs": [], "next_cursor": ""}),
        ("/historical/markets", {"markets": [], "cursor": ""}),
        ("/historical/trades", {"trades": [], "cursor": ""}),
    ],
)
async def test_what_there_is_none_of(quiet, path, body):
    answer = await quiet.call("GET", path)
    assert (answer.status, answer.body) == (200, body)


@pytest.mark.parametrize("path", ["/historical/fills", "/historical/orders", "/historical/positions"])
async def test_own_archives_are_empty(quiet, path):
    answer = await quiet.one.call("GET", path)
    assert answer.status == 200
    assert answer.body["cursor"] == ""
    assert not any(answer.body[name] for name in answer.body if name != "cursor")
    assert (await quiet.call("GET", path)).status == 401


async def test_the_archive_begins_where_the_world_does(quiet):
    cutoff = (await quiet.call("GET", "/historical/cutoff")).body
    assert len(set(cutoff.values())) == 1
    assert (await quiet.call("GET", f"/historical/markets/{PHI}")).status == 404
    assert (await quiet.call("GET", f"/historical/markets/{PHI}/candlesticks")).status == 404
    assert (await quiet.call("GET", "/multivariate_event_collections/x")).status == 404
    assert (await quiet.one.call("GET", "/portfolio/summary/total_resting_order_value")).status == 403


@pytest.mark.parametrize(("method", "path"), UNSERVED)
async def test_what_is_not_simulated_says_501(quiet, method, path):
    concrete = path.replace("{", "").replace("}", "")
    answer = await quiet.one.call(method, concrete)
    assert answer.status == 501
    assert answer.body["error"]["code"] == "not_implemented"
    assert answer.body["error"]["details"] == f"{method} /trade-api/v2{concrete} is not served by this simulator"


async def test_trailing_slashes_are_redirected(quiet):
    url = f"{quiet.simulator.rest_url}/markets/"
    async with quiet.http.get(url, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (301, "/trade-api/v2/markets")


async def test_reads_of_another_shard_find_nothing(quiet):
    await quiet.two.order("ask", "0.60", "10")
    await quiet.one.order("bid", "0.60", "4")
    for path, name in (("orders", "orders"), ("fills", "fills"), ("positions", "market_positions")):
        here = (await quiet.one.call("GET", f"/portfolio/{path}?exchange_index=0")).body[name]
        assert len(here) == 1
        assert (await quiet.one.call("GET", f"/portfolio/{path}?exchange_index=2")).body[name] == []
    assert (await quiet.one.call("GET", "/portfolio/balance?exchange_index=2")).body["balance"] == 0


async def test_one_milestone_and_no_deposits(quiet):
    listed = (await quiet.call("GET", "/milestones?limit=1")).body["milestones"][0]
    assert (await quiet.call("GET", f"/milestones/{listed['id']}")).body == {"milestone": listed}
    assert (await quiet.call("GET", "/milestones/nope")).status == 404
    assert (await quiet.one.call("GET", "/portfolio/deposits")).body == {"deposits": [], "cursor": ""}
    assert (await quiet.one.call("GET", "/portfolio/withdrawals")).body == {"withdrawals": [], "cursor": ""}


async def test_the_life_of_an_order_group(quiet):
    one = quiet.one
    made = await one.call("POST", "/portfolio/order_groups/create", {"contracts_limit_fp": "5.00"})
    assert made.status == 201
    group = made.body["order_group_id"]
    order = (await one.order("bid", "0.10", "1", order_group_id=group)).body["order_id"]
    shown = (await one.call("GET", f"/portfolio/order_groups/{group}")).body
    assert shown == {
        "contracts_limit_fp": "5.00",
        "is_auto_cancel_enabled": True,
        "exchange_index": 0,
        "orders": [order],
    }
    assert (await one.call("PUT", f"/portfolio/order_groups/{group}/trigger")).body == {}
    assert (await one.order("bid", "0.10", "1", order_group_id=group)).status == 400
    assert (await one.call("PUT", f"/portfolio/order_groups/{group}/reset")).body == {}
    await one.order("bid", "0.10", "1", order_group_id=group)
    assert (await one.call("PUT", f"/portfolio/order_groups/{group}/limit", {"contracts_limit": 7})).body == {}
    assert (await one.call("PUT", f"/portfolio/order_groups/{group}/limit", {"contracts_limit": 0})).status == 400
    assert (await one.call("DELETE", f"/portfolio/order_groups/{group}")).body == {}
    assert (await one.call("GET", "/portfolio/orders?status=resting")).body["orders"] == []
    assert (await one.call("GET", f"/portfolio/order_groups/{group}")).status == 404
