from __future__ import annotations

import msgspec
import pytest

from touchline_operator.cli.doctor import judge
from touchline_operator.cli.doctor.policies import Leases, policy_checks, report_checks
from touchline_operator.desired.world import PolicyFacts
from trading_logic.contracts.messages import CatalogEntry, Report, TopOfBook
from trading_logic.contracts.record import Cause

GOOD = dict(judge.RECORD_SETTINGS)
INFO = {
    "role": "master", "connected_slaves": "0", "aof_last_write_status": "ok", "maxmemory": "100000000",
    "used_memory": "80000000",
}  # fmt: skip


def bad(checks):
    return {check.name: check.level for check in checks if check.level != "OK"}


def test_a_record_as_it_must_be():
    assert bad(judge.redis_checks("record", GOOD, INFO)) == {}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("appendonly", "no"),
        ("appendfsync", "everysec"),
        ("aof-load-truncated", "yes"),
        ("maxmemory-policy", "allkeys-lru"),
    ],
)
def test_every_setting_of_the_record_blocks_and_says_what_to_do(key, value):
    checks = judge.redis_checks("record", GOOD | {key: value}, INFO)
    assert bad(checks) == {f"redis record {key}": "BLOCK"}
    (check,) = [check for check in checks if check.level == "BLOCK"]
    assert (check.value, check.limit) == (value, GOOD[key])
    assert f"CONFIG SET {key} {GOOD[key]}" in check.remedy


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"role": "slave"}, {"redis record replication": "BLOCK"}),
        ({"connected_slaves": "1"}, {"redis record replication": "BLOCK"}),
        ({"aof_last_write_status": "err"}, {"redis record last write": "BLOCK"}),
        ({"used_memory": "81000000"}, {"redis record memory": "WARN"}),
        ({"used_memory": "96000000"}, {"redis record memory": "BLOCK"}),
        ({"maxmemory": "0"}, {"redis record memory": "WARN"}),
    ],
)
def test_what_the_server_says_of_itself(changes, found):
    assert bad(judge.redis_checks("record", GOOD, INFO | changes)) == found


def test_a_server_that_hides_its_settings_is_never_ok():
    checks = judge.redis_checks("record", None, INFO)
    assert {check.level for check in checks if check.name.split()[-1] in GOOD} == {"WARN"}


@pytest.mark.parametrize(
    ("ahead", "level"),
    [((-200, 50), "OK"), ((-900, 1_000), "OK"), ((1_000, 1_300), "OK"), ((1_001, 1_300), "WARN"), ((-1_500, -1_001), "WARN"),
     ((5_000, 5_100), "WARN"), ((5_001, 5_100), "BLOCK"), ((-3_600_500, -3_599_500), "BLOCK")],
)  # fmt: skip
def test_the_clock(ahead, level):
    assert judge.clock_check("x", ahead).level == level


def test_an_exchange_that_does_not_tell_the_time_is_not_ok():
    assert judge.clock_check("x", None).level == "WARN"


@pytest.mark.parametrize(
    ("environment", "url", "level"),
    [
        ("Production", "https://external-api.kalshi.com/trade-api/v2", "OK"),
        ("Production", "https://external-api.demo.kalshi.co/trade-api/v2", "BLOCK"),
        ("Demo", "https://external-api.demo.kalshi.co/trade-api/v2", "OK"),
        ("Demo", "https://external-api.kalshi.com/trade-api/v2", "BLOCK"),
        ("Simulator", "http://127.0.0.1:1/trade-api/v2", "OK"),
        ("Simulator", "https://external-api.kalshi.com/trade-api/v2", "BLOCK"),
    ],
)
def test_address_and_environment_must_agree(environment, url, level):
    checks = judge.exchange_checks("x", environment, url, error="", trading=True, ahead_ms=(0, 0), key=None)
    assert checks[0].level == level


def test_a_refused_key_and_a_silent_exchange_block():
    url = "http://127.0.0.1:1/trade-api/v2"
    checks = judge.exchange_checks("x", "Simulator", url, error="", trading=False, ahead_ms=(0, 0), key="401 no")
    assert bad(checks) == {"exchange x": "WARN", "key x": "BLOCK"}
    away = judge.exchange_checks("x", "Simulator", url, error="refused", trading=False, ahead_ms=None, key="")
    assert bad(away) == {"exchange x": "BLOCK"}
    assert not any(check.name.startswith(("key", "clock")) for check in away)


