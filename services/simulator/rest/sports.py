"""Games: milestones, live data, play by play, structured targets."""

from services.simulator.rest.call import Call, Reply, Route
from services.simulator.wire import public as bodies
from services.simulator.wire.errors import bad_parameter, nested
from services.simulator.wire.times import parse_rfc3339
from services.simulator.world.catalogue import Game


def _milestones(call: Call) -> Reply:
    if "limit" not in call.query:
        raise bad_parameter(call.operation, "Limit", "required")
    since = call.query.get("minimum_start_date", "")
    try:
        since_ms = parse_rfc3339(since) if since else 0
    except ValueError as error:
        raise bad_parameter(call.operation, "MinimumStartDate", "datetime") from error
    changed_ms = call.stamp_ms("min_updated_ts")
    names = ("category", "type", "competition", "related_event_ticker", "source_id")
    wanted = {name: call.query.get(name, "") for name in names}
    found = [
        game
        for game in call.venue.world.games.values()
        if game.kickoff_ms >= since_ms
        and (changed_ms is None or game.changed_ms >= changed_ms)
        and wanted["category"] in {"", "Sports"}
        and wanted["type"] in {"", game.info.sport.milestone_type}
        and wanted["competition"] in {"", game.info.sport.competition}
        and wanted["source_id"] in {"", game.info.game_id}
        and (not wanted["related_event_ticker"] or wanted["related_event_ticker"] in game.events)
    ]
    page, cursor = call.page(found, 100, 1, 500)
    return Reply({"milestones": [bodies.milestone(game) for game in page], "cursor": cursor})


def _by_milestone(call: Call) -> Game:
    game = call.venue.game_by_milestone(call.path["milestone_id"])
    if game is None:
        raise nested(404, "not_found")
    return game


def _milestone(call: Call) -> Reply:
    return Reply({"milestone": bodies.milestone(_by_milestone(call))})


def _live_data(call: Call) -> Reply:
    game = _by_milestone(call)
    if call.path.get("type", game.info.sport.milestone_type) != game.info.sport.milestone_type:
        raise nested(404, "not_found")
    return Reply({"live_data": bodies.live_data(game)})


def _live_batch(call: Call) -> Reply:
    """Unknown ids are left out, as the exchange does with a comma-joined list."""
    wanted = call.query.getall("milestone_ids", [])
    games = [game for name in wanted if (game := call.venue.game_by_milestone(name)) is not None]
    return Reply({"live_datas": [bodies.live_data(game) for game in games]})


def _game_stats(call: Call) -> Reply:
    return Reply({"pbp": bodies.play_by_play(_by_milestone(call))})


def _no_event_data(_: Call) -> Reply:
    raise nested(404, "not_found", details="only crypto, commodity and weather events have live data of their own")


def _targets(call: Call) -> Reply:
    ids = call.query.getall("ids", [])
    kind, competition = call.query.get("type", ""), call.query.get("competition", "")
    found = [
        target
        for name, (target, of_competition) in bodies.structured_targets(call.venue.world.games.values()).items()
        if (not ids or name in ids) and kind in {"", target["type"]} and competition in {"", of_competition}
    ]
    page, cursor = call.page(found, 100, 1, 2000, limit_name="page_size")
    return Reply({"structured_targets": page, "cursor": cursor})


def _target(call: Call) -> Reply:
    found = bodies.structured_targets(call.venue.world.games.values()).get(call.path["structured_target_id"])
    if found is None:
        raise nested(404, "not_found")
    return Reply({"structured_target": found[0]})


ROUTES = [
    Route("GET", "/milestones", "GetMilestones", _milestones),
    Route("GET", "/milestones/{milestone_id}", "GetMilestone", _milestone),
    Route("GET", "/live_data/batch", "GetLiveDatas", _live_batch),
    Route("GET", "/live_data/milestone/{milestone_id}", "GetLiveDataByMilestone", _live_data),
    Route("GET", "/live_data/milestone/{milestone_id}/game_stats", "GetGameStats", _game_stats),
    Route("GET", "/live_data/events/{event_ticker}", "GetEventLiveData", _no_event_data),
    Route("GET", "/live_data/{type}/milestone/{milestone_id}", "GetLiveData", _live_data),
    Route("GET", "/structured_targets", "GetStructuredTargets", _targets),
    Route("GET", "/structured_targets/{structured_target_id}", "GetStructuredTarget", _target),
]
