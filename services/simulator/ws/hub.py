"""Turns the engine's events, or a recording's frames, into frames for every connection that wants them."""

from collections.abc import Mapping

import msgspec

from services.simulator.engine.events import (
    BookChange,
    Event,
    Filled,
    GroupChanged,
    MarketChanged,
    OrderChanged,
    Traded,
)
from services.simulator.engine.model import Account, Market
from services.simulator.replay.frames import Recorded, on_yes_scale
from services.simulator.replay.player import Replay
from services.simulator.world.listings import EventListing, MarketListing
from services.simulator.ws import frames
from services.simulator.ws.connection import Connection, Subscription

_encode = msgspec.json.encode


class Hub:
    """All open connections. ``events`` and ``listings`` describe what is new on the exchange."""

    def __init__(
        self,
        events: Mapping[str, EventListing],
        listings: Mapping[str, MarketListing],
        replay: Replay | None = None,
    ) -> None:
        self.connections: list[Connection] = []
        self._events = events
        self._listings = listings
        self._replay = replay
        self._recorded: frozenset[str] = frozenset() if replay is None else replay.tickers

    def on_event(self, event: Event) -> None:
        """Hear of one thing that happened. A recorded market's public frames come from its recording alone."""
        if not self.connections:
            return
        match event:
            case BookChange(market) | Traded(market) if market.ticker in self._recorded:
                return
            case BookChange():
                self._book(event)
            case Traded(market, trade):
                self._public("trade", b"trade", market.ticker, frames.trade(trade))
                self._tick(market, trade.ts_ms)
            case Filled():
                self._filled(event)
            case OrderChanged(order):
                if order.status == "resting" and order.time_in_force != "good_till_canceled":
                    return  # an immediate order is only ever shown executed or cancelled
                for connection, found in self._mine(order.account, "user_orders", order.market.ticker):
                    connection.push(found, b"user_order", _encode(frames.user_order(order)))
            case GroupChanged(group):
                for connection, found in self._mine(group.account, "order_group_updates", ""):
                    connection.push(found, b"order_group_updates", _encode(frames.group(event)))
            case MarketChanged(market, _, ts_ms):
                self._life(event, market, ts_ms)

    def _filled(self, event: Filled) -> None:
        account, market = event.order.account, event.order.market
        for connection, found in self._mine(account, "fill", market.ticker):
            connection.push(found, b"fill", _encode(frames.fill(event.fill)))
        position = account.position(market.ticker)
        for connection, found in self._mine(account, "market_positions", market.ticker):
            connection.push(found, b"market_position", _encode(frames.position(account, market, position)))

    def on_recorded(self, frame: Recorded, market: Market | None, now_ms: int) -> None:
        """Pass on a recording's frame: as it is to who has all of it, else as an update of ours."""
        other_scale: bytes | None = None
        for connection in self.connections:
            found = connection.by_channel.get(frame.channel)
            if found is None:
                continue
            if found.verbatim:
                connection.raw(found, frame.seq, frame.line)
            elif frame.kind != b"ok" and found.wants(frame.ticker):
                msg = frame.msg
                if found.use_yes_price and frame.channel == "orderbook_delta":
                    other_scale = other_scale or on_yes_scale(frame)
                    msg = other_scale
                connection.push(found, frame.kind, msg)
        if market is not None and frame.kind != b"ok":
            self._tick(market, now_ms)

    def verbatim(self, found: Subscription) -> bool:
        """Whether a new subscription can follow the recording number by number: all of it, from its start."""
        replay = self._replay
        return (
            replay is not None
            and not replay.started
            and replay.tape.sids.get(found.channel) == found.sid
            and not found.use_yes_price
            and (found.markets is None or replay.tickers <= found.markets.keys())
        )

    def has_book(self, market: Market) -> bool:
        """False while a recording has not yet shown the market's book."""
        return self._replay is None or market.ticker not in self._recorded or market.ticker in self._replay.known

    def snapshot(self, connection: Connection, found: Subscription, market: Market, *, command_id: int = 0) -> None:
        empty = connection.account.switches.empty_ladders
        msg = _encode(frames.snapshot(market, use_yes_price=found.use_yes_price, empty_ladders=empty))
        connection.snapshot(found, market.ticker, msg, command_id=command_id)

    def tick(self, connection: Connection, found: Subscription, market: Market, now_ms: int) -> None:
        connection.push(found, b"ticker", _encode(frames.ticker(market, now_ms)))

    def _book(self, change: BookChange) -> None:
        ticker = change.market.ticker
        yes_scale: bytes | None = None
        own_scale: bytes | None = None
        for connection in self.connections:
            found = connection.by_channel.get("orderbook_delta")
            if found is None or not (found.markets is None or ticker in found.markets):
                continue
            if connection.account.member is change.order.account.member:
                msg = frames.own_delta(change, use_yes_price=found.use_yes_price)
            elif found.use_yes_price:
                msg = yes_scale = yes_scale or frames.delta(change, use_yes_price=True)
            else:
                msg = own_scale = own_scale or frames.delta(change, use_yes_price=False)
            connection.push(found, b"orderbook_delta", msg)
        half = change.market.book.side(change.side).best()
        if half is None or change.price == half.price or (change.price > half.price) == (change.side == "bid"):
            self._tick(change.market, change.ts_ms)

    def _tick(self, market: Market, now_ms: int) -> None:
        """The touch, its size or the last trade may have changed."""
        for connection in self.connections:
            if "ticker" in connection.by_channel:
                self._public("ticker", b"ticker", market.ticker, frames.ticker(market, now_ms))
                return

    def _public(self, channel: str, kind: bytes, ticker: str, body: frames.Body) -> None:
        msg = _encode(body)
        for connection in self.connections:
            found = connection.by_channel.get(channel)
            if found is not None and found.wants(ticker):
                connection.push(found, kind, msg)

    def _mine(self, account: Account, channel: str, ticker: str) -> list[tuple[Connection, Subscription]]:
        if account.internal:
            return []
        return [
            (connection, found)
            for connection in self.connections
            if connection.account.member is account.member
            and (found := connection.by_channel.get(channel)) is not None
            and (not ticker or found.wants(ticker))
        ]

    def _life(self, event: MarketChanged, market: Market, ts_ms: int) -> None:
        if event.change == "closed" and market.ticker not in self._recorded:
            for connection in self.connections:
                found = connection.by_channel.get("orderbook_delta")
                if found is not None and found.wants(market.ticker):
                    self.snapshot(connection, found, market)
        channel = "market_lifecycle_v2"
        if event.change == "activated":
            listed = self._events[market.event_ticker]
            if market is next(iter(listed.markets.values())):
                self._public(channel, b"event_lifecycle", market.ticker, frames.event_lifecycle(listed))
        body = frames.lifecycle(market, event.change, self._listings[market.ticker], ts_ms)
        if body is not None:
            self._public(channel, b"market_lifecycle_v2", market.ticker, body)
