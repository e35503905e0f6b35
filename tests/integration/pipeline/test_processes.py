from __future__ import annotations

import itertools

import msgspec
import pytest

from trading_logic.contracts import codec, topics
from trading_logic.contracts.messages import DeadLetter, FeedState
from trading_logic.feed import EventFeed


def read_all(run, tools) -> bool:
    return run.unread(run.md.md(tools.event), topics.CONSUMER_GROUP) == (0, 0)


def begin(run, tools) -> None:
    run.write_catalog()
    run.write_game()
    run.write_risk()
    run.write_md(tools.snapshot(tools.home, 1), tools.snapshot(tools.away, 2, 3_900, 6_000))


def test_a_killed_consumer_leaves_nothing_unread_and_no_book_wrong(pipeline, tools):
    run = pipeline
    begin(run, tools)
    run.start("consumer")
    tools.poll("first signals", lambda: len(run.signals()) >= 2)
    seq = 2
    sent = 0
    for life in range(3):
        for number in range(150):
            seq += 1
            run.write_md(tools.delta(tools.home if number % 2 else tools.away, seq, 3_000 + 100 * (number % 9), 100))
            sent += 1
            if number == 75:
                run.kill("consumer")
        run.start("consumer")
        tools.poll(f"life {life} has read all", lambda: read_all(run, tools))
    whole = EventFeed([tools.home, tools.away])
    for _, fields in run.redis.xrange(run.md.md(tools.event)):
        for message in codec.decode_market_data(fields[codec.FIELD]):
            whole.apply(message)
    run.write_game(home_points=28)  # a signal for every market as it stands
    tools.poll(
        "signals of the new score", lambda: [s for s in run.signals() if s.game and s.game.home_points == 28][1:]
    )
    last = {s.market: s for s in run.signals()}
    for market, feed in whole.markets.items():
        assert (last[market].top.yes_bid, last[market].top.yes_bid_size) == (feed.book.yes_bid, feed.book.yes_bid_size)
        assert last[market].yes_bid_depth == feed.book.depth("yes", 5)
        assert last[market].top.seq == feed.seq
    assert run.redis.exists(run.md.dead(tools.event)) == 0


def test_a_consumer_starts_from_ingests_book_and_the_stream_after_it(pipeline, tools):
    run = pipeline
    begin(run, tools)
    ingest = EventFeed([tools.home, tools.away])
    at = ""
    for seq in range(3, 20):
        message = tools.delta(tools.home, seq, 5_900, 100)
        at = run.write_md(message)
        if seq == 10:
            for _, fields in run.redis.xrange(run.md.md(tools.event)):
                for earlier in codec.decode_market_data(fields[codec.FIELD]):
                    ingest.apply(earlier)
            states = {m: codec.encode(f.state(at)) for m, f in ingest.markets.items()}
            run.redis.hset(run.md.book(tools.event), mapping=states)
            run.redis.xtrim(run.md.md(tools.event), minid=at)  # what the snapshots include is gone
    run.start("consumer")
    tools.poll("all read", lambda: read_all(run, tools))
    top = tools.poll(
        "the newest book", lambda: [s for s in run.signals() if s.market == tools.home and s.top.seq == 19]
    )
    assert top[-1].top.yes_bid_size == 50_000 + 17 * 100


def test_a_wiped_bus_is_recovered_from(pipeline, tools):
    run = pipeline
    begin(run, tools)
    run.start("consumer")
    tools.poll("first signals", lambda: len(run.signals()) >= 2)
    run.redis.flushall()
    begin(run, tools)
    run.write_md(tools.delta(tools.home, 3, 5_950, 700))
    tools.poll("signals again", lambda: [s for s in run.signals() if s.top.seq == 3 and s.top.yes_bid == 5_950])
    tools.poll("all read", lambda: read_all(run, tools))


def test_after_a_bus_that_was_away_every_process_says_that_it_is_well(pipeline, tools):
    run = pipeline
    begin(run, tools)
    run.write_game()
    run.start("consumer")
    run.start("decision")
    tools.poll("at work", lambda: run.report("consumer") and run.report("decision") and run.decisions())
    run.redis.delete(run.md.catalog(tools.event))
    for kind in ("pubsub", "normal"):
        run.redis.client_kill_filter(_type=kind, skipme=True)
    tools.poll("the loss is told", lambda: run.fault("decision")[0] == "WaitingForCatalog")
    run.write_catalog()  # and no nudge: whoever would hear it was not listening
    run.write_risk()

    def well() -> bool:
        # The feed itself is silent here: there is no ingest.
        seen = [run.report(process) for process in ("consumer", "decision")]
        return all(report is not None and {f.reason for f in report.faults} <= {"FeedSilent"} for report in seen)

    tools.poll("nothing is wrong any more", well)


