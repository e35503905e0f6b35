"""One suite per port: the fake and the real adapter behave the same."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.fakes.cluster import FakeCluster, FakeRiskFeed
from tests.fakes.resources import policy, strategy
from touchline_operator import names
from touchline_operator.adapters.local.clock import SystemClock
from touchline_operator.adapters.local.cluster import LocalCluster, Places
from touchline_operator.adapters.local.folder import Folder
from touchline_operator.adapters.local.resources import LocalResources
from touchline_operator.adapters.redis import RedisRiskFeed
from touchline_operator.ports import Cluster, RecordUnreachableError, RiskFeed
from trading_logic.contracts import codec, topics
from trading_logic.contracts.messages import Report, Slate, SlateEvent
from trading_logic.contracts.record import Cause, PositionRecord, encode

CAUSE = Cause("manual", "Manual", "why", "me", 1)
SLEEP = "import signal, sys; signal.signal(signal.SIGTERM, lambda *a: sys.exit(0)); signal.pause()"


def deployment(name: str = "child", replicas: int = 1, script: str = SLEEP, revision: str = "1", **labels: str) -> dict:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": name,
            "labels": {names.MANAGED_BY: names.FIELD_MANAGER, names.COMPONENT: "executor"} | labels,
        },
        "spec": {
            "replicas": replicas,
            "template": {
                "metadata": {"annotations": {names.CONFIG_HASH: revision}},
                "spec": {
                    "terminationGracePeriodSeconds": 5,
                    "containers": [{"name": "c", "command": ["python", "-c", script]}],
                    "volumes": [],
                },
            },
        },
    }


def config_map(name: str = "child", text: str = "{}") -> dict:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "labels": {names.LOOP: "l"}},
        "data": {"config.json": text},
    }


async def until(check, seconds: float = 15):
    async with asyncio.timeout(seconds):
        while True:
            found = check()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(0.02)


@dataclass
class Site:
    cluster: Cluster
    folder: Path | None


@contextlib.asynccontextmanager
async def local_site(where: Path) -> AsyncIterator[Site]:
    file = where / "all.yaml"
    file.write_text(yaml.safe_dump_all([policy(), strategy()]))
    resources = LocalResources([file], Folder(where), SystemClock(), lambda _: None)
    (where / "logs").mkdir()
    places = Places(where / "config", where / "secrets", where / "policies", where / "logs", where / "run")
    cluster = LocalCluster(resources, places, SystemClock())
    running = asyncio.create_task(cluster.run())
    try:
        yield Site(cluster, where)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await cluster.scale_to_zero()
        cluster.close()


@pytest.fixture(params=["fake", "local"])
async def site(request, tmp_path):
    if request.param == "fake":
        cluster = FakeCluster()
        cluster.put(policy())
        cluster.put(strategy())
        yield Site(cluster, None)
    else:
        async with local_site(tmp_path) as made:
            yield made


async def replicas(cluster, name="child"):
    found = [o for o in await cluster.owned({}) if o["kind"] == "Deployment" and o["metadata"]["name"] == name]
    return found[0]["status"]["replicas"] if found else None


async def test_resources_have_what_an_api_server_gives_them(site):
    found = {(r["kind"], r["metadata"]["name"]): r for r in await site.cluster.resources()}
    assert set(found) == {("RiskPolicy", "house"), ("TradingStrategy", "sunday")}
    for raw in found.values():
        assert raw["metadata"]["uid"]
        assert raw["metadata"]["generation"] == 1
        assert raw["metadata"]["creationTimestamp"].endswith("Z")


async def test_what_is_applied_is_owned_by_its_labels_and_runs(site):
    await site.cluster.apply(config_map())
    await site.cluster.apply(deployment(**{names.LOOP: "l"}))
    await until(lambda: _is(site, 1))
    assert {o["kind"] for o in await site.cluster.owned({names.LOOP: "l"})} == {"ConfigMap", "Deployment"}
    assert await site.cluster.owned({names.LOOP: "other"}) == []
    await site.cluster.apply(deployment(replicas=0, **{names.LOOP: "l"}))
    await until(lambda: _is(site, 0))


async def _is(site, n):
    return await replicas(site.cluster) == n


async def test_deleted_objects_go_and_absent_ones_are_fine(site):
    await site.cluster.apply(deployment())
    await until(lambda: _is(site, 1))
    await site.cluster.delete("Deployment", "child")
    await until(lambda: _is(site, None))
    await site.cluster.delete("Deployment", "child")
    await site.cluster.delete("ConfigMap", "never")


async def test_status_is_replaced_and_a_gone_resource_is_fine(site):
    await site.cluster.patch_status("RiskPolicy", "house", {"a": 1})
    await site.cluster.patch_status("RiskPolicy", "house", {"b": 2})
    await site.cluster.patch_status("RiskPolicy", "gone", {"b": 2})
    found = {r["metadata"]["name"]: r["status"] for r in await site.cluster.resources()}
    assert found["house"] == {"b": 2}


async def test_nobody_can_change_what_is_stored_by_changing_what_was_read(site):
    wanted = config_map()
    await site.cluster.apply(wanted)
    wanted["data"]["config.json"] = "changed"
    (read,) = await site.cluster.owned({names.LOOP: "l"})
    assert read["data"] == {"config.json": "{}"}
    read["data"]["config.json"] = "changed"
    assert (await site.cluster.owned({names.LOOP: "l"}))[0]["data"] == {"config.json": "{}"}


# ------------------------------------------------------------------------------------------------- RiskFeed


@dataclass
class Money:
    feed: RiskFeed
    write: object
    write_slate: object


@pytest.fixture(params=["fake", "redis"])
async def money(request):
    if request.param == "fake":
        fake = FakeRiskFeed()

        async def write(found: Report) -> None:
            fake.live[found.process] = found

        async def write_slate(found: Slate) -> None:
            fake.by_series[found.feed, found.series] = found

        yield Money(fake, write, write_slate)
    else:
        url = request.getfixturevalue("redis_url")
        feed = RedisRiskFeed("default", url, url)

        async def put(found: Report) -> None:
            await feed.bus.set(topics.report("default", found.process), codec.encode(found))

        async def put_slate(found: Slate) -> None:
            names_of = topics.MarketDataTopics("default", found.feed)
            await feed.bus.set(names_of.slate(found.series), codec.encode(found), px=topics.SLATE_TTL_MS)

        yield Money(feed, put, put_slate)
        await feed.close()


async def test_nothing_written_is_nothing_known(money):
    facts = await money.feed.facts("house")
    assert (facts.causes, facts.epoch, facts.halt, facts.positions, facts.latched) == ((), 0, None, (), False)
    assert await money.feed.reports() == {}


async def test_slates_are_those_that_were_asked_for_and_written(money):
    assert await money.feed.slates([]) == {}
    made = Slate("simulator", "KXNFLGAME", (SlateEvent("KXNFLGAME-A", "game-1", 7, "open"),), 3)
    await money.write_slate(made)
    wanted = [("simulator", "KXNFLGAME"), ("simulator", "KXNBAGAME"), ("demo", "KXNFLGAME")]
    assert await money.feed.slates(wanted) == {("simulator", "KXNFLGAME"): made}


async def test_the_first_cause_raises_the_epoch_and_the_same_cause_counts_once(money):
    assert await money.feed.add_cause("house", CAUSE, 5)
    assert not await money.feed.add_cause("house", CAUSE, 6)
    assert await money.feed.add_cause("house", Cause("cli-1", "Manual", "too", "me", 2), 7)
    facts = await money.feed.facts("house")
    assert {cause.id for cause in facts.causes} == {"manual", "cli-1"}
    assert facts.epoch == 1
    assert not (await money.feed.facts("other")).latched


async def test_reports_are_listed_by_process(money):
    made = Report(
        "p",
        "ingest",
        "e",
        ready=True,
        reason="",
        message="",
        counters={"frames": 3},
        resident_bytes=1,
        started_ms=1,
        at_ms=1,
    )
    await money.write(made)
    assert await money.feed.reports() == {"p": made}


async def test_a_cause_wakes_those_who_listen(money):
    woken, numbers = asyncio.Event(), itertools.count()
    task = asyncio.create_task(money.feed.listen("house", woken.set))

    async def latched():
        await money.feed.add_cause("house", Cause(f"cli-{next(numbers)}", "Manual", "", "", 1), 1)
        return woken.is_set()

    await until(latched)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_halt_risk_and_positions_are_read_as_the_ledger_writes_them(redis_url):
    feed = RedisRiskFeed("default", redis_url, redis_url)
    t = topics.RecordTopics("default", "house")
    await feed.add_cause("house", CAUSE, 1)
    fields = {"epoch": 1, "since_ms": 5, "resting": 2, "state": "confirmed", "confirmed_ms": 9, "message": ""}
    await feed.record.hset(t.halt(), mapping=fields)
    await feed.record.hset(t.risk(), mapping={"equity": "5"})
    held = PositionRecord("E-A-X", "g", "s", 100, 1, 2, 3, 4, 5)
    await feed.record.hset(t.positions(), held.market, encode(held))
    facts = await feed.facts("house")
    assert facts.stopped
    assert facts.halt is not None
    assert facts.halt.resting == 2
    assert facts.risk == {"equity": "5"}
    assert facts.held_events("s") == ("E-A",)
    await feed.record.hset(t.latch(), "broken", "{")
    with pytest.raises(RecordUnreachableError, match="not readable"):
        await feed.facts("house")
    await feed.close()


async def test_a_redis_that_is_away_is_named(tmp_path):
    feed = RedisRiskFeed("default", f"unix://{tmp_path}/bus", f"unix://{tmp_path}/record")
    with pytest.raises(RecordUnreachableError, match=f"record Redis at unix://{tmp_path}/record"):
        await feed.facts("house")
    with pytest.raises(RecordUnreachableError, match=f"bus Redis at unix://{tmp_path}/bus"):
        await feed.reports()
    with pytest.raises(RecordUnreachableError):
        await feed.add_cause("house", CAUSE, 1)
    await feed.close()
