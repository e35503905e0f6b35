"""Each answer carries every field its model requires, in the exchange's formats."""

import re

import pytest

from services.simulator.world.games import find_games
from services.simulator.world.timeline import team_id

DOLLARS4 = re.compile(r"-?\d+\.\d{4}")
DOLLARS6 = re.compile(r"-?\d+\.\d{6}")
COUNT = re.compile(r"-?\d+\.\d{2}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")
EVENT = "KXNFLGAME-25SEP04DALPHI"
PHI = f"{EVENT}-PHI"

REQUIRED = {
    "market": "ticker event_ticker market_type yes_sub_title no_sub_title created_time updated_time open_time close_time latest_expiration_time settlement_timer_seconds status yes_bid_dollars yes_bid_size_fp yes_ask_dollars yes_ask_size_fp no_bid_dollars no_ask_dollars last_price_dollars volume_fp volume_24h_fp result can_close_early open_interest_fp notional_value_dollars previous_yes_bid_dollars previous_yes_ask_dollars previous_price_dollars settlement_bounds_type expiration_value rules_primary rules_secondary price_level_structure price_ranges",
    "order": "order_id user_id client_order_id ticker outcome_side book_side type status yes_price_dollars no_price_dollars fill_count_fp remaining_count_fp initial_count_fp taker_fill_cost_dollars maker_fill_cost_dollars taker_fees_dollars maker_fees_dollars",
    "fill": "fill_id exchange_index trade_id order_id ticker market_ticker outcome_side book_side count_fp yes_price_dollars no_price_dollars is_taker fee_cost",
    "market_position": "ticker exchange_index total_traded_dollars position_fp market_exposure_dollars realized_pnl_dollars fees_paid_dollars last_updated_ts",
    "event_position": "event_ticker total_cost_dollars total_cost_shares_fp event_exposure_dollars realized_pnl_dollars fees_paid_dollars",
    "settlement": "ticker exchange_index event_ticker market_result yes_count_fp yes_total_cost_dollars no_count_fp no_total_cost_dollars revenue settled_time fee_cost",
    "trade": "trade_id ticker count_fp yes_price_dollars no_price_dollars taker_outcome_side taker_book_side created_time is_block_trade",
    "series": "ticker frequency title category categories tags settlement_sources additional_prohibitions contract_url contract_terms_url fee_type fee_multiplier",
    "event": "event_ticker series_ticker sub_title title collateral_return_type mutually_exclusive settlement_sources",
    "milestone": "id category type start_date related_event_tickers title notification_message details primary_event_tickers last_updated_ts",
    "live_data": "type details milestone_id",
    "balance": "balance balance_dollars portfolio_value updated_ts",
}


def check(model, body):
    """Required keys present and not null; every string in the format its name promises; no empty time."""
    missing = set(REQUIRED[model].split()) - set(body)
    assert not missing, f"{model} lacks {sorted(missing)}"
    for name, value in body.items():
        if name in REQUIRED[model].split():
            assert value is not None, name
        if name.endswith("_fp"):
            assert COUNT.fullmatch(value), (name, value)
        elif name.endswith("_dollars") and any(part in name for part in ("cost", "fees", "exposure", "pnl", "traded")):
            assert DOLLARS6.fullmatch(value), (name, value)
        elif name.endswith("_dollars"):
            assert DOLLARS4.fullmatch(value), (name, value)
        elif name.endswith(("_time", "_datetime")) or name in {"last_updated_ts", "start_date"}:
            assert TIME.fullmatch(value), (name, value)


@pytest.fixture
async def traded(quiet):
    """Two accounts have traded 10 at 0.60 and one order rests."""
    await quiet.two.order("ask", "0.60", "10")
    await quiet.one.order("bid", "0.70", "10", client_order_id="first")
    await quiet.one.order("bid", "0.30", "2.5")
    return quiet


async def test_market(traded):
    body = (await traded.call("GET", f"/markets/{PHI}")).body["market"]
    check("market", body)
    assert (body["yes_bid_dollars"], body["yes_bid_size_fp"], body["yes_ask_dollars"], body["no_bid_dollars"]) == (
        "0.3000",
        "2.50",
        "1.0000",
        "0.0000",
    )
    assert (body["last_price_dollars"], body["volume_fp"], body["open_interest_fp"]) == ("0.6000", "10.00", "10.00")
    assert body["custom_strike"] == {"football_team": team_id("PHI")}
    assert body["price_ranges"] == [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}]
    assert body["status"] == "active"


