"""The admin calls, mounted only with ``--admin``: read the accept log, script faults, pause, move markets."""

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from aiohttp import web

from services.simulator.engine import lifecycle
from services.simulator.engine.model import Account, Market
from services.simulator.engine.switches import Switches
from services.simulator.faults import Fault
from services.simulator.limits import TIERS
from services.simulator.rest.server import json_response
from services.simulator.venue import Venue
from trading_logic.money import MoneyError, parse_price

S = TypeVar("S", bound=msgspec.Struct)
_LONGEST_MS = 24 * 3600 * 1000
_Ms = Annotated[int, msgspec.Meta(ge=0, le=_LONGEST_MS)]
_Price = Annotated[int, msgspec.Meta(ge=0, le=10_000)]


class StateBody(msgspec.Struct, forbid_unknown_fields=True):
    exchange_active: bool = True
    trading_active: bool = True


class WindowBody(msgspec.Struct, forbid_unknown_fields=True):
    """A maintenance window that begins in ``in_ms`` and lasts ``for_ms``."""

    in_ms: _Ms
    for_ms: Annotated[int, msgspec.Meta(ge=1, le=_LONGEST_MS)]


class OutageBody(msgspec.Struct, forbid_unknown_fields=True):
    for_ms: Annotated[int, msgspec.Meta(ge=1, le=_LONGEST_MS)]


class TierBody(msgspec.Struct, forbid_unknown_fields=True):
    tier: str


class MarketBody(msgspec.Struct, forbid_unknown_fields=True):
    """One step of a market's life.

    ``value`` is what one YES pays, for ``determine`` and ``amend_result``; ``in_ms`` when a moved close is;
    ``grid`` the (start, end, step) in 1/10,000 dollar of ``regrid``.
    """

    action: Literal[
        "deactivate", "reactivate", "close", "move_close", "regrid", "determine", "dispute", "amend_result", "void",
        "settle",
    ]  # fmt: skip
    value: str | None = None
    in_ms: _Ms | None = None
    grid: tuple[tuple[_Price, _Price, Annotated[int, msgspec.Meta(ge=1, le=10_000)]], ...] | None = None


