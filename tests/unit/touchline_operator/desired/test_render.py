from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.resources import EVENT, OTHER_EVENT, policy, strategy
from touchline_operator.desired.meta import MAX_NAME, child_name
from touchline_operator.desired.platform import Endpoint, Platform
from touchline_operator.desired.render import render_all
from touchline_operator.desired.world import PolicyFacts, World
from touchline_operator.names import Role
from touchline_operator.reconcile.gather import policy_of, strategy_of
from trading_logic.contracts.record import Cause, HaltState

PLATFORM = Platform("default", "redis://b", "redis://r", endpoints={"Simulator": Endpoint("http://s", "ws://s")})


def _meta(raw, age):
    raw["metadata"] |= {
        "uid": raw["metadata"]["name"],
        "generation": 1,
        "creationTimestamp": f"2026-01-01T00:00:{age:02}Z",
    }
    return raw


class Record:
    """The rules of the latch as its script has them, so that histories are real ones."""

    def __init__(self):
        self.facts = PolicyFacts()

    def step(self, act):
        verb, cause = act
        f = self.facts
        known = {c.id for c in f.causes}
        if verb == "add" and cause not in known:
            made = Cause(id=cause, source="Drawdown", reason="r", by="b", time_ms=1)
            first = not known
            self.facts = replace(f, causes=(*f.causes, made), epoch=f.epoch + first, halt=None if first else f.halt)
        elif verb == "remove" and cause in known:
            left = tuple(c for c in f.causes if c.id != cause)
            self.facts = replace(f, causes=left, epoch=f.epoch + (not left), halt=f.halt if left else None)
        elif verb in {"draining", "confirmed", "pending-venue"} and known:
            halt = HaltState(epoch=f.epoch, since_ms=1, resting=0, state=verb, confirmed_ms=1, message="")
            self.facts = replace(f, halt=halt)


ACTS = st.tuples(
    st.sampled_from(["add", "remove", "draining", "confirmed", "pending-venue", "restart", "edit"]),
    st.sampled_from(["manual", "dd-1", "cli-9"]),
)


@settings(max_examples=150, deadline=None)
@given(
    history=st.lists(ACTS, max_size=12),
    suspend=st.booleans(),
    missing=st.booleans(),
    silent=st.booleans(),
    bad=st.booleans(),
)
def test_whatever_the_history_a_confirmed_latch_or_a_missing_policy_renders_zero_executors(
    history, suspend, missing, silent, bad
):
    record, generation = Record(), 0
    for act in [("restart", ""), *history]:
        record.step(act)
        generation += act[0] == "edit"
        raw = [
            _meta(strategy("a", suspend=suspend), 1),
            _meta(strategy("b", OTHER_EVENT, sizing={"kellyFraction": "9" if bad else f"0.{generation % 9 + 1}"}), 2),
        ]
        world = World(
            tuple(strategy_of(s) for s in raw),
            () if missing else (policy_of(_meta(policy(), 0)),),
            {} if silent or missing else {"house": record.facts},
        )
        made = [o for o in render_all(world, PLATFORM) if o["kind"] == "Deployment"]
        assert all(isinstance(o["spec"]["replicas"], int) for o in made)
        executors = {
            o["metadata"]["name"]: o["spec"]["replicas"] for o in made if "executor" in o["metadata"]["labels"].values()
        }
        assert len(executors) == 2
        facts = record.facts
        latched_done = bool(facts.causes) and facts.halt is not None and facts.halt.state != "draining"
        if missing or silent or latched_done:
            assert set(executors.values()) == {0}
        elif not suspend:
            assert executors[child_name(Role.EXECUTOR, "a")] == 1


@given(
    st.lists(st.text(alphabet="abcXYZ-0129.", min_size=1, max_size=64), min_size=1, max_size=3).filter(
        lambda p: p[0][0].isalnum()
    )
)
def test_names_fit_kubernetes_and_differ_when_anything_differs(parts):
    name = child_name(Role.INGEST, *parts)
    assert len(name) <= MAX_NAME
    assert name == name.lower()
    assert not name.endswith("-")
    assert name != child_name(Role.CONSUMER, *parts)
    assert name != child_name(Role.INGEST, *parts, "more")


