"""Worlds as clients see them: more markets per game, invented games, options of the command line."""

import json
import subprocess
import sys
import urllib.request

import pytest

from services.simulator.world.sports import LINES
from services.simulator.world.world import WorldSettings

EVENTS = [f"{name}-25SEP04DALPHI" for name in ("KXNFLGAME", "KXNFLSPREAD", "KXNFLTOTAL")]


async def test_spread_and_total_markets_over_rest_and_one_milestone_for_all_events(launch):
    running = await launch(WorldSettings(lines=LINES))
    running.pass_time(5)
    markets = (await running.call("GET", "/markets?limit=100")).body["markets"]
    assert len(markets) == 9
    by_ticker = {market["ticker"]: market for market in markets}
    spread = by_ticker["KXNFLSPREAD-25SEP04DALPHI-PHI9"]
    assert (spread["strike_type"], spread["floor_strike"]) == ("greater", 8.5)
    assert by_ticker["KXNFLTOTAL-25SEP04DALPHI-48"]["floor_strike"] == 47.5
    for market in markets:
        assert 0 < float(market["yes_bid_dollars"]) < float(market["yes_ask_dollars"]) < 1, market["ticker"]
    events = (await running.call("GET", "/events?with_nested_markets=true")).body["events"]
    assert [event["event_ticker"] for event in events] == EVENTS
    assert [len(event["markets"]) for event in events] == [2, 4, 3]
    series = (await running.call("GET", "/series")).body["series"]
    assert {found["ticker"] for found in series} == {"KXNFLGAME", "KXNFLSPREAD", "KXNFLTOTAL"}
    ids = set()
    for event in EVENTS:
        body = (await running.call("GET", f"/milestones?limit=10&related_event_ticker={event}")).body
        (milestone,) = body["milestones"]
        assert milestone["related_event_tickers"] == EVENTS
        assert milestone["details"]["main_game_event_ticker"] == EVENTS[0]
        ids.add(milestone["id"])
    assert len(ids) == 1


async def test_spreads_and_totals_settle_from_the_recorded_score(launch):
    running = await launch(WorldSettings(lines=LINES))
    running.pass_time(5)
    running.pass_time(290)
    markets = (await running.call("GET", "/markets?limit=100")).body["markets"]
    results = {
        market["ticker"].split("-", 1)[0] + "-" + market["ticker"].rsplit("-", 1)[1]: market["result"]
        for market in markets
    }
    assert results == {
        "KXNFLGAME-DAL": "no", "KXNFLGAME-PHI": "yes", "KXNFLSPREAD-PHI6": "no", "KXNFLSPREAD-PHI9": "no",
        "KXNFLSPREAD-PHI12": "no", "KXNFLSPREAD-DAL3": "no", "KXNFLTOTAL-41": "yes", "KXNFLTOTAL-48": "no",
        "KXNFLTOTAL-55": "no",
    }  # fmt: skip
    assert {market["status"] for market in markets} == {"finalized"}


async def test_an_invented_basketball_game_with_live_data(launch):
    running = await launch(WorldSettings(generate=(("basketball", 1),)), games="")
    running.pass_time(60)
    (milestone,) = (await running.call("GET", "/milestones?limit=10&type=basketball_game")).body["milestones"]
    live = (await running.call("GET", f"/live_data/milestone/{milestone['id']}")).body["live_data"]
    assert live["type"] == "basketball_game"
    details = live["details"]
    assert details["home_points"] + details["away_points"] > 30
    assert details["period_type"] == "quarter"
    assert details["widget_status"] == "live"
    markets = (await running.call("GET", f"/markets?event_ticker={milestone['primary_event_tickers'][0]}")).body[
        "markets"
    ]
    assert ["basketball_team" in market["custom_strike"] for market in markets] == [True, True]


async def test_the_same_seed_gives_the_same_invented_world(launch):
    async def trades(seed):
        running = await launch(WorldSettings(seed=seed, generate=(("football", 1), ("basketball", 1))), games="")
        running.pass_time(40)
        found = (await running.call("GET", "/markets/trades?limit=1000")).body["trades"]
        return [
            (trade["ticker"], trade["yes_price_dollars"], trade["count_fp"], trade["created_time"]) for trade in found
        ]

    first = await trades(3)
    assert len(first) > 50
    assert first == await trades(3)
    assert first != await trades(4)


def start(folder, *words):
    command = [sys.executable, "-m", "services.simulator", "--state-dir", str(folder), "--admin", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    assert line, process.stderr.read()
    return process, json.loads(line)["rest_url"]


def get(url):
    with urllib.request.urlopen(url) as answer:
        return json.load(answer)


def test_options_of_worlds(tmp_path):
    words = ("--markets", "spread,total", "--generate", "basketball:1,football:1", "--paused", "--speed", "1")
    process, url = start(tmp_path, *words)
    try:
        tickers = {market["event_ticker"].split("-")[0] for market in get(f"{url}/markets?limit=100")["markets"]}
        assert tickers == {
            "KXNBAGAME", "KXNBASPREAD", "KXNBATOTAL", "KXNFLGAME", "KXNFLSPREAD", "KXNFLTOTAL"
        }  # fmt: skip
        assert get(url.replace("/trade-api/v2", "/sim/clock"))["paused"] is True
    finally:
        process.terminate()
        _, complaints = process.communicate(timeout=20)
        assert (process.returncode, complaints) == (0, "")


def test_a_recording_from_the_command_line(tmp_path):
    folder = tmp_path / "recording"
    folder.mkdir()
    frame = {
        "type": "orderbook_snapshot", "sid": 1, "seq": 1,
        "msg": {"market_ticker": "KXUFCFIGHT-26MAR07TOBNUR-NUR", "market_id": "x", "yes_dollars_fp": [["0.4000", "5.00"]]},
    }  # fmt: skip
    (folder / "a.ndjson").write_text(json.dumps(frame) + "\n")
    process, url = start(tmp_path, "--replay", str(folder), "--speed", "60", "--pregame", "0.05", "--raw-gaps")
    try:
        (market,) = get(f"{url}/markets")["markets"]
        assert market["ticker"] == "KXUFCFIGHT-26MAR07TOBNUR-NUR"
        clock = url.replace("/trade-api/v2", "/sim/clock")
        while get(clock)["replay"]["position"] < 1:
            pass
        assert get(f"{url}/markets/{market['ticker']}/orderbook")["orderbook_fp"]["yes_dollars"] == [["0.4000", "5.00"]]
        assert get(f"{url}/events?with_nested_markets=true")["events"][0]["series_ticker"] == "KXUFCFIGHT"
        assert get(f"{url}/series/KXUFCFIGHT")["series"]["ticker"] == "KXUFCFIGHT"
        assert get(f"{url}/milestones?limit=5")["milestones"] == [], "a recording tells of no game"
    finally:
        process.terminate()
        _, complaints = process.communicate(timeout=20)
        assert (process.returncode, complaints) == (0, "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--replay", "/nonexistent"), "/nonexistent"),
        (("--markets", "props"), "props is not one of winner, spread, total"),
        (("--generate", "cricket:1"), "wanted football or basketball"),
        (("--generate", "football:0"), "1 to 1000"),
    ],
)
def test_options_that_cannot_be_used(tmp_path, words, said):
    command = [sys.executable, "-m", "services.simulator", "--state-dir", str(tmp_path), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