class BadCallError(Exception):
    """A call that cannot be done; the text says why."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


class Admin:
    """The calls on one venue; ``outage`` makes the simulator refuse connections for that many seconds."""

    def __init__(self, venue: Venue, outage: Callable[[float], None]) -> None:
        self._venue = venue
        self._outage = outage

    def mount(self, app: web.Application) -> None:
        for method, path, handler in (
            ("GET", "/sim/accept-log", self.accept_log),
            ("GET", "/sim/faults", self.list_faults),
            ("DELETE", "/sim/faults", self.clear_faults),
            ("GET", "/sim/switches", self.get_switches),
            ("PUT", "/sim/switches", self.set_switches),
            ("PUT", "/sim/exchange", self.set_state),
            ("PUT", "/sim/accounts/{key_id}/tier", self.set_tier),
            ("POST", "/sim/markets/{ticker}", self.move_market),
            ("POST", "/sim/outage", self.begin_outage),
        ):
            app.router.add_route(method, path, _answer(handler, 200))
        app.router.add_post("/sim/faults", _answer(self.add_fault, 201))
        app.router.add_post("/sim/maintenance", _answer(self.plan_maintenance, 201))

    async def accept_log(self, request: web.Request) -> Any:
        after = request.query.get("after", "0")
        if not (after.isascii() and after.isdigit()):
            raise BadCallError(f"after: {after!r} is not a whole number")
        return {"lines": self._venue.log.read(int(after)), "count": self._venue.log.count}

    async def add_fault(self, request: web.Request) -> Any:
        self._venue.faults.add(await _body(request, Fault))
        return {"faults": self._venue.faults.listed()}

    async def list_faults(self, _: web.Request) -> Any:
        return {"faults": self._venue.faults.listed()}

    async def clear_faults(self, _: web.Request) -> Any:
        self._venue.faults.clear()
        return {"faults": []}

    async def get_switches(self, request: web.Request) -> Any:
        key_id = request.query.get("key_id", "")
        return self._account(key_id).switches if key_id else self._venue.exchange.switches

    async def set_switches(self, request: web.Request) -> Any:
        """Replace the switches of one account or of all: what the body leaves out is at its default again."""
        wanted = await _body(request, Switches)
        key_id, exchange = request.query.get("key_id", ""), self._venue.exchange
        purses = self._account(key_id).member.accounts if key_id else exchange.accounts
        if not key_id:
            exchange.switches = wanted
        for purse in purses.values():
            purse.switches = wanted
        return wanted

    async def set_state(self, request: web.Request) -> Any:
        wanted, venue = await _body(request, StateBody), self._venue
        venue.set_state(
            exchange_active=wanted.exchange_active, trading_active=wanted.trading_active, now_ms=venue.advance()
        )
        return wanted

    async def plan_maintenance(self, request: web.Request) -> Any:
        window = await _body(request, WindowBody)
        start_ms = self._venue.clock() + window.in_ms
        self._venue.plan_maintenance(start_ms, start_ms + window.for_ms)
        return {"windows": self._venue.windows}

    async def set_tier(self, request: web.Request) -> Any:
        wanted = (await _body(request, TierBody)).tier
        if wanted not in TIERS:
            raise BadCallError(f"tier: {wanted!r} is not one of {', '.join(TIERS)}")
        account = self._account(request.match_info["key_id"])
        self._venue.limiter.set_tier(account.member.accounts[0].account_id, wanted)
        return {"tier": wanted}

    async def move_market(self, request: web.Request) -> Any:
        body, now_ms = await _body(request, MarketBody), self._venue.advance()
        market = self._venue.exchange.markets.get(request.match_info["ticker"])
        if market is None:
            raise BadCallError("market: unknown ticker", 404)
        if not _step(self._venue, market, body, now_ms):
            raise BadCallError(f"{body.action}: not possible while the market is {market.status}", 409)
        return {"ticker": market.ticker, "status": market.status}

    async def begin_outage(self, request: web.Request) -> Any:
        wanted = await _body(request, OutageBody)
        self._outage(wanted.for_ms / 1000)
        return wanted

    def _account(self, key_id: str) -> Account:
        found = self._venue.accounts.get(key_id)
        if found is None:
            raise BadCallError(f"key_id: {key_id!r} is unknown", 404)
        return found


def _answer(handler: Callable[[web.Request], Any], status: int) -> Callable[[web.Request], Any]:
    async def serve(request: web.Request) -> web.StreamResponse:
        try:
            return json_response(await handler(request), status)
        except BadCallError as error:
            return json_response({"error": str(error)}, error.status)

    return serve


async def _body(request: web.Request, model: type[S]) -> S:
    try:
        return msgspec.json.decode(await request.read(), type=model)
    except msgspec.DecodeError as error:
        raise BadCallError(str(error)) from error


def _step(venue: Venue, market: Market, body: MarketBody, now_ms: int) -> bool:
    exchange = venue.exchange
    match body.action:
        case "deactivate":
            return lifecycle.deactivate(exchange, market, now_ms)
        case "reactivate":
            return lifecycle.reactivate(exchange, market, now_ms)
        case "close":
            return lifecycle.close(exchange, market, now_ms)
        case "dispute":
            return lifecycle.dispute(exchange, market, now_ms)
        case "void":
            return lifecycle.void(exchange, market, now_ms)
        case "settle":
            return lifecycle.settle(exchange, market, now_ms)
        case "move_close":
            if body.in_ms is None:
                raise BadCallError("in_ms: missing")
            return lifecycle.move_close(exchange, market, now_ms + body.in_ms, now_ms)
        case "regrid":
            if not body.grid:
                raise BadCallError("grid: missing")
            return lifecycle.regrid(exchange, market, body.grid, now_ms)
        case "determine":
            return lifecycle.determine(exchange, market, _value(body), now_ms)
        case "amend_result":
            return lifecycle.amend_result(exchange, market, _value(body), now_ms)


def _value(body: MarketBody) -> int:
    try:
        value = parse_price(body.value, "value")
    except MoneyError as error:
        raise BadCallError(str(error)) from error
    if value % 100:
        raise BadCallError(f"value: {body.value!r} is not in whole cents")
    return value
