"""The HTTP edge: finds the route, checks signature and limits, applies scripted faults, writes JSON."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from services.simulator.auth import KEY_HEADER, ApiKey
from services.simulator.engine.errors import Refused
from services.simulator.faults import Fault
from services.simulator.rest.call import Call, Reply, Route
from services.simulator.rest.index import PREFIX, ROUTES, UNSERVED
from services.simulator.venue import Venue
from services.simulator.wire.errors import TOO_MANY, WireError, error_object, flat, nested

MAX_BODY = 1024 * 1024
"""Largest accepted request body in bytes."""
_SILENT_S = 3600.0
"""How long a silent request stays open, unless the client ends it."""

_PAGE = b"<html><head><title>Just a moment</title></head><body>Please try again.</body></html>"

_log = logging.getLogger(__name__)
_Edge = Callable[[web.Request], Awaitable[web.StreamResponse]]


def json_response(body: Any, status: int = 200) -> web.Response:
    """A JSON answer; 204 has no body."""
    if status == 204:
        return web.Response(status=status)
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")


def add_routes(app: web.Application, venue: Venue) -> None:
    """Mount every route under the exchange's own prefix."""
    for route in ROUTES:
        app.router.add_route(route.method, PREFIX + route.path, _edge(venue, route))
    for method, path in UNSERVED:
        app.router.add_route(method, PREFIX + path, _not_implemented)


async def _not_implemented(request: web.Request) -> web.StreamResponse:
    """A call that the exchange has and this simulator does not."""
    return json_response(_unserved(request, 501, "not_implemented"), 501)


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
        if request.path != "/" and request.path.endswith("/"):
            raise web.HTTPMovedPermanently(request.path.rstrip("/") or "/") from None
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
        key = _key(venue, route, request)
        _charge(venue, route, key, body)
        call = Call(venue, route.operation, dict(request.match_info), request.query, body, venue.advance(), key)
        reply = route.handler(call)
        if fault is not None:
            return await _fault_after(fault, request, reply)
        return json_response(reply.body, reply.status)

    return serve


def _key(venue: Venue, route: Route, request: web.Request) -> ApiKey | None:
    """Signed routes need a good signature and scope; public ones only look up whose budget to charge."""
    keys = venue.authenticator.keys
    if not route.auth:
        return keys.get(request.headers.get(KEY_HEADER, ""))
    path = request.raw_path.partition("?")[0]
    key = keys[venue.authenticator.check(request.headers, request.method, path, venue.wall_ms())]
    if not key.allows(route.needs):
        raise Refused("forbidden", status=403, details=f"this API key lacks the scope {route.needs}")
    return key


def _charge(venue: Venue, route: Route, key: ApiKey | None, body: bytes) -> None:
    if key is None:
        return
    cost = route.cost if isinstance(route.cost, int) else route.cost(body)
    if not venue.limiter.take(key.account.account_id, route.kind, cost, time.monotonic()):
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
        case "page_404":
            return web.Response(body=_PAGE, status=404, content_type="text/html")
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


async def _fault_after(fault: Fault, request: web.Request, reply: Reply) -> web.StreamResponse:
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
        case "cut_reply_after_accept":
            return await _cut(request, reply)
        case "html_200_after_accept" | "html_403_after_accept":
            return web.Response(body=_PAGE, status=int(fault.action[5:8]), content_type="text/html")
        case _:
            return _garbled(fault, reply)
    return json_response(reply.body, reply.status)


def _garbled(fault: Fault, reply: Reply) -> web.Response:
    """The answer with a body or a type that says less than it should; as it is for every other fault."""
    whole, kind = msgspec.json.encode(reply.body), "application/json"
    match fault.action:
        case "not_json_after_accept":
            whole = b"\x00\xff OK order accepted"
        case "cut_json_after_accept":
            whole = whole[: len(whole) // 2]
        case "no_order_id_after_accept":
            whole = msgspec.json.encode({name: value for name, value in reply.body.items() if name != "order_id"})
        case "wrong_type_after_accept":
            kind = "text/plain"
        case _:
            return json_response(reply.body, reply.status)
    return web.Response(body=whole, status=reply.status, content_type=kind)


async def _cut(request: web.Request, reply: Reply) -> web.StreamResponse:
    """A whole head that promises the body's length, half of the body, and the end of the connection."""
    whole = msgspec.json.encode(reply.body)
    answer = web.StreamResponse(status=reply.status, headers={"Content-Type": "application/json"})
    answer.content_length = len(whole)
    await answer.prepare(request)
    await answer.write(whole[: len(whole) // 2])
    if request.transport is not None:
        request.transport.close()
    return answer


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