def test_every_object_is_named_once_and_owned():
    world = World(
        (strategy_of(_meta(strategy(), 1)), strategy_of(_meta(strategy("b", EVENT, riskPolicyRef={"name": "p2"}), 2))),
        (policy_of(_meta(policy(), 0)), policy_of(_meta(policy("p2"), 1))),
        {"house": PolicyFacts(), "p2": PolicyFacts()},
    )
    made = render_all(world, PLATFORM)
    keys = [(o["kind"], o["metadata"]["name"]) for o in made]
    assert len(keys) == len(set(keys))
    assert all(o["metadata"]["ownerReferences"] for o in made)
    mounts = {
        o["metadata"]["labels"]["app.kubernetes.io/component"]
        for o in made
        if o["kind"] == "Deployment" and any("secret" in v for v in o["spec"]["template"]["spec"]["volumes"])
    }
    assert mounts == {"executor", "ledger", "ingest"}


def test_the_secret_of_alerts_is_mounted_in_the_ledger_only_and_may_be_missing():
    hook = {"type": "Webhook", "secretRef": {"name": "hook"}}
    world = World(
        (strategy_of(_meta(strategy(), 1)),), (policy_of(_meta(policy(alerts=[hook]), 0)),), {"house": PolicyFacts()}
    )
    mounts = {}
    for made in render_all(world, PLATFORM):
        if made["kind"] == "Deployment":
            pod = made["spec"]["template"]["spec"]
            wanted = [
                volume["secret"] for volume in pod["volumes"] if volume.get("secret", {}).get("secretName") == "hook"
            ]
            mounts[made["metadata"]["name"]] = wanted
    assert {name for name, found in mounts.items() if found} == {child_name(Role.LEDGER, "house")}
    assert mounts[child_name(Role.LEDGER, "house")] == [{"secretName": "hook", "defaultMode": 0o440, "optional": True}]


def test_one_secret_for_key_and_alerts_is_mounted_once():
    hook = {"type": "Webhook", "secretRef": {"name": "kalshi"}}
    exchange = {"environment": "Simulator", "credentialsSecretRef": {"name": "kalshi"}}
    world = World((), (policy_of(_meta(policy(exchange=exchange, alerts=[hook]), 0)),), {"house": PolicyFacts()})
    (ledger,) = [made for made in render_all(world, PLATFORM) if made["kind"] == "Deployment"]
    (container,) = ledger["spec"]["template"]["spec"]["containers"]
    paths = [mount["mountPath"] for mount in container["volumeMounts"]]
    assert len(paths) == len(set(paths)) == 2


def test_the_passwords_of_both_redis_are_files_in_every_process():
    platform = replace(PLATFORM, bus_secret="bus-pw", record_secret="kalshi")
    exchange = {"environment": "Simulator", "credentialsSecretRef": {"name": "kalshi"}}
    found = World(
        (strategy_of(_meta(strategy(), 1)),),
        (policy_of(_meta(policy(exchange=exchange), 0)),),
        {"house": PolicyFacts()},
    )
    made = render_all(found, platform)
    files = [json.loads(item["data"]["config.json"]) for item in made if item["kind"] == "ConfigMap"]
    folder = "/var/run/secrets/touchline"
    assert files
    for file in files:
        assert file["redis"] == {
            "bus": f"redis://b?passwordFile={folder}/bus-pw/password",
            "record": f"redis://r?passwordFile={folder}/kalshi/password",
        }
    for item in made:
        if item["kind"] == "Deployment":
            pod = item["spec"]["template"]["spec"]
            paths = [mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]]
            assert len(paths) == len(set(paths)), "one path is mounted twice"
            assert {f"{folder}/bus-pw", f"{folder}/kalshi"} <= set(paths)
