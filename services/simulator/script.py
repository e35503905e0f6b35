"""The world's own clock over the admin port: read it, pause it, step it, change its pace."""

from typing import Any

import msgspec
from aiohttp import web

from services.simulator.replay.player import Replay
from services.simulator.rest.server import json_response
from services.simulator.venue import Venue

_MOST_FRAMES = 1_000_000


class Wish(msgspec.Struct, forbid_unknown_fields=True):
    """``pace`` multiplies the speed given at the start. Steps need a paused world; frames need a recording."""

    pace: float | None = None
    paused: bool | None = None
    step_ms: int = 0
    step_frames: int = 0


def add_script_routes(app: web.Application, venue: Venue, replay: Replay | None) -> None:
    def state() -> dict[str, Any]:
        schedule = venue.world.schedule
        body: dict[str, Any] = {"pace": schedule.pace, "paused": schedule.paused, "script_ms": schedule.script_ms}
        if replay is not None:
            body["replay"] = {
                "started": replay.started,
                "position": replay.position,
                "frames": len(replay.tape),
                "behind_ms": replay.behind_ms(venue.wall_ms()),
            }
        return body

    async def show(_: web.Request) -> web.StreamResponse:
        return json_response(state())

    async def change(request: web.Request) -> web.StreamResponse:
        try:
            wish = msgspec.json.decode(await request.read(), type=Wish)
            _apply(venue, replay, wish)
        except (msgspec.DecodeError, ValueError) as error:
            return json_response({"error": str(error)}, 400)
        return json_response(state())

    app.router.add_get("/sim/clock", show)
    app.router.add_post("/sim/clock", change)


def _apply(venue: Venue, replay: Replay | None, wish: Wish) -> None:
    schedule = venue.world.schedule
    now_ms = venue.advance()
    if wish.pace is not None or wish.paused is not None:
        schedule.set_pace(now_ms, pace=wish.pace, paused=wish.paused)
    if wish.step_ms < 0 or wish.step_frames < 0:
        raise ValueError("steps go forward only")
    if wish.step_ms:
        schedule.step(now_ms, wish.step_ms)
    if wish.step_frames:
        if replay is None:
            raise ValueError("step_frames: no recording is played")
        if wish.step_frames > _MOST_FRAMES:
            raise ValueError(f"step_frames: {wish.step_frames}, allowed: up to {_MOST_FRAMES}")
        replay.step(wish.step_frames, now_ms)