TOP = TopOfBook("E-A", "valid", 1, 1, 2, 1, "s", 1, 1, 0, 100_000)
ENTRY = CatalogEntry(
    event="E", series="S", feed="simulator", title="", game="g", sport="football", home="h", away="a", home_id="", away_id="",
    start_ms=0, exchange_index=0, fee_type="quadratic", fee_multiplier_ppm=1_000_000, exchange_active=True, markets=(),
    updated_ms=100_000,
)  # fmt: skip


@pytest.mark.parametrize(
    ("now", "feed", "fees"),
    [(102_000, "OK", "OK"), (102_001, "WARN", "OK"), (110_001, "BLOCK", "OK"), (160_001, "BLOCK", "WARN"),
     (700_001, "BLOCK", "BLOCK")],
)  # fmt: skip
def test_feeds_and_fees_age(now, feed, fees):
    assert [check.level for check in judge.feed_checks("E", ENTRY, [TOP], now)] == [feed, fees]


def test_no_entry_no_book_and_a_gap_are_not_ok():
    assert [c.level for c in judge.feed_checks("E", None, [TOP], 100_000)] == ["WARN"]
    assert judge.feed_checks("E", ENTRY, [], 100_000)[0].level == "BLOCK"
    gap = TopOfBook("E-A", "gap", 1, 1, 2, 1, "s", 1, 1, 0, 100_000)
    assert (judge.feed_checks("E", ENTRY, [gap], 100_000)[0].level) == "WARN"


@pytest.mark.parametrize(
    ("free", "level"), [(None, "BLOCK"), (199_999_999, "BLOCK"), (1_999_999_999, "WARN"), (2_000_000_000, "OK")]
)
def test_disk(free, level):
    assert judge.disk_check("x", free).level == level


@pytest.mark.parametrize(
    ("mode", "level"), [(0o600, "OK"), (0o400, "OK"), (0o640, "BLOCK"), (0o644, "BLOCK"), (0o604, "BLOCK")]
)
def test_key_file_modes(mode, level):
    assert judge.mode_check("k", mode).level == level


FACTS = PolicyFacts(incarnation="i", epoch=2, risk={"seq": "5"})
HELD = Leases(1, 1, {"s": 1})
SEEN = {"record": {"incarnation": "i", "epoch": 2, "seq": 5}}


def test_leases_latch_and_identity():
    assert bad(policy_checks("p", FACTS, HELD, SEEN, set())) == {}
    gone = policy_checks("p", FACTS, Leases(-2, -2, {"s": -2}), SEEN, set())
    assert bad(gone) == {"lease ledger p": "BLOCK", "lease trading p": "BLOCK", "lease writer s": "BLOCK"}
    assert bad(policy_checks("p", FACTS, Leases(1, 1, {"s": -2}), SEEN, {"s"})) == {}
    halted = PolicyFacts((Cause("manual", "Manual", "", "me", 1),), 2, None, {"seq": "5"}, incarnation="i")
    assert bad(policy_checks("p", halted, Leases(1, -2, {"s": -2}), SEEN, set())) == {"latch p": "WARN"}


@pytest.mark.parametrize(
    "facts",
    [
        PolicyFacts(),
        PolicyFacts(incarnation="other", epoch=2, risk={"seq": "5"}),
        PolicyFacts(incarnation="i", epoch=1),
    ],
)
def test_a_record_that_is_not_the_one_that_was_written_blocks(facts):
    assert bad(policy_checks("p", facts, HELD, SEEN, set())) == {"incarnation p": "BLOCK"}


def test_reports():
    ready = Report(
        "a", "ingest", "E", ready=True, reason="", message="", counters={}, resident_bytes=1, started_ms=1, at_ms=1
    )
    bad_key = msgspec.structs.replace(
        ready, process="b", role="ledger", ready=False, reason="BadKey", message="no such file"
    )
    assert [c.level for c in report_checks({"a": ready})] == ["OK"]
    (check,) = report_checks({"a": ready, "b": bad_key})
    assert (check.level, check.name, check.value) == ("WARN", "process b", "BadKey: no such file")


def test_the_worst_level_counts():
    ok, warn, block = (judge.Check(level, "", "", "") for level in ("OK", "WARN", "BLOCK"))
    assert [judge.worst(c) for c in ([], [ok], [ok, warn], [warn, block, ok])] == ["OK", "OK", "WARN", "BLOCK"]
