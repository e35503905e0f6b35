"""A market's life: open, pause, close, result, dispute, payout.

Every step answers whether it happened: a step that the market's status does not allow changes nothing.
"""

from services.simulator.engine.events import MarketChange, MarketChanged
from services.simulator.engine.exchange import Exchange
from services.simulator.engine.model import DOLLAR, Grid, Market, MarketStatus, Order, Result, Settlement

_CENT = 100


def activate(exchange: Exchange, market: Market, now_ms: int) -> bool:
    """Open a market that has not traded yet."""
    return _step(exchange, market, ("initialized",), "active", "activated", now_ms)


def deactivate(exchange: Exchange, market: Market, now_ms: int) -> bool:
    """Pause a market. Orders rest on, save those that asked to be cancelled."""
    if not _step(exchange, market, ("active",), "inactive", "deactivated", now_ms):
        return False
    _cancel(exchange, [order for order in resting_orders(exchange, market) if order.cancel_on_pause], now_ms)
    return True


def reactivate(exchange: Exchange, market: Market, now_ms: int) -> bool:
    """End a pause; what still rests is cancelled."""
    if market.status != "inactive":
        return False
    _cancel(exchange, resting_orders(exchange, market), now_ms)
    return _step(exchange, market, ("inactive",), "active", "reactivated", now_ms)


def close(exchange: Exchange, market: Market, now_ms: int) -> bool:
    """Stop trading; resting orders are cancelled by the exchange."""
    if market.status not in {"initialized", "active", "inactive"}:
        return False
    market.status = "closed"
    market.close_ms = market.updated_ms = now_ms
    for order in resting_orders(exchange, market):
        exchange.end(order, "CloseCancel", now_ms)
    exchange.emit(MarketChanged(market, "closed", now_ms))
    return True


def move_close(exchange: Exchange, market: Market, close_ms: int, now_ms: int) -> bool:
    """Move the close, as for a postponed game; a closed market whose close moves ahead opens again."""
    if market.status not in {"initialized", "active", "inactive", "closed"} or close_ms <= now_ms:
        return False
    market.close_ms, market.updated_ms = close_ms, now_ms
    exchange.emit(MarketChanged(market, "close_moved", now_ms))
    _step(exchange, market, ("closed",), "active", "reactivated", now_ms)
    return True


def regrid(exchange: Exchange, market: Market, grid: Grid, now_ms: int) -> bool:
    """Change the legal prices of a live market; orders that rest keep theirs."""
    market.grid, market.updated_ms = grid, now_ms
    exchange.emit(MarketChanged(market, "regridded", now_ms))
    return True


def determine(exchange: Exchange, market: Market, value: int, now_ms: int) -> bool:
    """Set what one YES pays (price units, whole cents)."""
    _check_value(value)
    if market.status != "closed":
        return False
    _set_result(market, value)
    market.determined_ms = now_ms
    return _step(exchange, market, ("closed",), "determined", "determined", now_ms)


def dispute(exchange: Exchange, market: Market, now_ms: int) -> bool:
    """Challenge a result: nothing is paid until it is amended."""
    return _step(exchange, market, ("determined",), "disputed", "disputed", now_ms)


def amend_result(exchange: Exchange, market: Market, value: int, now_ms: int) -> bool:
    """Decide a dispute: the same value again, or another."""
    _check_value(value)
    if market.status != "disputed":
        return False
    _set_result(market, value)
    return _step(exchange, market, ("disputed",), "amended", "amended", now_ms)


def void(exchange: Exchange, market: Market, now_ms: int) -> bool:
    """Close and determine at the fair price, as for a game that never starts."""
    if market.status not in {"active", "inactive", "closed"}:
        return False
    value = fair_price(market)
    close(exchange, market, now_ms)
    return determine(exchange, market, value, now_ms)


def fair_price(market: Market) -> int:
    """The last traded price in whole cents, else the middle of the book, else half a dollar."""
    if market.last_price:
        return (market.last_price + _CENT // 2) // _CENT * _CENT
    bid, ask = market.book.best_bid(), market.book.best_ask()
    if bid is None or ask is None:
        return DOLLAR // 2
    return (bid.price + ask.price + _CENT) // (2 * _CENT) * _CENT


def settle(exchange: Exchange, market: Market, now_ms: int) -> bool:
    """Pay every net position from the settlement value."""
    value = market.settlement_value
    if value is None or market.status not in {"determined", "amended"}:
        return False
    market.status = "finalized"
    market.settled_ms = market.updated_ms = now_ms
    market.open_interest = 0
    for account in exchange.accounts.values():
        position = account.positions.get(market.ticker)
        if position is None or not position.volume:
            continue
        payout = value * position.net if position.net > 0 else (DOLLAR - value) * -position.net
        account.cash += payout
        position.realized += payout - position.cost
        position.cost = position.net = 0
        position.settled = True
        position.updated_ms = now_ms
        if not account.internal:
            account.settlements.append(
                Settlement(
                    ticker=market.ticker,
                    event_ticker=market.event_ticker,
                    result=market.result,
                    value=value,
                    yes_bought=position.yes_bought,
                    yes_cost=position.yes_cost,
                    no_bought=position.no_bought,
                    no_cost=position.no_cost,
                    payout=payout,
                    fees=position.fees,
                    settled_ms=now_ms,
                    subaccount=account.number,
                )
            )
    exchange.emit(MarketChanged(market, "settled", now_ms))
    return True


def resting_orders(exchange: Exchange, market: Market) -> list[Order]:
    """Everybody's resting orders in one market, by account and side, oldest first."""
    return [
        order
        for account in exchange.accounts.values()
        if (position := account.positions.get(market.ticker)) is not None
        for orders in (position.bids, position.asks)
        for order in orders.values()
    ]


def _cancel(exchange: Exchange, orders: list[Order], now_ms: int) -> None:
    for order in orders:
        exchange.end(order, "HaltCancel", now_ms)


def _step(
    exchange: Exchange,
    market: Market,
    start: tuple[MarketStatus, ...],
    end: MarketStatus,
    change: MarketChange,
    now_ms: int,
) -> bool:
    if market.status not in start:
        return False
    market.status, market.updated_ms = end, now_ms
    exchange.emit(MarketChanged(market, change, now_ms))
    return True


def _check_value(value: int) -> None:
    if value % _CENT or not 0 <= value <= DOLLAR:
        raise ValueError(f"settlement value {value} is not a whole cent between 0 and 1 dollar")


def _set_result(market: Market, value: int) -> None:
    result: Result = "yes" if value == DOLLAR else "no" if value == 0 else "scalar"
    market.result, market.settlement_value = result, value
