"""What is listed: series, events, markets and the words of search."""

from collections.abc import Iterable

from services.simulator.engine.model import Market
from services.simulator.rest.call import Call, Reply, Route
from services.simulator.wire import public as bodies
from services.simulator.wire.errors import bad_parameter, nested
from services.simulator.world.catalogue import Game
from services.simulator.world.listings import EventListing, SeriesListing

_STATUS = {
    "unopened": ("initialized",),
    "open": ("active",),
    "paused": ("inactive",),
    "closed": ("closed", "determined", "disputed", "amended"),
    "settled": ("finalized",),
}
# Which statuses a family of times may be combined with.
_FAMILIES = {
    "created": {"", "unopened", "open"},
    "close": {"", "closed"},
    "settled": {"", "settled"},
    "updated": {""},
}


def _series_of(call: Call, ticker: str) -> SeriesListing:
    found = call.venue.world.series.get(ticker)
    if found is None:
        raise nested(404, "not_found")
    return found


def _series_body(call: Call, found: SeriesListing) -> dict[str, object]:
    body = bodies.series(found, call.venue.world.start_ms)
    if call.flag("include_volume"):
        markets = [
            market
            for event in call.venue.world.events.values()
            if event.series_ticker == found.ticker
            for market in event.markets.values()
        ]
        body["volume_fp"] = bodies.total_volume(markets)
    return body


def _series(call: Call) -> Reply:
    return Reply({"series": _series_body(call, _series_of(call, call.path["series_ticker"]))})


def _series_list(call: Call) -> Reply:
    tags, since = call.names("tags"), call.stamp_ms("min_updated_ts")
    found = [
        series
        for series in call.venue.world.series.values()
        if call.query.get("category", "") in {"", "Sports"}
        and (not tags or set(tags) & set(series.tags))
        and (since is None or call.venue.world.start_ms >= since)
    ]
    return Reply({"series": [_series_body(call, series) for series in found]})


def _series_fee_changes(call: Call) -> Reply:
    """No fee change is ever scheduled."""
    call.flag("show_historical")
    return Reply({"series_fee_change_arr": []})


def _event_fee_changes(call: Call) -> Reply:
    page, cursor = call.page(list[object](), 100, 1, 1000)
    return Reply({"event_fee_changes": page, "cursor": cursor})


def _multivariate(call: Call) -> Reply:
    """There are no combos."""
    if ("series_ticker" in call.query) == ("collection_ticker" in call.query) and "series_ticker" in call.query:
        raise bad_parameter(call.operation, "CollectionTicker", "excluded_with")
    page, cursor = call.page(list[object](), 100, 1, 200)
    return Reply({"events": page, "cursor": cursor})


def event_of(call: Call, event_ticker: str) -> EventListing:
    found = call.venue.world.events.get(event_ticker)
    if found is None:
        raise nested(404, "not_found")
    return found


def _market_body(call: Call, market: Market) -> dict[str, object]:
    return bodies.market(call.venue.world.listings[market.ticker], market)


def _event_body(call: Call, event: EventListing, *, with_markets: bool) -> dict[str, object]:
    body = bodies.event(event)
    if with_markets:
        body["markets"] = [_market_body(call, market) for market in event.markets.values()]
    return body


def _events(call: Call) -> Reply:
    status = call.choice("status", ("unopened", "open", "closed", "settled"))
    tickers, series = call.names("tickers"), call.query.get("series_ticker", "")
    close_min, since = call.stamp_ms("min_close_ts"), call.stamp_ms("min_updated_ts")
    found = [
        event
        for event in call.venue.world.events.values()
        if series in {"", event.series_ticker}
        and (not tickers or event.event_ticker in tickers)
        and (not status or any(market.status in _STATUS[status] for market in event.markets.values()))
        and (close_min is None or any(market.close_ms >= close_min for market in event.markets.values()))
        and (since is None or event.created_ms >= since)
    ]
    page, cursor = call.page(found, 200, 1, 200)
    with_markets = call.flag("with_nested_markets")
    body: dict[str, object] = {
        "events": [_event_body(call, event, with_markets=with_markets) for event in page],
        "cursor": cursor,
    }
    if call.flag("with_milestones"):
        body["milestones"] = [bodies.milestone(game) for game in _games_of(call, page)]
    return Reply(body)


def _games_of(call: Call, events: Iterable[EventListing]) -> list[Game]:
    wanted = {event.event_ticker for event in events}
    return [game for game in call.venue.world.games.values() if wanted & set(game.events)]


def _event(call: Call) -> Reply:
    event = event_of(call, call.path["event_ticker"])
    nested_markets = call.flag("with_nested_markets")
    markets = [] if nested_markets else [_market_body(call, market) for market in event.markets.values()]
    return Reply({"event": _event_body(call, event, with_markets=nested_markets), "markets": markets})


def _event_metadata(call: Call) -> Reply:
    return Reply(bodies.event_metadata(event_of(call, call.path["event_ticker"])))


