"""The commands a client may send, and the exchange's error codes."""

from typing import Any

import msgspec

from services.simulator.engine.model import Market
from services.simulator.venue import Venue
from services.simulator.ws.connection import Connection, Subscription
from services.simulator.ws.hub import Hub

NEEDS_MARKETS = frozenset({"orderbook_delta"})
FILTERED = frozenset({"orderbook_delta", "ticker", "trade", "fill", "user_orders", "market_positions"})
INDEXED = frozenset({"cfbenchmarks_value", "cfbenchmarks_value_5hz"})
QUIET = INDEXED | {"multivariate_market_lifecycle", "communications", "pyth_value"}
"""Channels that are subscribed as on the exchange and never say anything here: no combos, no RFQs, no indices."""
CHANNELS = FILTERED | QUIET | {"order_group_updates", "market_lifecycle_v2"}
MOST_MARKETS = 500_000
"""Market subscriptions of one connection."""
MOST_COMMANDS = 10_000
"""Commands of one connection in a second."""

_TEXT = {
    1: "Unable to process message",
    2: "Params required",
    3: "Channels required",
    4: "Subscription IDs required",
    5: "Unknown command",
    7: "Unknown subscription ID",
    8: "Unknown channel name",
    11: "Invalid parameter",
    12: "Exactly one subscription ID is required",
    13: "Unsupported action",
    14: "Market Ticker required",
    15: "Action required",
    16: "Market not found",
    19: "shard_factor must be > 0",
    20: "shard_factor is required when shard_key is set",
    21: "shard_key must be >= 0 and < shard_factor",
    22: "shard_factor must be <= 100",
    24: "Index IDs required",
    26: "Subscription market limit exceeded",
    27: "Too many requests",
    28: "Underlying tickers required",
}


class CommandError(Exception):
    """Answered with an error frame; the connection stays."""

    def __init__(self, code: int, **members: Any) -> None:
        super().__init__(_TEXT[code])
        self.code = code
        self.members = members


class Params(msgspec.Struct):
    channels: list[str] | None = None
    market_ticker: str | None = None
    market_tickers: list[str] | None = None
    market_id: str | None = None
    market_ids: list[str] | None = None
    sid: int | None = None
    sids: list[int] | None = None
    action: str | None = None
    send_initial_snapshot: bool = False
    skip_ticker_ack: bool = False
    use_yes_price: bool | None = None
    shard_factor: int | None = None
    shard_key: int | None = None
    user_filter: str | None = None
    index_ids: list[str] | None = None
    underlying_tickers: list[str] | None = None


class Command(msgspec.Struct):
    cmd: str = ""
    id: int = 0
    params: Params | None = None


