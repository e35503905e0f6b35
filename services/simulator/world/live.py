"""Live data of a game as the exchange shows it: one shape per sport. No number of the flow is in it."""

from collections.abc import Callable
from typing import Any

from services.simulator.world.catalogue import Game
from services.simulator.world.sports import BASKETBALL, FOOTBALL
from services.simulator.world.timeline import Situation, team_id

Body = dict[str, Any]

_WIDGET = {"scheduled": "pre", "inprogress": "live", "halftime": "live", "closed": "final"}


def live_details(game: Game) -> Body:
    """The members every sport has, and those of the game's own."""
    now, winner = game.now, game.winner()
    common: Body = {
        "status": now.status,
        "widget_status": _WIDGET[now.status],
        "home_points": now.home_points,
        "away_points": now.away_points,
        "last_play": {"description": now.last_play, "occurence_ts": game.play_ms // 1000} if now.last_play else None,
        "winner": team_id(winner, game.info.sport.target_type) if winner else "",
        "last_updated_ts": game.changed_ms // 1000,
    }
    return common | _OF_SPORT[game.info.sport.name](game)


def _football(game: Game) -> Body:
    now = game.now
    return {
        "quarter": now.quarter,
        "clock": now.clock,
        "situation": _situation(now.situation),
        "pending_try": now.pending_try,
        "is_under_review": False,
    }


def _situation(found: Situation | None) -> Body | None:
    if found is None:
        return None
    return {
        "down": found.down,
        "yfd": found.to_go if found.down is not None else None,
        "yardline": found.yardline,
        "side_team_id": team_id(found.side),
        "possession_team_id": team_id(found.possession),
        "goal_to_go": found.goal_to_go,
    }


def _basketball(game: Game) -> Body:
    """As recorded on the exchange in January 2026: no leading zero in the clock, possession by side."""
    now = game.now
    minutes, seconds = now.clock.split(":")
    has_ball = "" if not now.possession else "home" if now.possession == game.info.home else "away"
    return {
        "period": now.quarter,
        "period_type": "quarter" if now.quarter <= game.info.sport.periods else "overtime",
        "period_remaining_time": f"{int(minutes)}:{seconds}",
        "possession": has_ball,
        "last_event_created_ts": game.play_ms // 1000 if now.last_play else None,
        "last_event_is_timeout": False,
        "score_last_updated_ts": None,
    }


_OF_SPORT: dict[str, Callable[[Game], Body]] = {FOOTBALL.name: _football, BASKETBALL.name: _basketball}
