"""Order books, public trades and candlesticks."""

from services.simulator.engine.candles import Bar
from services.simulator.engine.model import Market
from services.simulator.rest.call import Call, Reply, Route
from services.simulator.rest.public import event_of, market_of
from services.simulator.wire import candles as candle_bodies
from services.simulator.wire import public as bodies
from services.simulator.wire.errors import bad_parameter, nested

_MOST_MARKETS = 100
_MOST_CANDLES = 5_000
_MOST_CANDLES_OF_ALL = 10_000
_INTERVALS = (1, 60, 1440)


def _orderbook(call: Call) -> Reply:
    market = market_of(call, call.path["ticker"])
    return Reply({"orderbook_fp": bodies.orderbook(market.book, call.number("depth", 0, 0, 100))})


def _orderbooks(call: Call) -> Reply:
    tickers = call.query.getall("tickers", [])
    if not tickers:
        raise bad_parameter(call.operation, "Tickers", "required")
    if len(tickers) > _MOST_MARKETS:
        raise bad_parameter(call.operation, "Tickers", "lte")
    found = [(ticker, market_of(call, ticker)) for ticker in tickers]
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


class _Period:
    """The range and length of bars that a call asks for."""

    def __init__(self, call: Call) -> None:
        for name, label in (("start_ts", "StartTs"), ("end_ts", "EndTs"), ("period_interval", "PeriodInterval")):
            if not call.query.get(name):
                raise bad_parameter(call.operation, label, "required")
        self.start_s = call.number("start_ts", 0, 0, 10**10)
        self.end_s = call.number("end_ts", 0, 0, 10**10)
        self.minutes = call.number("period_interval", 0, 1, 1440)
        if self.minutes not in _INTERVALS:
            raise bad_parameter(call.operation, "PeriodInterval", "oneof")
        if self.end_s < self.start_s:
            raise bad_parameter(call.operation, "EndTs", "gtefield")
        self.first = call.flag("include_latest_before_start")

    def bars(self, call: Call, market: Market, most: int) -> list[dict[str, object]]:
        """At most ``most`` bars, the later ones dropped as the exchange does."""
        candles, step = call.venue.candles, self.minutes * 60
        bars: list[Bar] = []
        for bar in candles.read(market.ticker, self.start_s, self.end_s, self.minutes, call.now_ms // 1000):
            if len(bars) >= most:
                break
            bars.append(bar)
        shown = [candle_bodies.candle(bar) for bar in bars]
        before = candles.before(market.ticker, self.start_s) if self.first else None
        if before is not None:
            at_s = self.start_s // step * step + step
            shown.insert(0, candle_bodies.empty(at_s, before, bars[0] if bars else None))
        return shown


def _candles(call: Call) -> Reply:
    market = market_of(call, call.path["ticker"])
    _in_series(call, market.event_ticker)
    return Reply({"ticker": market.ticker, "candlesticks": _Period(call).bars(call, market, _MOST_CANDLES)})


def _in_series(call: Call, event_ticker: str) -> None:
    if event_of(call, event_ticker).series_ticker != call.path["series_ticker"]:
        raise nested(404, "not_found")


def _event_candles(call: Call) -> Reply:
    event = event_of(call, call.path["ticker"])
    _in_series(call, event.event_ticker)
    period = _Period(call)
    left, shown = _MOST_CANDLES, []
    for market in event.markets.values():
        shown.append(period.bars(call, market, left))
        left -= len(shown[-1])
    return Reply({"market_tickers": list(event.markets), "market_candlesticks": shown, "adjusted_end_ts": period.end_s})


def _batch_candles(call: Call) -> Reply:
    tickers = call.names("market_tickers")
    if not tickers:
        raise bad_parameter(call.operation, "MarketTickers", "required")
    if len(tickers) > _MOST_MARKETS:
        raise bad_parameter(call.operation, "MarketTickers", "lte")
    period, left, rows = _Period(call), _MOST_CANDLES_OF_ALL, []
    for ticker in tickers:
        bars = period.bars(call, market_of(call, ticker), left)
        left -= len(bars)
        rows.append({"market_ticker": ticker, "candlesticks": bars})
    return Reply({"markets": rows})


ROUTES = [
    Route("GET", "/markets/orderbooks", "GetMarketOrderbooks", _orderbooks),
    Route("GET", "/markets/trades", "GetTrades", _trades),
    Route("GET", "/markets/candlesticks", "BatchGetMarketCandlesticks", _batch_candles),
    Route("GET", "/markets/{ticker}/orderbook", "GetMarketOrderbook", _orderbook),
    Route("GET", "/series/{series_ticker}/markets/{ticker}/candlesticks", "GetMarketCandlesticks", _candles),
    Route(
        "GET", "/series/{series_ticker}/events/{ticker}/candlesticks", "GetMarketCandlesticksByEvent", _event_candles
    ),
]
