"""A market's life: open, close, result, payout."""

from services.simulator.engine.events import MarketChanged
from services.simulator.engine.exchange import Exchange
from services.simulator.engine.model import DOLLAR, Market, Result, Settlement


def activate(exchange: Exchange, market: Market, now_ms: int) -> None:
    market.status = "active"
    market.updated_ms = now_ms
    exchange.emit(MarketChanged(market, "activated", now_ms))


def close(exchange: Exchange, market: Market, now_ms: int) -> None:
    """Stop trading; resting orders are cancelled by the exchange."""
    market.status = "closed"
    market.close_ms = market.updated_ms = now_ms
    for account in exchange.accounts.values():
        position = account.positions.get(market.ticker)
        for order in [] if position is None else [*position.bids.values(), *position.asks.values()]:
            exchange.end(order, "CloseCancel", now_ms)
    exchange.emit(MarketChanged(market, "closed", now_ms))


def determine(exchange: Exchange, market: Market, value: int, now_ms: int) -> None:
    """Set what one YES pays (price units, whole cents)."""
    if value % 100 or not 0 <= value <= DOLLAR:
        raise ValueError(f"settlement value {value} is not a whole cent between 0 and 1 dollar")
    result: Result = "yes" if value == DOLLAR else "no" if value == 0 else "scalar"
    market.status, market.result, market.settlement_value = "determined", result, value
    market.determined_ms = market.updated_ms = now_ms
    exchange.emit(MarketChanged(market, "determined", now_ms))


def settle(exchange: Exchange, market: Market, now_ms: int) -> None:
    """Pay every net position from the settlement value."""
    value = market.settlement_value
    if value is None:
        raise ValueError(f"{market.ticker} has no result yet")
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
