"""The exchange itself: status, hours, freshness of reads, and the line between live and archived data."""

from services.simulator.rest.call import Call, Reply, Route
from services.simulator.wire.errors import nested
from services.simulator.wire.times import rfc3339

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def _status(call: Call) -> Reply:
    exchange = call.venue.exchange
    state: dict[str, object] = {
        "exchange_active": exchange.exchange_active,
        "trading_active": exchange.trading_active,
        "intra_exchange_transfers_active": False,
    }
    shard = {"exchange_index": 0, "description": "Touchline simulator", **state}
    body = {**state, "exchange_index_statuses": [shard]}
    current = [end for start, end in call.venue.windows if start <= call.now_ms < end]
    if current:
        body["exchange_estimated_resume_time"] = rfc3339(max(current))
    return Reply(body)


def _schedule(call: Call) -> Reply:
    open_all_day = [{"open_time": "00:00", "close_time": "00:00"}]
    hours = {
        "start_time": "2024-12-01T00:00:00Z",
        "end_time": "2200-12-01T00:00:00Z",
        **dict.fromkeys(_DAYS, open_all_day),
    }
    windows = [{"start_datetime": rfc3339(start), "end_datetime": rfc3339(end)} for start, end in call.venue.windows]
    return Reply({"schedule": {"standard_hours": [hours], "maintenance_windows": windows}})


def _user_data_timestamp(call: Call) -> Reply:
    return Reply({"as_of_time": rfc3339(call.now_ms - call.venue.exchange.switches.portfolio_lag_ms)})


def _cutoff(call: Call) -> Reply:
    """Nothing is ever archived: everything since the world began is live."""
    start = rfc3339(call.venue.world.start_ms)
    names = ("market_settled_ts", "trades_created_ts", "orders_updated_ts", "market_positions_last_updated_ts")
    return Reply(dict.fromkeys(names, start))


def _archived(name: str) -> Route:
    path = f"/historical/{name}"
    operations = {
        "markets": "GetHistoricalMarkets",
        "trades": "GetTradesHistorical",
        "fills": "GetFillsHistorical",
        "orders": "GetHistoricalOrders",
        "positions": "GetHistoricalPositions",
    }

    def read(call: Call) -> Reply:
        page, cursor = call.page(list[object](), 100, 0 if name in {"markets", "trades"} else 1, 1000)
        body: dict[str, object] = {"cursor": cursor}
        if name == "positions":
            return Reply({"market_positions": page, "event_positions": [], **body})
        return Reply({name: page, **body})

    return Route("GET", path, operations[name], read, auth=name in {"fills", "orders", "positions"})


def _no_archived_market(_: Call) -> Reply:
    raise nested(404, "not_found", details="no market is archived: see /markets")


ROUTES = [
    Route("GET", "/exchange/status", "GetExchangeStatus", _status),
    Route("GET", "/exchange/schedule", "GetExchangeSchedule", _schedule),
    Route("GET", "/exchange/user_data_timestamp", "GetUserDataTimestamp", _user_data_timestamp),
    Route("GET", "/historical/cutoff", "GetHistoricalCutoff", _cutoff),
    *(_archived(name) for name in ("markets", "trades", "fills", "orders", "positions")),
    Route("GET", "/historical/markets/{ticker}", "GetHistoricalMarket", _no_archived_market),
    Route("GET", "/historical/markets/{ticker}/candlesticks", "GetMarketCandlesticksHistorical", _no_archived_market),
]