def _markets(call: Call) -> Reply:
    status = call.choice("status", tuple(_STATUS))
    call.choice("mve_filter", ("only", "exclude"))
    ranges = _time_ranges(call, status)
    tickers, event, series = call.names("tickers"), call.query.get("event_ticker", ""), call.query.get("series_ticker")
    world = call.venue.world
    found = [
        market
        for market in call.venue.exchange.markets.values()
        if series in {None, "", world.events[market.event_ticker].series_ticker}
        and call.query.get("mve_filter") != "only"
        and event in {"", market.event_ticker}
        and (not tickers or market.ticker in tickers)
        and (not status or market.status in _STATUS[status])
        and all(low <= _stamp(call, market, family) <= high for family, low, high in ranges)
    ]
    page, cursor = call.page(found, 100, 0, 1000)
    return Reply({"markets": [_market_body(call, market) for market in page], "cursor": cursor})


def _time_ranges(call: Call, status: str) -> list[tuple[str, int, int]]:
    """(family, low, high) of the one family of times that may be given, checked against the other filters."""
    found: list[tuple[str, int, int]] = []
    for family, statuses in _FAMILIES.items():
        low, high = call.stamp_ms(f"min_{family}_ts"), call.stamp_ms(f"max_{family}_ts")
        if low is None and high is None:
            continue
        label = f"{'Min' if low is not None else 'Max'}{family.capitalize()}Ts"
        if status not in statuses or found:
            raise bad_parameter(call.operation, label, "excluded_with")
        if family == "updated":
            others = {name for name in ("event_ticker", "tickers") if call.query.get(name)}
            if others or (call.query.get("series_ticker") and call.query.get("mve_filter") != "exclude"):
                raise bad_parameter(call.operation, label, "excluded_with")
        found.append((family, low or 0, high if high is not None else 2**62))
    return found


def _stamp(call: Call, market: Market, family: str) -> int:
    match family:
        case "created":
            return call.venue.world.listings[market.ticker].created_ms
        case "close":
            return market.close_ms
        case "settled":
            return market.settled_ms or -1
        case _:
            return market.updated_ms


def market_of(call: Call, ticker: str) -> Market:
    market = call.venue.exchange.markets.get(ticker)
    if market is None:
        raise nested(404, "not_found")
    return market


def _market(call: Call) -> Reply:
    return Reply({"market": _market_body(call, market_of(call, call.path["ticker"]))})


def _tags(call: Call) -> Reply:
    tags = sorted({tag for series in call.venue.world.series.values() for tag in series.tags})
    return Reply({"tags_by_categories": {"Sports": tags}})


def _filters(call: Call) -> Reply:
    """Sports, their competitions, and the scopes that are listed."""
    found: dict[str, dict[str, set[str]]] = {}
    for event in call.venue.world.events.values():
        if event.competition:
            tag = call.venue.world.series[event.series_ticker].tags[0]
            found.setdefault(tag, {}).setdefault(event.competition, set()).add(event.scope)
    by_sport = {
        sport: {
            "scopes": sorted(set().union(*competitions.values())),
            "competitions": {name: {"scopes": sorted(scopes)} for name, scopes in competitions.items()},
        }
        for sport, competitions in found.items()
    }
    return Reply({"filters_by_sports": by_sport, "sport_ordering": sorted(by_sport)})


def _collections(call: Call) -> Reply:
    page, cursor = call.page(list[object](), 100, 1, 200)
    return Reply({"multivariate_contracts": page, "cursor": cursor})


def _no_collection(_: Call) -> Reply:
    raise nested(404, "not_found", details="there are no combos")


def _incentives(call: Call) -> Reply:
    page, cursor = call.page(list[object](), 100, 1, 10_000)
    return Reply({"incentive_programs": page, "next_cursor": cursor})


ROUTES = [
    Route("GET", "/series", "GetSeriesList", _series_list),
    Route("GET", "/series/fee_changes", "GetSeriesFeeChanges", _series_fee_changes),
    Route("GET", "/series/{series_ticker}", "GetSeries", _series),
    Route("GET", "/events", "GetEvents", _events),
    Route("GET", "/events/fee_changes", "GetEventFeeChanges", _event_fee_changes),
    Route("GET", "/events/multivariate", "GetMultivariateEvents", _multivariate),
    Route("GET", "/events/{event_ticker}", "GetEvent", _event),
    Route("GET", "/events/{event_ticker}/metadata", "GetEventMetadata", _event_metadata),
    Route("GET", "/markets", "GetMarkets", _markets),
    Route("GET", "/search/tags_by_categories", "GetTagsForSeriesCategories", _tags),
    Route("GET", "/search/filters_by_sport", "GetFiltersForSports", _filters),
    Route("GET", "/multivariate_event_collections", "GetMultivariateEventCollections", _collections),
    Route(
        "GET", "/multivariate_event_collections/{collection_ticker}", "GetMultivariateEventCollection", _no_collection
    ),
    Route("GET", "/incentive_programs", "GetIncentivePrograms", _incentives),
]
LAST = [Route("GET", "/markets/{ticker}", "GetMarket", _market)]
"""Routes whose place-holder would swallow the fixed names of other modules."""
