"""Every read of the venue that Touchline uses.

All are tried three times; all may raise TemporaryError, PermanentError (NotFound, AuthenticationError), DecodeError.
"""

import random
from collections.abc import Callable, Sequence
from typing import Final, Self, TypeVar

import msgspec

from services.exchange import models
from services.exchange.budget import GET_ORDER_COST, Budget, Limits
from services.exchange.clock import Clock
from services.exchange.errors import DecodeError
from services.exchange.signer import RequestSigner
from services.exchange.transport import Call, Query, Transport, segment

T = TypeVar("T")
_MAX_PAGES: Final = 1000  # a cursor that never ends is a fault of the venue, not a reason to read for ever


class _Page(models.Wire, frozen=True, kw_only=True):
    cursor: str | None = None


class _Markets(_Page, frozen=True, kw_only=True):
    markets: list[models.Market]


class _Events(_Page, frozen=True, kw_only=True):
    events: list[models.Event]


class _Slate(_Page, frozen=True, kw_only=True):
    events: list[models.Event]
    milestones: list[models.Milestone] | None = None  # the venue may leave the key out when there are none


class _Trades(_Page, frozen=True, kw_only=True):
    trades: list[models.Trade]


class _Orders(_Page, frozen=True, kw_only=True):
    orders: list[models.Order]


class _Fills(_Page, frozen=True, kw_only=True):
    fills: list[models.Fill]


class _Settlements(_Page, frozen=True, kw_only=True):
    settlements: list[models.Settlement]


class _Positions(_Page, frozen=True, kw_only=True):
    market_positions: list[models.Position]


class _Deposits(_Page, frozen=True, kw_only=True):
    deposits: list[models.Transfer]


class _Withdrawals(_Page, frozen=True, kw_only=True):
    withdrawals: list[models.Transfer]


class _Milestones(_Page, frozen=True, kw_only=True):
    milestones: list[models.Milestone]


class _Event(models.Wire, frozen=True, kw_only=True):
    event: models.Event
    markets: list[models.Market]


class _Market(models.Wire, frozen=True, kw_only=True):
    market: models.Market


class _Series(models.Wire, frozen=True, kw_only=True):
    series: models.Series


class _Book(models.Wire, frozen=True, kw_only=True):
    orderbook_fp: models.OrderBook


class _Order(models.Wire, frozen=True, kw_only=True):
    order: models.Order


class _LiveData(models.Wire, frozen=True, kw_only=True):
    live_data: models.LiveData


class _LiveDatas(models.Wire, frozen=True, kw_only=True):
    live_datas: list[models.LiveData]


class _Groups(models.Wire, frozen=True, kw_only=True):
    order_groups: list[models.OrderGroup] | None = None  # the venue may leave the key out when there are none


