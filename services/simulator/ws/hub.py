"""Turns the engine's events into frames for every connection that wants them."""

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
from services.simulator.ws import frames
from services.simulator.ws.connection import Connection, Subscription

_encode = msgspec.json.encode


class Hub:
    """All open connections."""

    def __init__(self) -> None:
        self.connections: list[Connection] = []

    def on_event(self, event: Event) -> None:
        if not self.connections:
            return
        match event:
            case BookChange():
                self._book(event)
            case Traded(market, trade):
                self._public("trade", "trade", market, frames.trade(trade))
                self._tick(market, trade.ts_ms)
            case Filled(order, fill):
                account, market = order.account, order.market
                for connection, found in self._mine(account, "fill", market.ticker):
                    connection.push(found, "fill", _encode(frames.fill(fill)))
                position = account.position(market.ticker)
                for connection, found in self._mine(account, "market_positions", market.ticker):
                    msg = frames.position(account.user_id, market.ticker, position)
                    connection.push(found, "market_position", _encode(msg))
            case OrderChanged(order):
                if order.status == "resting" and order.time_in_force != "good_till_canceled":
                    return  # an immediate order is only ever shown executed or cancelled
                for connection, found in self._mine(order.account, "user_orders", order.market.ticker):
                    connection.push(found, "user_order", _encode(frames.user_order(order)))
            case GroupChanged(group):
                for connection, found in self._mine(group.account, "order_group_updates", ""):
                    connection.push(found, "order_group_updates", _encode(frames.group(event)))
            case MarketChanged(market, change, ts_ms):
                self._life(market, change, ts_ms)

    def snapshot(self, connection: Connection, found: Subscription, market: Market, *, command_id: int = 0) -> None:
        msg = _encode(frames.snapshot(market, use_yes_price=found.use_yes_price))
        connection.push(found, "orderbook_snapshot", msg, command_id=command_id)

    def tick(self, connection: Connection, found: Subscription, market: Market, now_ms: int) -> None:
        connection.push(found, "ticker", _encode(frames.ticker(market, now_ms)))

    def _book(self, change: BookChange) -> None:
        shared: dict[bool, bytes] = {}
        for connection in self.connections:
            found = connection.by_channel.get("orderbook_delta")
            if found is None or not found.wants(change.market.ticker):
                continue
            own = connection.account is change.order.account
            if own:
                msg = _encode(frames.delta(change, use_yes_price=found.use_yes_price, own=True))
            elif found.use_yes_price in shared:
                msg = shared[found.use_yes_price]
            else:
                msg = _encode(frames.delta(change, use_yes_price=found.use_yes_price, own=False))
                shared[found.use_yes_price] = msg
            connection.push(found, "orderbook_delta", msg)
        half = change.market.book.side(change.side).best()
        if half is None or change.price == half.price or (change.price > half.price) == (change.side == "bid"):
            self._tick(change.market, change.ts_ms)

    def _tick(self, market: Market, now_ms: int) -> None:
        """The touch, its size or the last trade may have changed."""
        if any("ticker" in connection.by_channel for connection in self.connections):
            self._public("ticker", "ticker", market, frames.ticker(market, now_ms))

    def _public(self, channel: str, kind: str, market: Market, body: frames.Body) -> None:
        msg = _encode(body)
        for connection in self.connections:
            found = connection.by_channel.get(channel)
            if found is not None and found.wants(market.ticker):
                connection.push(found, kind, msg)

    def _mine(self, account: Account, channel: str, ticker: str) -> list[tuple[Connection, Subscription]]:
        if account.internal:
            return []
        return [
            (connection, found)
            for connection in self.connections
            if connection.account is account
            and (found := connection.by_channel.get(channel)) is not None
            and (not ticker or found.wants(ticker))
        ]

    def _life(self, market: Market, change: str, ts_ms: int) -> None:
        if change == "closed":
            for connection in self.connections:
                found = connection.by_channel.get("orderbook_delta")
                if found is not None and found.wants(market.ticker):
                    self.snapshot(connection, found, market)
        body = frames.lifecycle(market, change, ts_ms)
        if body is not None:
            self._public("market_lifecycle_v2", "market_lifecycle_v2", market, body)
