"""Public calls: exchange, series, events, markets, books, trades, milestones, live data."""

from services.simulator.engine.model import Market
from services.simulator.rest.call import Call, Reply, Route
from services.simulator.wire import public as bodies
from services.simulator.wire.errors import bad_parameter, nested
from services.simulator.wire.times import parse_rfc3339, rfc3339
from services.simulator.world.catalogue import SERIES, Game

_STATUS = {
    "unopened": ("initialized",),
    "open": ("active",),
    "paused": ("inactive",),
    "closed": ("closed", "determined"),
    "settled": ("finalized",),
}
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def _status(_: Call) -> Reply:
    shard = {
        "exchange_index": 0,
        "description": "Touchline simulator",
        "exchange_active": True,
        "trading_active": True,
        "intra_exchange_transfers_active": False,
    }
    return Reply({"exchange_active": True, "trading_active": True, "exchange_index_statuses": [shard]})


def _schedule(_: Call) -> Reply:
    open_all_day = [{"open_time": "00:00", "close_time": "00:00"}]
    hours = {
        "start_time": "2024-12-01T00:00:00Z",
        "end_time": "2200-12-01T00:00:00Z",
        **dict.fromkeys(_DAYS, open_all_day),
    }
    return Reply({"schedule": {"standard_hours": [hours], "maintenance_windows": []}})


def _user_data_timestamp(call: Call) -> Reply:
    return Reply({"as_of_time": rfc3339(call.now_ms)})


def _series(call: Call) -> Reply:
    if call.path["series_ticker"] != SERIES:
        raise nested(404, "not_found")
    return Reply({"series": bodies.series(call.venue.world.start_ms)})


def _series_list(call: Call) -> Reply:
    wanted = call.query.get("category", "Sports") == "Sports"
    return Reply({"series": [bodies.series(call.venue.world.start_ms)] if wanted else []})


def _game(call: Call, event_ticker: str) -> Game:
    found = call.venue.world.games.get(event_ticker)
    if found is None:
        raise nested(404, "not_found")
    return found


def _nested_event(game: Game, *, with_markets: bool) -> dict[str, object]:
    body = bodies.event(game)
    if with_markets:
        body["markets"] = [bodies.market(game, market) for market in game.markets.values()]
    return body


def _events(call: Call) -> Reply:
    status = call.choice("status", ("unopened", "open", "closed", "settled"))
    tickers = call.names("tickers")
    series = call.query.get("series_ticker", SERIES)
    games = [
        game
        for game in call.venue.world.games.values()
        if series == SERIES
        and (not tickers or game.event_ticker in tickers)
        and (not status or any(market.status in _STATUS[status] for market in game.markets.values()))
    ]
    page, cursor = call.page(games, 200, 1, 200)
    with_markets = call.flag("with_nested_markets")
    body: dict[str, object] = {
        "events": [_nested_event(game, with_markets=with_markets) for game in page],
        "cursor": cursor,
    }
    if call.flag("with_milestones"):
        body["milestones"] = [bodies.milestone(game) for game in page]
    return Reply(body)


def _event(call: Call) -> Reply:
    game = _game(call, call.path["event_ticker"])
    nested_markets = call.flag("with_nested_markets")
    markets = [] if nested_markets else [bodies.market(game, market) for market in game.markets.values()]
    return Reply({"event": _nested_event(game, with_markets=nested_markets), "markets": markets})


def _markets(call: Call) -> Reply:
    status = call.choice("status", tuple(_STATUS))
    call.choice("mve_filter", ("only", "exclude"))
    tickers = call.names("tickers")
    event = call.query.get("event_ticker", "")
    series = call.query.get("series_ticker", SERIES)
    close_min, close_max = call.stamp_ms("min_close_ts"), call.stamp_ms("max_close_ts")
    found = [
        market
        for market in call.venue.exchange.markets.values()
        if series == SERIES
        and call.query.get("mve_filter") != "only"
        and event in {"", market.event_ticker}
        and (not tickers or market.ticker in tickers)
        and (not status or market.status in _STATUS[status])
        and (close_min is None or market.close_ms >= close_min)
        and (close_max is None or market.close_ms <= close_max)
    ]
    page, cursor = call.page(found, 100, 0, 1000)
    return Reply({"markets": [_market_body(call, market) for market in page], "cursor": cursor})


def _market_body(call: Call, market: Market) -> dict[str, object]:
    return bodies.market(call.venue.world.game_of(market), market)


def _find(call: Call, ticker: str) -> Market:
    market = call.venue.exchange.markets.get(ticker)
    if market is None:
        raise nested(404, "not_found")
    return market


