from __future__ import annotations

import json
import urllib.request

import msgspec

from trading_logic.contracts import codec, topics
from trading_logic.contracts.messages import BookSnapshot, FeedState, GameState, TopOfBook


def rest_top(pipeline, market: str) -> tuple[int, int]:
    """Best YES and NO bid as the exchange's REST book has them."""
    url = f"{pipeline.exchange.rest_url}/markets/{market}/orderbook"
    with urllib.request.urlopen(url, timeout=5) as answer:
        book = json.load(answer)["orderbook_fp"]
    yes, no = book["yes_dollars"], book["no_dollars"]
    return (
        round(float(yes[-1][0]) * 10_000) if yes else 0,
        round(float(no[-1][0]) * 10_000) if no else 0,
    )


def bus_top(pipeline, market: str) -> tuple[int, int]:
    body = pipeline.redis.hget(pipeline.md.tops(pipeline_event(pipeline)), market)
    top = codec.Reader(TopOfBook).one(body)
    return (top.yes_bid, 10_000 - top.yes_ask) if top.status == "valid" else (-1, -1)


def pipeline_event(pipeline) -> str:
    return pipeline._config("ingest").event


def same_top(pipeline, market: str) -> bool:
    """The book moves between two reads: equal before and after the REST read is equal."""
    return bus_top(pipeline, market) == rest_top(pipeline, market)


def test_from_frame_to_decision(simulated, tools):
    run = simulated
    for role in ("catalog", "ingest", "sources", "consumer", "decision"):
        run.start(role)
    run.write_risk()
    entry = tools.poll("catalog entry", run.catalog)
    assert {m.market: m.outcome for m in entry.markets} == {tools.home: "home", tools.away: "away"}
    before = tools.poll(
        "priors before the start", lambda: (e := run.catalog()) and all(m.prior for m in e.markets) and e
    )
    assert before.start_ms > tools.now_ms(), "the game had begun before the prior was there"

    tools.poll("valid tops", lambda: run.redis.hlen(run.md.tops(tools.event)) == 2)
    for market in (tools.home, tools.away):
        tools.poll(f"REST and bus agree on {market}", lambda m=market: same_top(run, m))

    def live() -> GameState | None:
        body = run.redis.get(run.md.source_state("game", entry.game))
        state = codec.Reader(GameState).one(body) if body else None
        return state if state and state.status == "live" else None

    tools.poll("a live game", live)
    priors = {m.market: m.prior for m in run.catalog().markets}
    signals = tools.poll(
        "signals of a live game", lambda: [s for s in run.signals() if s.game and s.game.status == "live"]
    )
    assert {s.cause for s in run.signals()} >= {"book", "game"}
    assert signals[-1].prior_home_ppm == priors[tools.home] * 1_000_000 // sum(priors.values())

    def decided() -> bool:
        run.write_risk()
        return any(
            d.fair_ppm is not None and d.rule not in {"feed", "marketStatus", "gameStatus"} for d in run.decisions()
        )

    tools.poll("decisions on fair value", decided)
    assert all(d.value and d.limit for d in run.decisions() if d.rule)

    # Every connection of the bus is cut once: books must be the exchange's again.
    run.redis.client_kill_filter(_type="normal", skipme=True)
    for market in (tools.home, tools.away):
        tools.poll(f"REST and bus agree on {market} again", lambda m=market: same_top(run, m))
    # An ingest that dies takes no book with it: the next one says that nothing is known until its own snapshots.
    sessions = {s.top.session for s in run.signals()}
    run.kill("ingest")
    told = run.newest_market_data()
    run.start("ingest")
    fresh = tools.poll(
        "signals of the new connection",
        lambda: [s for s in run.signals() if s.top.session not in sessions and s.top.status == "valid"],
    )
    # The consumer may meet both in one batch and tell only the newer, so the stream itself is the witness.
    said = run.market_data(told)
    unknown = next(i for i, m in enumerate(said) if isinstance(m, FeedState) and m.state == "down")
    known = next(i for i, m in enumerate(said) if isinstance(m, BookSnapshot))
    assert unknown < known
    assert fresh[0].top.yes_bid < fresh[0].top.yes_ask
    for market in (tools.home, tools.away):
        tools.poll(f"REST and bus agree on {market} once more", lambda m=market: same_top(run, m))
    tools.poll("the consumer has read all", lambda: run.unread(run.md.md(tools.event), topics.CONSUMER_GROUP) == (0, 0))
    tools.poll("all ready", lambda: all(run.report(p).ready for p in run.running))
    assert {m.market: m.prior for m in run.catalog().markets} == priors

    tools.poll("reports with memory", lambda: all(run.report(p).resident_bytes for p in run.running))
    assert {p: run.report(p).resident_bytes >> 20 for p in run.running if run.report(p).resident_bytes > 90 << 20} == {}


def test_an_event_that_does_not_exist_is_reported(simulated, tools):
    simulated.start("catalog", events=("KXNFLGAME-99JAN01XXXYYY",))
    reason, message = tools.poll("NoSuchEvent", lambda: (f := simulated.fault("catalog"))[0] == "NoSuchEvent" and f)
    assert reason == "NoSuchEvent"
    assert "KXNFLGAME-99JAN01XXXYYY" in message
    (fault,) = simulated.report("catalog").faults
    assert (fault.spec, fault.event) == (True, "KXNFLGAME-99JAN01XXXYYY")


def test_a_key_that_the_exchange_does_not_know_is_reported(simulated, tools):
    strange = simulated.folder / "strange-id"
    strange.write_text("00000000-0000-4000-8000-000000000000")
    simulated.start("catalog")
    exchange = msgspec.structs.replace(simulated.exchange, key_id_file=str(strange))
    simulated.start("ingest", exchange=exchange)
    tools.poll("KeyRefused", lambda: simulated.fault("ingest")[0] == "KeyRefused")
    assert [(fault.reason, fault.spec) for fault in simulated.report("ingest").faults] == [("KeyRefused", True)]