async def test_market_list_filters_and_pages(launch):
    running = await launch(games="KXNFLGAME-25SEP04DALPHI,2025_01_BAL_BUF")
    everything = (await running.call("GET", "/markets")).body
    assert [len(everything["markets"]), everything["cursor"]] == [4, ""]
    first = (await running.call("GET", "/markets?limit=3")).body
    rest = (await running.call("GET", f"/markets?limit=3&cursor={first['cursor']}")).body
    assert [m["ticker"] for m in first["markets"] + rest["markets"]] == [m["ticker"] for m in everything["markets"]]
    assert rest["cursor"] == ""

    async def tickers(query):
        return [market["ticker"] for market in (await running.call("GET", f"/markets?{query}")).body["markets"]]

    assert await tickers(f"event_ticker={EVENT}") == [f"{EVENT}-DAL", PHI]
    assert await tickers(f"tickers={PHI}%2CX") == [PHI]
    assert len(await tickers("status=open")) == 4
    assert await tickers("status=settled") == []
    assert await tickers("series_ticker=KXNBAGAME") == []
    assert (await running.call("GET", "/markets/NOPE")).status == 404


async def test_event_and_series(quiet):
    answer = (await quiet.call("GET", f"/events/{EVENT}")).body
    check("event", answer["event"])
    assert [market["ticker"] for market in answer["markets"]] == [f"{EVENT}-DAL", PHI]
    nested = (await quiet.call("GET", f"/events/{EVENT}?with_nested_markets=true")).body
    assert (nested["markets"], len(nested["event"]["markets"])) == ([], 2)
    listed = (await quiet.call("GET", "/events?status=open&with_milestones=true")).body
    assert [event["event_ticker"] for event in listed["events"]] == [EVENT]
    check("milestone", listed["milestones"][0])
    series = (await quiet.call("GET", "/series/KXNFLGAME")).body["series"]
    check("series", series)
    assert (series["fee_type"], series["fee_multiplier"]) == ("quadratic_with_maker_fees", 1)
    assert (await quiet.call("GET", "/series/NOPE")).status == 404


async def test_order_book(traded):
    await traded.two.order("ask", "0.80", "4")
    book = (await traded.call("GET", f"/markets/{PHI}/orderbook")).body["orderbook_fp"]
    assert book == {"yes_dollars": [["0.3000", "2.50"]], "no_dollars": [["0.2000", "4.00"]]}
    await traded.one.order("bid", "0.31", "1")
    best = (await traded.call("GET", f"/markets/{PHI}/orderbook?depth=1")).body["orderbook_fp"]
    assert best["yes_dollars"] == [["0.3100", "1.00"]]
    many = (await traded.call("GET", f"/markets/orderbooks?tickers={PHI}&tickers={EVENT}-DAL")).body["orderbooks"]
    assert [row["ticker"] for row in many] == [PHI, f"{EVENT}-DAL"]
    assert many[1]["orderbook_fp"] == {"yes_dollars": [], "no_dollars": []}


async def test_public_trades_newest_first(traded):
    await traded.two.order("bid", "0.35", "1")
    await traded.one.order("ask", "0.31", "1")
    trades = (await traded.call("GET", f"/markets/trades?ticker={PHI}")).body
    for trade in trades["trades"]:
        check("trade", trade)
    assert [trade["taker_book_side"] for trade in trades["trades"]] == ["ask", "bid"]
    page = (await traded.call("GET", f"/markets/trades?ticker={PHI}&limit=1")).body
    rest = (await traded.call("GET", f"/markets/trades?ticker={PHI}&limit=1&cursor={page['cursor']}")).body
    assert page["trades"] + rest["trades"] == trades["trades"]
    assert rest["cursor"] == ""


async def test_own_reads(traded):
    balance = (await traded.one.call("GET", "/portfolio/balance")).body
    check("balance", balance)
    # 1000 - 10 x 0.60 - 0.07 x 10 x 0.6 x 0.4; resting orders are not deducted
    assert (balance["balance_dollars"], balance["balance"], balance["portfolio_value"]) == ("993.8320", 99383, 600)
    assert balance["balance_breakdown"] == [{"exchange_index": 0, "balance": "993.8320"}]
    orders = (await traded.one.call("GET", "/portfolio/orders")).body
    for order in orders["orders"]:
        check("order", order)
    assert [order["status"] for order in orders["orders"]] == ["resting", "executed"]
    assert orders["cursor"] == ""
    resting = (await traded.one.call("GET", "/portfolio/orders?status=resting")).body["orders"]
    assert [order["remaining_count_fp"] for order in resting] == ["2.50"]
    one = (await traded.one.call("GET", f"/portfolio/orders/{orders['orders'][1]['order_id']}")).body["order"]
    assert one == orders["orders"][1]
    assert (
        one["client_order_id"],
        one["yes_price_dollars"],
        one["taker_fill_cost_dollars"],
        one["taker_fees_dollars"],
    ) == ("first", "0.7000", "6.000000", "0.168000")
    assert (await traded.two.call("GET", f"/portfolio/orders/{one['order_id']}")).status == 404
    fills = (await traded.one.call("GET", "/portfolio/fills")).body
    check("fill", fills["fills"][0])
    assert "client_order_id" not in fills["fills"][0]
    assert (fills["fills"][0]["fee_cost"], fills["fills"][0]["is_taker"]) == ("0.168000", True)
    maker = (await traded.two.call("GET", f"/portfolio/fills?ticker={PHI}")).body["fills"][0]
    assert (maker["fee_cost"], maker["is_taker"], maker["outcome_side"], maker["trade_id"]) == (
        "0.042000",
        False,
        "no",
        fills["fills"][0]["trade_id"],
    )
    positions = (await traded.two.call("GET", "/portfolio/positions")).body
    check("market_position", positions["market_positions"][0])
    check("event_position", positions["event_positions"][0])
    assert (
        positions["market_positions"][0]["position_fp"],
        positions["market_positions"][0]["market_exposure_dollars"],
    ) == ("-10.00", "4.000000")
    for path, name in (("settlements", "settlements"), ("deposits", "deposits"), ("withdrawals", "withdrawals")):
        assert (await traded.one.call("GET", f"/portfolio/{path}")).body[name] == []