class ExchangeReads:
    """Reads of one account (`subaccount` 0 is the main one). Use as an async context manager, or `aclose()` it."""

    def __init__(
        self,
        base_url: str,
        signer: RequestSigner | None,
        budget: Budget,
        clock: Clock,
        *,
        subaccount: int = 0,
        timeout_s: float = 5.0,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._transport = Transport(base_url, signer, budget, clock, timeout_s=timeout_s, jitter=jitter)
        self._subaccount = subaccount

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    async def try_key(self, signer: RequestSigner) -> models.Balance:
        """One read signed with another key: raises AuthenticationError when the venue does not take it."""
        return await self._transport.retried(self._balance_call(), models.Balance, signer=signer)

    # --- the exchange and its markets (public) ---

    async def exchange_status(self) -> models.ExchangeStatus:
        return await self._get("/exchange/status", models.ExchangeStatus)

    async def series(self, ticker: str) -> models.Series:
        return (await self._get(f"/series/{segment(ticker)}", _Series)).series

    async def event(self, ticker: str) -> models.Event:
        """The event with its markets."""
        found = await self._get(f"/events/{segment(ticker)}", _Event)
        return msgspec.structs.replace(found.event, markets=found.markets)

    async def events(
        self, *, series_ticker: str | None = None, status: str | None = None, with_markets: bool = False
    ) -> list[models.Event]:
        """`status`: unopened, open, closed or settled; an event matches if one of its markets does."""
        query: Query = {
            "series_ticker": series_ticker,
            "status": status,
            "with_nested_markets": with_markets,
            "limit": 200,
        }
        return await self._pages("/events", query, _Events, lambda page: page.events)

    async def open_events(self, series_ticker: str) -> tuple[list[models.Event], list[models.Milestone]]:
        """Events of a series with an open market, their markets, and the milestones of their games."""
        query: Query = {
            "series_ticker": series_ticker,
            "status": "open",
            "with_nested_markets": True,
            "with_milestones": True,
            "limit": 200,
        }
        pages = await self._pages("/events", query, _Slate, lambda page: [page])
        return [event for page in pages for event in page.events], [
            game for page in pages for game in page.milestones or ()
        ]

    async def markets(self, *, event_ticker: str) -> list[models.Market]:
        query: Query = {"event_ticker": event_ticker, "limit": 1000}
        return await self._pages("/markets", query, _Markets, lambda page: page.markets)

    async def market(self, ticker: str) -> models.Market:
        """Raises NotFound; the venue also says so just after a market was created."""
        return (await self._get(f"/markets/{segment(ticker)}", _Market)).market

    async def orderbook(self, ticker: str) -> models.OrderBook:
        return (await self._get(f"/markets/{segment(ticker)}/orderbook", _Book)).orderbook_fp

    async def trades(
        self, ticker: str, *, min_ts: int | None = None, max_ts: int | None = None, limit: int = 1000
    ) -> list[models.Trade]:
        """The newest `limit` (at most 1000) public trades, newest first. Times in epoch milliseconds."""
        query: Query = {
            "ticker": ticker,
            "min_ts": _seconds(min_ts),
            "max_ts": _seconds(max_ts),
            "limit": limit,
        }
        return (await self._get("/markets/trades", _Trades, query)).trades

    # --- games ---

    async def milestones(self, *, related_event_ticker: str) -> list[models.Milestone]:
        query: Query = {"related_event_ticker": related_event_ticker, "limit": 100}
        return await self._pages("/milestones", query, _Milestones, lambda page: page.milestones)

    async def live_data(self, milestone_id: str) -> models.LiveData:
        return (await self._get(f"/live_data/milestone/{segment(milestone_id)}", _LiveData)).live_data

    async def live_data_batch(self, milestone_ids: Sequence[str]) -> list[models.LiveData]:
        query: Query = {"milestone_ids": tuple(milestone_ids)}
        return (await self._get("/live_data/batch", _LiveDatas, query)).live_datas

    # --- the account ---

    async def balance(self) -> models.Balance:
        return await self._transport.retried(self._balance_call(), models.Balance)

    async def positions(self) -> list[models.Position]:
        """Unsettled positions, all pages."""
        query: Query = {"limit": 1000, "subaccount": self._subaccount}
        return await self._pages("/portfolio/positions", query, _Positions, lambda page: page.market_positions)

    async def fills(
        self,
        *,
        ticker: str | None = None,
        order_id: str | None = None,
        min_ts: int | None = None,
        max_ts: int | None = None,
    ) -> list[models.Fill]:
        """All pages, newest first. Times in epoch milliseconds, sent as whole seconds."""
        query: Query = {
            "ticker": ticker,
            "order_id": order_id,
            "min_ts": _seconds(min_ts),
            "max_ts": _seconds(max_ts),
            "limit": 1000,
            "subaccount": self._subaccount,
        }
        return await self._pages("/portfolio/fills", query, _Fills, lambda page: page.fills)

    async def settlements(self, *, min_ts: int | None = None) -> list[models.Settlement]:
        """All pages, from `min_ts` (epoch milliseconds) on."""
        query: Query = {"min_ts": _seconds(min_ts), "limit": 1000, "subaccount": self._subaccount}
        return await self._pages("/portfolio/settlements", query, _Settlements, lambda page: page.settlements)

    async def deposits(self) -> list[models.Transfer]:
        return await self._pages("/portfolio/deposits", {"limit": 500}, _Deposits, lambda page: page.deposits)

    async def withdrawals(self) -> list[models.Transfer]:
        query: Query = {"limit": 500}
        return await self._pages("/portfolio/withdrawals", query, _Withdrawals, lambda page: page.withdrawals)

    async def orders(
        self,
        *,
        status: models.OrderStatus | None = None,
        ticker: str | None = None,
        min_ts: int | None = None,
    ) -> list[models.Order]:
        """All pages. Reads may lag writes by some hundred milliseconds."""
        query: Query = {
            "status": status,
            "ticker": ticker,
            "min_ts": _seconds(min_ts),
            "limit": 1000,
            "subaccount": self._subaccount,
        }
        return await self._pages("/portfolio/orders", query, _Orders, lambda page: page.orders)

    async def order(self, order_id: str) -> models.Order:
        call = Call("GET", f"/portfolio/orders/{segment(order_id)}", cost=GET_ORDER_COST)
        return (await self._transport.retried(call, _Order)).order

    async def order_groups(self) -> list[models.OrderGroup]:
        query: Query = {"subaccount": self._subaccount}
        return (await self._get("/portfolio/order_groups", _Groups, query)).order_groups or []

    async def account_limits(self) -> models.AccountLimits:
        return await self._get("/account/limits", models.AccountLimits)

    async def learn_limits(self, fraction: float) -> models.AccountLimits:
        """Use `fraction` of what the account is allowed from now on, instead of what was assumed."""
        told = await self.account_limits()
        whole = Limits(
            told.read.refill_rate, told.read.bucket_capacity, told.write.refill_rate, told.write.bucket_capacity
        )
        self._transport.budget.apply(whole.share(fraction))
        return told

    # --- how ---

    def _balance_call(self) -> Call:
        return Call("GET", "/portfolio/balance", {"subaccount": self._subaccount})

    async def _get(self, path: str, model: type[T], query: Query | None = None) -> T:
        return await self._transport.retried(Call("GET", path, query), model)

    async def _pages(self, path: str, query: Query, model: type["P"], rows: Callable[["P"], list[T]]) -> list[T]:
        found: list[T] = []
        cursor: str | None = None
        for _ in range(_MAX_PAGES):
            page = await self._get(path, model, {**query, "cursor": cursor})
            found.extend(rows(page))
            if not page.cursor:
                return found
            if page.cursor == cursor:
                raise DecodeError(f"GET {path}", "cursor", "the same cursor twice: the pages do not end")
            cursor = page.cursor
        raise DecodeError(f"GET {path}", "cursor", f"more than {_MAX_PAGES} pages")


P = TypeVar("P", bound=_Page)


def _seconds(milliseconds: int | None) -> int | None:
    return None if milliseconds is None else milliseconds // 1000