def test_a_gap_refuses_until_the_next_snapshot(pipeline, tools):
    run = pipeline
    begin(run, tools)
    run.start("consumer")
    run.start("decision")
    tools.poll(
        "decision waits for signals", lambda: run.unread(run.md.signals(tools.event), "strategy:sunday") == (0, 0)
    )
    tools.poll("the decision is ready", lambda: (r := run.report("decision")) and r.ready)
    run.write_risk()
    gap = FeedState("s1", (tools.home,), "gap", "expected 3, got 5", tools.now_ms())
    run.write_md(gap)
    refused = tools.poll(
        "a refusal", lambda: [d for d in run.decisions() if d.market == tools.home and d.rule == "feed"]
    )
    assert (refused[-1].value, refused[-1].limit, refused[-1].verdict) == ("gap", "valid", "refused")
    assert [s.top.status for s in run.signals() if s.cause == "feed"] == ["gap"]

    def healed() -> bool:
        run.write_risk()
        run.write_game()
        run.write_md(tools.snapshot(tools.home, 6))
        return any(intent.market == tools.home for intent in run.intents())

    tools.poll("an intent after the snapshot", healed)
    [intent, *_] = [intent for intent in run.intents() if intent.market == tools.home]
    assert (intent.side, intent.kind, intent.price) == ("yes", "entry", 6_000)
    assert intent.exit_plan is not None
    traded = [d.signal_id for d in run.decisions() if d.verdict == "trade"]
    assert intent.signal_id in traded


def test_a_strategy_on_one_market_leaves_the_others(pipeline, tools):
    run = pipeline
    begin(run, tools)
    run.start("consumer")
    run.start("decision", market=tools.away)
    tools.poll("the decision is ready", lambda: (r := run.report("decision")) and r.ready)

    def decided() -> bool:
        run.write_game()
        run.write_md(tools.snapshot(tools.home, 6), tools.snapshot(tools.away, 7))
        return bool(run.decisions())

    tools.poll("a decision", decided)
    assert {d.market for d in run.decisions()} == {tools.away}


def test_a_halt_stops_intents(pipeline, tools):
    run = pipeline
    begin(run, tools)
    run.redis.hset(run.money.latch(), "manual", "{}")
    run.start("consumer")
    run.start("decision")
    tools.poll("the decision is ready", lambda: (r := run.report("decision")) and r.ready)

    turn = itertools.count(6)

    def refused() -> bool:
        run.write_risk()
        run.write_game()
        # Another bid each time: what the book already shows makes no signal, and the first may come too early.
        seq = next(turn)
        run.write_md(tools.snapshot(tools.home, seq, 5_800 + 100 * (seq % 2)))
        return any(d.rule == "latch" and d.value == "manual" for d in run.decisions())

    tools.poll("a refusal by the latch", refused)
    assert run.intents() == []


def test_a_record_without_risk_refuses_and_says_which_field(pipeline, tools):
    run = pipeline
    begin(run, tools)
    run.redis.hdel(run.money.risk(), "equity")
    run.start("consumer")
    run.start("decision")
    _, message = tools.poll("the report", lambda: (f := run.fault("decision"))[0] == "RiskViewIncomplete" and f)
    assert message == "risk.equity: missing"

    turn = itertools.count(6)

    def refused() -> bool:
        seq = next(turn)
        run.write_md(tools.snapshot(tools.home, seq, 5_800 + 100 * (seq % 2)))
        run.write_game()
        return any(d.rule == "risk" and "risk.equity" in d.value for d in run.decisions())

    tools.poll("a refusal by the missing view", refused)


def test_an_entry_that_is_no_message_goes_to_the_dead_letters(pipeline, tools):
    run = pipeline
    begin(run, tools)
    run.start("consumer")
    tools.poll("first signals", lambda: len(run.signals()) >= 2)
    run.redis.xadd(run.md.md(tools.event), {codec.FIELD: b"\x63nonsense"})
    run.write_md(tools.delta(tools.home, 3, 5_950, 700))
    tools.poll("the next entry", lambda: [s for s in run.signals() if s.top.yes_bid == 5_950])
    [(_, fields)] = run.redis.xrange(run.md.dead(tools.event))
    letter = codec.Reader(DeadLetter).one(fields[codec.FIELD])
    assert (letter.body, letter.stream) == (b"\x63nonsense", run.md.md(tools.event))
    tools.poll("all read", lambda: read_all(run, tools))


@pytest.mark.parametrize(
    ("role", "changes", "reason", "says"),
    [
        ("sources", {"plugin": "sportsbook"}, "UnknownPlugin", "known: kalshi-live-data"),
        ("sources", {"config": {"pollSeconds": 1}}, "BadPluginConfig", "config.pollSeconds"),
        ("decision", {"models": ()}, "UnknownModel", "oracle"),
        ("catalog", {}, "ExchangeUnreachable", "127.0.0.1:9"),
        ("ingest", {}, "BadKey", "key"),
    ],
)
def test_what_only_the_process_knows_is_in_its_report(pipeline, tools, role, changes, reason, says):
    run = pipeline
    run.write_catalog()
    if role == "decision":
        changes = {"models": (type(run._config("decision").models[0])("oracle", 1),)}
    if "config" in changes:
        changes = {"config": {key: msgspec.Raw(msgspec.json.encode(value)) for key, value in changes["config"].items()}}
    child = run.start(role, **changes)
    found = tools.poll(reason, lambda: (f := run.fault(role))[0] == reason and f)
    assert says in found[1]
    (fault,) = run.report(role).faults
    assert (fault.reason, fault.spec) == (reason, reason != "ExchangeUnreachable")
    assert child.poll() is None