async def test_settlement_row(traded):
    traded.pass_time(280)
    market = (await traded.call("GET", f"/markets/{PHI}")).body["market"]
    check("market", market)
    assert (market["status"], market["result"], market["settlement_value_dollars"], market["expiration_value"]) == (
        "finalized",
        "yes",
        "1.0000",
        "Philadelphia",
    )
    assert (market["yes_bid_dollars"], market["yes_ask_dollars"]) == ("0.0000", "1.0000")
    row = (await traded.one.call("GET", "/portfolio/settlements")).body["settlements"][0]
    check("settlement", row)
    assert (
        row["market_result"],
        row["yes_count_fp"],
        row["yes_total_cost_dollars"],
        row["revenue"],
        row["value"],
        row["fee_cost"],
    ) == ("yes", "10.00", "6.000000", 1000, 100, "0.168000")
    assert (await traded.one.call("GET", "/portfolio/balance")).body["balance_dollars"] == "1003.8320"
    assert (await traded.one.call("GET", "/portfolio/positions")).body["market_positions"] == []
    settled = (await traded.one.call("GET", "/portfolio/positions?settlement_status=settled")).body["market_positions"]
    assert (settled[0]["position_fp"], settled[0]["realized_pnl_dollars"]) == ("0.00", "4.000000")
    refused = await traded.one.order("bid", "0.50", "1")
    assert (refused.status, refused.body["error"]["code"]) == (400, "MARKET_INACTIVE")


async def test_milestone_and_live_data(launch):
    running = await launch()
    listed = (await running.call("GET", f"/milestones?limit=10&related_event_ticker={EVENT}")).body["milestones"]
    check("milestone", listed[0])
    details = listed[0]["details"]
    assert (details["home_team_id"], details["away_team_id"], details["main_game_event_ticker"]) == (
        team_id("PHI"),
        team_id("DAL"),
        EVENT,
    )
    path = f"/live_data/milestone/{listed[0]['id']}"
    before = (await running.call("GET", path)).body["live_data"]
    check("live_data", before)
    assert (before["details"]["status"], before["details"]["widget_status"], before["details"]["situation"]) == (
        "scheduled",
        "pre",
        None,
    )
    half = next(moment for moment in running.venue.world.games[EVENT].moments if moment.status == "halftime")
    running.pass_time(10 + half.offset_ms / 1000)
    live = (await running.call("GET", path)).body["live_data"]["details"]
    assert (live["status"], live["widget_status"]) == ("halftime", "live")
    running.pass_time(180)
    over = (await running.call("GET", path)).body["live_data"]["details"]
    game = find_games(EVENT)[0]
    assert (over["status"], over["widget_status"], over["home_points"], over["away_points"], over["winner"]) == (
        "closed",
        "final",
        game.home_score,
        game.away_score,
        team_id("PHI"),
    )
    batch = (await running.call("GET", f"/live_data/batch?milestone_ids={listed[0]['id']}&milestone_ids=nope")).body
    assert [row["details"]["status"] for row in batch["live_datas"]] == ["closed"]
    assert (await running.call("GET", "/live_data/milestone/nope")).status == 404


async def test_situation_during_play(launch):
    running = await launch()
    milestone = (await running.call("GET", "/milestones?limit=1")).body["milestones"][0]["id"]
    running.pass_time(12 + 5.0)
    live = (await running.call("GET", f"/live_data/milestone/{milestone}")).body["live_data"]["details"]
    assert live["quarter"] == 1
    assert re.fullmatch(r"\d\d:\d\d", live["clock"])
    assert set(live["situation"]) == {"down", "yfd", "yardline", "side_team_id", "possession_team_id", "goal_to_go"}
    assert live["situation"]["possession_team_id"] == team_id("DAL")
    assert set(live["last_play"]) == {"description", "occurence_ts"}


async def test_exchange(quiet):
    status = (await quiet.call("GET", "/exchange/status")).body
    assert (status["exchange_active"], status["trading_active"]) == (True, True)
    hours = (await quiet.call("GET", "/exchange/schedule")).body["schedule"]["standard_hours"][0]
    assert hours["monday"] == [{"open_time": "00:00", "close_time": "00:00"}]
    assert TIME.fullmatch((await quiet.call("GET", "/exchange/user_data_timestamp")).body["as_of_time"])
