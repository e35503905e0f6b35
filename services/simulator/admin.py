"""The admin calls, mounted only with ``--admin``: read the accept log, script faults."""

import msgspec
from aiohttp import web

from services.simulator.faults import Fault
from services.simulator.rest.server import json_response
from services.simulator.venue import Venue


def add_admin_routes(app: web.Application, venue: Venue) -> None:
    async def accept_log(request: web.Request) -> web.StreamResponse:
        after = request.query.get("after", "0")
        if not (after.isascii() and after.isdigit()):
            return json_response({"error": f"after: {after!r} is not a whole number"}, 400)
        return json_response({"lines": venue.log.read(int(after)), "count": venue.log.count})

    async def add_fault(request: web.Request) -> web.StreamResponse:
        try:
            fault = msgspec.json.decode(await request.read(), type=Fault)
        except msgspec.DecodeError as error:
            return json_response({"error": str(error)}, 400)
        venue.faults.add(fault)
        return json_response({"faults": venue.faults.listed()}, 201)

    async def list_faults(_: web.Request) -> web.StreamResponse:
        return json_response({"faults": venue.faults.listed()})

    async def clear_faults(_: web.Request) -> web.StreamResponse:
        venue.faults.clear()
        return json_response({"faults": []})

    app.router.add_get("/sim/accept-log", accept_log)
    app.router.add_get("/sim/faults", list_faults)
    app.router.add_post("/sim/faults", add_fault)
    app.router.add_delete("/sim/faults", clear_faults)