def _market(call: Call) -> Reply:
    return Reply({"market": _market_body(call, _find(call, call.path["ticker"]))})


def _orderbook(call: Call) -> Reply:
    market = _find(call, call.path["ticker"])
    return Reply({"orderbook_fp": bodies.orderbook(market.book, call.number("depth", 0, 0, 100))})


def _orderbooks(call: Call) -> Reply:
    tickers = call.query.getall("tickers", [])
    if not tickers:
        raise bad_parameter(call.operation, "Tickers", "required")
    if len(tickers) > 100:
        raise bad_parameter(call.operation, "Tickers", "lte")
    found = [(ticker, _find(call, ticker)) for ticker in tickers]
    return Reply(
        {"orderbooks": [{"ticker": name, "orderbook_fp": bodies.orderbook(market.book)} for name, market in found]}
    )


def _trades(call: Call) -> Reply:
    ticker = call.query.get("ticker", "")
    low, high = call.stamp_ms("min_ts"), call.stamp_ms("max_ts")
    blocks_only = call.flag("is_block_trade")
    found = [
        trade
        for trade in call.venue.exchange.trades
        if not blocks_only
        and ticker in {"", trade.ticker}
        and (low is None or trade.ts_ms >= low)
        and (high is None or trade.ts_ms <= high)
    ]
    page, cursor = call.newest(found, 100, 0, 1000)
    return Reply({"trades": [bodies.trade(trade) for trade in page], "cursor": cursor})


def _milestones(call: Call) -> Reply:
    if "limit" not in call.query:
        raise bad_parameter(call.operation, "Limit", "required")
    since = call.query.get("minimum_start_date", "")
    try:
        since_ms = parse_rfc3339(since) if since else 0
    except ValueError as error:
        raise bad_parameter(call.operation, "MinimumStartDate", "datetime") from error
    wanted = {name: call.query.get(name, "") for name in ("category", "type", "competition", "related_event_ticker")}
    found = [
        game
        for game in call.venue.world.games.values()
        if game.kickoff_ms >= since_ms
        and wanted["category"] in {"", "Sports"}
        and wanted["type"] in {"", "football_game"}
        and wanted["competition"] in {"", "Pro Football"}
        and wanted["related_event_ticker"] in {"", game.event_ticker}
    ]
    page, cursor = call.page(found, 100, 1, 500)
    return Reply({"milestones": [bodies.milestone(game) for game in page], "cursor": cursor})


def _by_milestone(call: Call) -> Game:
    game = call.venue.game_by_milestone(call.path["milestone_id"])
    if game is None:
        raise nested(404, "not_found")
    return game


def _milestone(call: Call) -> Reply:
    return Reply({"milestone": bodies.milestone(_by_milestone(call))})


def _live_data(call: Call) -> Reply:
    return Reply({"live_data": bodies.live_data(_by_milestone(call))})


def _live_batch(call: Call) -> Reply:
    """Unknown ids are left out, as the exchange does with a comma-joined list."""
    wanted = call.query.getall("milestone_ids", [])
    games = [game for name in wanted if (game := call.venue.game_by_milestone(name)) is not None]
    return Reply({"live_datas": [bodies.live_data(game) for game in games]})


ROUTES = [
    Route("GET", "/exchange/status", "GetExchangeStatus", _status),
    Route("GET", "/exchange/schedule", "GetExchangeSchedule", _schedule),
    Route("GET", "/exchange/user_data_timestamp", "GetUserDataTimestamp", _user_data_timestamp),
    Route("GET", "/series", "GetSeriesList", _series_list),
    Route("GET", "/series/{series_ticker}", "GetSeries", _series),
    Route("GET", "/events", "GetEvents", _events),
    Route("GET", "/events/{event_ticker}", "GetEvent", _event),
    Route("GET", "/markets", "GetMarkets", _markets),
    Route("GET", "/markets/orderbooks", "GetMarketOrderbooks", _orderbooks),
    Route("GET", "/markets/trades", "GetTrades", _trades),
    Route("GET", "/markets/{ticker}", "GetMarket", _market),
    Route("GET", "/markets/{ticker}/orderbook", "GetMarketOrderbook", _orderbook),
    Route("GET", "/milestones", "GetMilestones", _milestones),
    Route("GET", "/milestones/{milestone_id}", "GetMilestone", _milestone),
    Route("GET", "/live_data/batch", "GetLiveDatas", _live_batch),
    Route("GET", "/live_data/milestone/{milestone_id}", "GetLiveData", _live_data),
]
