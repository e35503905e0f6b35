"""The HTTP edge: finds the route, checks signature and limits, applies scripted faults, writes JSON."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from services.simulator.auth import KEY_HEADER
from services.simulator.engine.errors import Refused
from services.simulator.engine.model import Account
from services.simulator.faults import Fault
from services.simulator.rest import groups, orders, portfolio, public
from services.simulator.rest.call import Call, Reply, Route
from services.simulator.venue import Venue
from services.simulator.wire.errors import TOO_MANY, WireError, error_object, flat, nested

PREFIX = "/trade-api/v2"
MAX_BODY = 1024 * 1024
"""Largest accepted request body in bytes."""
_SILENT_S = 3600.0
"""How long a silent request stays open, unless the client ends it."""
ROUTES: list[Route] = [*public.ROUTES, *portfolio.ROUTES, *orders.ROUTES, *groups.ROUTES]

_log = logging.getLogger(__name__)
_Edge = Callable[[web.Request], Awaitable[web.StreamResponse]]


def json_response(body: Any, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")


def add_routes(app: web.Application, venue: Venue) -> None:
    """Mount every route under the exchange's own prefix."""
    for route in ROUTES:
        app.router.add_route(route.method, PREFIX + route.path, _edge(venue, route))


@web.middleware
async def errors(request: web.Request, handler: _Edge) -> web.StreamResponse:
    """Whatever goes wrong has the exchange's own error shape, never a page or a traceback."""
    try:
        return await handler(request)
    except WireError as error:
        status, body = error.status, error.body
    except Refused as refused:
        status, body = refused.status, {"error": error_object(refused)}
    except web.HTTPRequestEntityTooLarge:
        status, body = 413, flat(f"body larger than {MAX_BODY} bytes", "request_too_large", 413).body
    except web.HTTPMethodNotAllowed:
        status, body = 405, _unserved(request, 405, "method_not_allowed")
    except web.HTTPNotFound:
        status, body = 404, _unserved(request, 404, "not_found")
    except Exception:  # noqa: BLE001  - the edge's last line: logged in full, answered as the exchange would
        _log.exception("%s %s failed", request.method, request.path)
        status, body = 500, {"error": error_object(Refused("internal_error", status=500))}
    return json_response(body, status)


def _unserved(request: web.Request, status: int, code: str) -> dict[str, Any]:
    details = f"{request.method} {request.path} is not served by this simulator"
    return nested(status, code, details=details).body


def _edge(venue: Venue, route: Route) -> _Edge:
    async def serve(request: web.Request) -> web.StreamResponse:
        key_id = request.headers.get(KEY_HEADER, "")
        fault = venue.faults.for_request(request.method, request.path, key_id)
        if fault is not None:
            before = await _fault_before(venue, fault, request)
            if before is not None:
                return before
        body = await request.read()
        account = _account(venue, route, request)
        _charge(venue, route, account, body)
        call = Call(venue, route.operation, dict(request.match_info), request.query, body, venue.advance(), account)
        reply = route.handler(call)
        if fault is not None:
            return await _fault_after(fault, request, reply)
        return json_response(reply.body, reply.status)

    return serve


def _account(venue: Venue, route: Route, request: web.Request) -> Account | None:
    """Signed routes need a good signature; public ones only look up whose budget to charge."""
    if route.auth:
        if request.query.get("subaccount", "0") not in {"", "0"}:
            raise Refused("forbidden", status=403, details="this account has no subaccounts")
        path = request.raw_path.partition("?")[0]
        return venue.accounts[venue.authenticator.check(request.headers, request.method, path, venue.wall_ms())]
    return venue.accounts.get(request.headers.get(KEY_HEADER, ""))


def _charge(venue: Venue, route: Route, account: Account | None, body: bytes) -> None:
    if account is None:
        return
    cost = route.cost if isinstance(route.cost, int) else route.cost(body)
    if not venue.limiter.take(account.account_id, route.kind, cost, time.monotonic()):
        raise WireError(429, TOO_MANY)


async def _fault_before(venue: Venue, fault: Fault, request: web.Request) -> web.Response | None:
    """Faults that keep the request from the exchange, and delays."""
    match fault.action:
        case "status_409":
            raise nested(409, "conflict")
        case "status_429":
            raise WireError(429, TOO_MANY)
        case "status_500":
            raise nested(500, "internal_error")
        case "status_503":
            raise nested(503, "service_unavailable")
        case "refuse":
            _abort(request)
            return web.Response()
        case "silent":
            await asyncio.sleep(_SILENT_S)
            _abort(request)
            return web.Response()
        case "delay_ms":
            await asyncio.sleep(venue.faults.delay_s(fault))
        case _:
            pass
    return None


async def _fault_after(fault: Fault, request: web.Request, reply: Reply) -> web.Response:
    """Faults that hide what the exchange has already done."""
    match fault.action:
        case "error_500_after_accept":
            raise nested(500, "internal_error")
        case "empty_2xx_after_accept":
            return json_response({}, reply.status)
        case "drop_reply_after_accept":
            _abort(request)
        case "half_close_after_accept" if request.transport is not None:
            request.transport.write_eof()
            await asyncio.sleep(_SILENT_S)
            _abort(request)
        case _:
            pass
    return json_response(reply.body, reply.status)


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