class Commands:
    """Executes the commands of one connection."""

    def __init__(self, venue: Venue, hub: Hub, connection: Connection) -> None:
        self._venue = venue
        self._hub = hub
        self._connection = connection
        self._second = 0
        self._in_second = 0

    def handle(self, text: str | bytes) -> None:
        """Do one command; whatever is wrong with it becomes an error frame."""
        command_id = 0
        try:
            command = _decode(text)
            command_id = command.id
            self._count(self._venue.advance())
            self._do(command)
        except CommandError as error:
            head = {"id": command_id} if command_id else {}
            msg = {"code": error.code, "msg": str(error), **error.members}
            self._connection.put({**head, "type": "error", "msg": msg})

    def _count(self, now_ms: int) -> None:
        second = now_ms // 1000
        if second != self._second:
            self._second, self._in_second = second, 0
        self._in_second += 1
        if self._in_second > MOST_COMMANDS:
            raise CommandError(27)

    def _do(self, command: Command) -> None:
        match command.cmd:
            case "subscribe":
                self._subscribe(command.id, _params(command))
            case "unsubscribe":
                self._unsubscribe(command.id, _params(command))
            case "update_subscription":
                self._update(command.id, _params(command))
            case "list_subscriptions":
                self._list(command.id)
            case _:
                raise CommandError(5)

    def _subscribe(self, command_id: int, params: Params) -> None:
        if not params.channels:
            raise CommandError(3)
        for channel in params.channels:
            if channel not in CHANNELS:
                raise CommandError(8)
        _check_shards(params)
        markets = self._markets(params)
        for channel in params.channels:
            if not markets and channel in NEEDS_MARKETS:
                raise CommandError(14)
            if channel in INDEXED and not params.index_ids:
                raise CommandError(24)
            if channel == "pyth_value" and not params.underlying_tickers:
                raise CommandError(28)
            if channel != "ticker" and (params.market_id or params.market_ids):
                raise CommandError(11)
        self._room(len(markets) * len(params.channels))
        for channel in dict.fromkeys(params.channels):
            self._open(command_id, channel, markets, params)

    def _room(self, more: int) -> None:
        held = sum(len(found.markets) for found in self._connection.by_sid.values() if found.markets is not None)
        if held + more > MOST_MARKETS:
            raise CommandError(26)

    def _open(self, command_id: int, channel: str, markets: list[Market], params: Params) -> None:
        """Subscribe, or merge into the subscription already held."""
        connection = self._connection
        wanted = {market.ticker: None for market in markets} if markets and channel in FILTERED else None
        found = connection.by_channel.get(channel)
        if found is None:
            found = connection.open(channel, wanted)
            new = markets
        elif found.markets is None or wanted is None:
            found.markets, new = None, []
        else:
            new = [market for market in markets if market.ticker not in found.markets]
            found.markets |= wanted
        if params.use_yes_price is not None:
            found.use_yes_price = params.use_yes_price
        found.skip_ack = params.skip_ticker_ack
        found.by_id = bool(params.market_id or params.market_ids)
        found.verbatim = not found.seq and self._hub.verbatim(found)
        head = {"id": command_id} if command_id else {}
        connection.put({**head, "type": "subscribed", "msg": {"channel": channel, "sid": found.sid}})
        self._first(found, new, initial=params.send_initial_snapshot)

    def _first(self, found: Subscription, markets: list[Market], *, initial: bool) -> None:
        """What a new market begins with: its book, or its tick when asked for."""
        for market in markets:
            if found.channel == "orderbook_delta" and self._hub.has_book(market):
                self._hub.snapshot(self._connection, found, market)
            elif found.channel == "ticker" and initial:
                self._hub.tick(self._connection, found, market, self._venue.world.now_ms)

    def _unsubscribe(self, command_id: int, params: Params) -> None:
        if not params.sids:
            raise CommandError(4)
        held = [self._held(sid) for sid in params.sids]
        for found in held:
            head: dict[str, Any] = {"id": command_id} if command_id else {}
            self._connection.reply(found, {**head, "type": "unsubscribed"})
            self._connection.close(found)

    def _update(self, command_id: int, params: Params) -> None:
        if not params.action:
            raise CommandError(15)
        sids = params.sids if params.sids is not None else [params.sid] if params.sid is not None else []
        if len(sids) != 1:
            raise CommandError(12)
        found = self._held(sids[0])
        if params.action not in {"add_markets", "delete_markets", "get_snapshot"}:
            raise CommandError(13)
        markets = self._markets(params)
        if not markets:
            raise CommandError(14)
        if found.channel not in FILTERED:
            raise CommandError(13)
        if found.channel != "ticker" and (params.market_id or params.market_ids):
            raise CommandError(11)
        if params.action == "get_snapshot":
            self._send_snapshots(command_id, found, markets)
            return
        if found.markets is None:
            raise CommandError(11)
        if params.action == "add_markets":
            self._room(len(markets))
            new = [market for market in markets if market.ticker not in found.markets]
            found.markets |= {market.ticker: None for market in new}
        else:
            new = []
            for market in markets:
                found.markets.pop(market.ticker, None)
        head: dict[str, Any] = {"id": command_id} if command_id else {}
        self._connection.reply(found, {**head, "type": "ok"}, self._acknowledged(found))
        self._first(found, new, initial=params.send_initial_snapshot)

    def _acknowledged(self, found: Subscription) -> dict[str, list[str]]:
        """All markets so far, the way they were named."""
        if found.skip_ack or found.markets is None:
            return {}
        if found.by_id:
            return {"market_ids": sorted(self._venue.exchange.markets[name].market_id for name in found.markets)}
        return {"market_tickers": sorted(found.markets)}

    def _send_snapshots(self, command_id: int, found: Subscription, markets: list[Market]) -> None:
        if found.channel != "orderbook_delta":
            raise CommandError(13)
        for market in markets:
            if not found.wants(market.ticker) or not self._hub.has_book(market):
                raise CommandError(11, market_ticker=market.ticker)
        for market in markets:
            self._hub.snapshot(self._connection, found, market, command_id=command_id)

    def _list(self, command_id: int) -> None:
        held = [{"channel": found.channel, "sid": found.sid} for found in self._connection.by_sid.values()]
        head: dict[str, Any] = {"id": command_id} if command_id else {}
        self._connection.put({**head, "type": "ok", "msg": held})

    def _held(self, sid: int) -> Subscription:
        found = self._connection.by_sid.get(sid)
        if found is None:
            raise CommandError(7)
        return found

    def _markets(self, params: Params) -> list[Market]:
        """The markets named by ticker or id; naming them two ways is a mistake."""
        ways = [params.market_ticker, params.market_tickers, params.market_id, params.market_ids]
        if sum(way is not None for way in ways) > 1:
            raise CommandError(11)
        known = self._venue.exchange.markets
        tickers = params.market_tickers or ([params.market_ticker] if params.market_ticker else [])
        ids = params.market_ids or ([params.market_id] if params.market_id else [])
        if ids:
            by_id = {market.market_id: market for market in known.values()}
            unknown_ids = [name for name in ids if name not in by_id]
            if unknown_ids:
                raise CommandError(16, market_id=unknown_ids[0])
            return [by_id[name] for name in dict.fromkeys(ids)]
        unknown = [name for name in tickers if name not in known]
        if unknown:
            raise CommandError(16, market_tickers=unknown)
        return [known[name] for name in dict.fromkeys(tickers)]


def _check_shards(params: Params) -> None:
    factor, key = params.shard_factor, params.shard_key
    if factor is None:
        if key is not None:
            raise CommandError(20)
        return
    if factor <= 0:
        raise CommandError(19)
    if factor > 100:
        raise CommandError(22)
    if key is not None and not 0 <= key < factor:
        raise CommandError(21)


def _decode(text: str | bytes) -> Command:
    try:
        return msgspec.json.decode(text, type=Command)
    except (msgspec.DecodeError, RecursionError) as error:  # nesting without end is no command either
        raise CommandError(1) from error


def _params(command: Command) -> Params:
    if command.params is None:
        raise CommandError(2)
    return command.params
