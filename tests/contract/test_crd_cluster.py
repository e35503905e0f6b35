"""The CRDs on a real API server: what it refuses, in which words, what it keeps, and that it never refuses a halt."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract import crd
from tests.contract.cases import BAD, GOOD, GOOD_POLICIES, Bad, Good, changed
from tests.contract.conftest import CRDS, Installed, regrouped, until
from tests.contract.kube import TABLE, Api
from tests.contract.worlds import statuses
from tests.fakes.resources import policy, strategy
from touchline_operator.api import RiskPolicy, parse_policy, parse_strategy
from touchline_operator.cli.get import POLICY_COLUMNS, STRATEGY_COLUMNS

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("cluster")]

HALT = {"spec": {"halt": True, "haltReason": "the feed looks wrong"}}


@pytest.fixture
def fresh(installed: Installed) -> Iterator[Installed]:
    """The kinds without an object of theirs."""
    yield installed
    for kind in crd.FILES:
        installed.api.delete(installed.path(kind)).ok()


def stored(at: Installed, raw: dict[str, Any]) -> dict[str, Any]:
    return at.create(raw, fieldValidation="Strict").ok()


@pytest.mark.parametrize("kind", sorted(crd.FILES))
def test_the_files_are_accepted_as_they_are(api: Api, kind: str):
    definition = crd.load(kind)
    path = f"{CRDS}/{definition['metadata']['name']}"
    reply = api.request(
        *("PATCH", path, definition),
        content="application/apply-patch+yaml",
        query={"fieldManager": "contract-test", "force": "true", "dryRun": "All", "fieldValidation": "Strict"},
    )
    reply.ok()
    assert reply.warnings == ()


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_a_bad_spec_is_refused_with_what_is_allowed(installed: Installed, bad: Bad):
    reply = installed.create(bad.made(), dryRun="All")
    assert reply.status == 422
    assert bad.expected in reply.message


@pytest.mark.parametrize("good", GOOD, ids=lambda good: good.name)
def test_a_good_spec_is_accepted_and_stored_whole(fresh: Installed, good: Good):
    made = stored(fresh, good.made())
    want = crd.defaulted(crd.schema(good.kind), good.made())["spec"]
    assert made["spec"] == want
    parse = {"RiskPolicy": parse_policy, "TradingStrategy": parse_strategy}[good.kind]
    assert parse(regrouped_back(made, fresh.group)).spec == parse(good.made()).spec


def regrouped_back(raw: dict[str, Any], group: str) -> dict[str, Any]:
    return json.loads(json.dumps(raw).replace(group, "touchline.dev"))


@pytest.mark.parametrize("good", GOOD_POLICIES, ids=lambda good: good.name)
def test_a_halt_is_accepted_on_every_good_policy(fresh: Installed, good: Good):
    name = stored(fresh, good.made())["metadata"]["name"]
    halted = fresh.patch("RiskPolicy", name, HALT, fieldValidation="Strict").ok()
    assert halted["spec"]["halt"] is True
    assert isinstance(parse_policy(regrouped_back(halted, fresh.group)), RiskPolicy)
    again = fresh.patch("RiskPolicy", name, HALT).ok()
    assert again["metadata"]["generation"] == halted["metadata"]["generation"]


def loosened(node: Any) -> Any:
    """A schema as an older version may have been: the same shape without rules and bounds."""
    if isinstance(node, list):
        return [loosened(item) for item in node]
    if not isinstance(node, dict):
        return node
    tight = {"x-kubernetes-validations", "pattern", "maxLength", "minLength", "minimum", "maximum", "enum", "maxItems", "minItems", "maxProperties"}  # fmt: skip
    return {key: loosened(value) for key, value in node.items() if key not in tight or not _is_bound(value)}


def _is_bound(value: Any) -> bool:
    """Whether the value is a bound and not a field that happens to be named like one."""
    return not isinstance(value, dict)


SHAPE = (
    "Required value",
    "must be of type",
    "Duplicate value",
    "metadata.name",
    "should be greater than or equal to 0",
    "must have at most 4 items",  # of webhooks, of which there is one type: each further one is a duplicate
)
REACHABLE = [bad for bad in BAD if not any(word in bad.expected for word in SHAPE)]
"""Bad specs that an older schema without rules and bounds could have stored: all but those of another shape."""


def test_a_halt_a_suspend_and_a_status_are_accepted_on_specs_stored_before_the_rules(api, namespace, private_group):
    """Old objects that the present schema would refuse must still be stoppable."""
    old = [loosened(crd.load(kind)) for kind in crd.FILES]
    group = private_group(old)
    at = Installed(api, group, namespace)
    names = {}
    for index, bad in enumerate(REACHABLE):
        raw = bad.made()
        raw["metadata"]["name"] = f"old-{index}"
        names[at.create(raw).ok()["metadata"]["name"]] = bad
    assert len(names) >= 60
    for kind in crd.FILES:
        definition = regrouped(crd.load(kind), group)
        path = f"{CRDS}/{definition['metadata']['name']}"
        definition["metadata"]["resourceVersion"] = api.get(path).ok()["metadata"]["resourceVersion"]
        api.replace(path, definition).ok()
        probe = next(bad for bad in REACHABLE if bad.kind == kind).made()
        until(f"{kind} is strict", lambda probe=probe: at.create(probe, dryRun="All").status == 422)
    for name, bad in names.items():
        if bad.kind == "RiskPolicy":
            reply = at.patch(bad.kind, name, {"spec": {"halt": True}})
        else:
            reply = at.patch(bad.kind, name, {"spec": {"suspend": True}})
        assert reply.status == 200, f"{bad.name}: {reply.message}"
        status = {"status": statuses(bad.kind)[-1]}
        assert at.patch(bad.kind, name, status, "status").status == 200, bad.name
        if bad.kind == "TradingStrategy":
            assert at.patch(bad.kind, name, {"spec": {"replicas": 0}}, "scale").status == 200, bad.name


@pytest.mark.parametrize(
    ("kind", "change", "expected"),
    [
        ("RiskPolicy", {"mode": "Live"}, "mode is immutable; allowed: a RiskPolicy with another name"),
        ("RiskPolicy", {"exchange": {"subaccount": 1}}, "exchange is immutable; allowed: a RiskPolicy with another name"),
        ("RiskPolicy", {"exchange": {"readOnlySecretRef": {"name": "r"}}}, "exchange is immutable"),
        ("RiskPolicy", {"exchange": {"credentialsSecretRef": None}}, "exchange is immutable"),
        ("TradingStrategy", {"mode": "Live"}, "mode is immutable; allowed: a TradingStrategy with another name"),
        ("TradingStrategy", {"riskPolicyRef": {"name": "other"}}, "riskPolicyRef is immutable; allowed: a TradingStrategy"),
    ],
)  # fmt: skip
def test_what_is_immutable_stays(fresh: Installed, kind: str, change: dict, expected: str):
    demo = {"environment": "Demo", "credentialsSecretRef": {"name": "kalshi"}}
    raw = policy(exchange=demo) if kind == "RiskPolicy" else strategy()
    name = stored(fresh, raw)["metadata"]["name"]
    reply = fresh.patch(kind, name, {"spec": change})
    assert reply.status == 422
    assert expected in reply.message
    allowed = {"maxTradesPerDay": 5} if kind == "RiskPolicy" else {"suspend": True}
    fresh.patch(kind, name, {"spec": allowed}).ok()


def test_a_halt_ends_only_together_with_its_reason(fresh: Installed):
    stored(fresh, policy())
    fresh.patch("RiskPolicy", "house", HALT).ok()
    refused = fresh.patch("RiskPolicy", "house", {"spec": {"halt": False}})
    assert refused.status == 422
    assert 'write halt: false and haltReason: "" in one patch' in refused.message
    ended = fresh.patch("RiskPolicy", "house", {"spec": {"halt": False, "haltReason": ""}}).ok()
    assert ended["spec"]["halt"] is False


def test_applying_the_manifest_again_leaves_a_halt_and_only_a_halt(fresh: Installed):
    path = fresh.path("RiskPolicy", "house")
    fresh.api.apply(path, fresh.made(policy()), "gitops").ok()
    fresh.patch("RiskPolicy", "house", HALT | {"spec": HALT["spec"] | {"resume": {"haltID": "manual"}}}).ok()
    again = fresh.api.apply(path, fresh.made(policy(maxTradesPerDay=3)), "gitops").ok()
    assert (again["spec"]["halt"], again["spec"]["maxTradesPerDay"]) == (True, 3)
    assert again["spec"]["resume"] == {"haltID": "manual", "rebaseline": False}


def test_lists_merge_by_name(fresh: Installed):
    path = fresh.path("TradingStrategy", "sunday")
    one = strategy(markets=[{"name": "a", "event": "KX-A"}])
    fresh.api.apply(path, fresh.made(one), "first").ok()
    two = {"apiVersion": one["apiVersion"], "kind": one["kind"], "spec": {"markets": [{"name": "b", "event": "KX-B"}]}}
    both = fresh.api.apply(path, fresh.made(two), "second").ok()
    assert [market["name"] for market in both["spec"]["markets"]] == ["a", "b"]


@pytest.mark.parametrize("kind", sorted(crd.FILES))
def test_spec_and_status_are_written_apart(fresh: Installed, kind: str):
    raw = policy() if kind == "RiskPolicy" else strategy()
    name = raw["metadata"]["name"]
    status = statuses(kind)[-2]
    born = stored(fresh, raw | {"status": status})
    assert "status" not in born
    by_spec = fresh.patch(kind, name, {"status": status}).ok()
    assert "status" not in by_spec
    assert by_spec["metadata"]["generation"] == 1
    by_status = fresh.patch(kind, name, {"status": status, "spec": {"suspend": True, "halt": True}}, "status").ok()
    assert by_status["status"] == status
    assert by_status["spec"] == born["spec"]
    assert by_status["metadata"]["generation"] == 1
    gone = fresh.patch(kind, name, {"status": {"phase": "Running"}}, "status", fieldValidation="Strict")
    assert gone.status == 422
    assert 'unknown field "status.phase"' in gone.message


def test_rights_on_the_spec_are_no_rights_on_the_status_and_the_other_way_round(fresh: Installed):
    stored(fresh, policy())
    rights = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{fresh.namespace}"
    for user, resource in (("people", "riskpolicies"), ("machine", "riskpolicies/status")):
        rule = {"apiGroups": [fresh.group], "resources": [resource], "verbs": ["patch"]}
        fresh.api.create(f"{rights}/roles", {"metadata": {"name": user}, "rules": [rule]}).ok()
        binding = {
            "metadata": {"name": user},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": user},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        }
        fresh.api.create(f"{rights}/rolebindings", binding).ok()
    spec, status = fresh.path("RiskPolicy", "house"), fresh.path("RiskPolicy", "house", "status")
    people, machine = fresh.api.as_user("people"), fresh.api.as_user("machine")
    until("the rights count", lambda: people.merge(spec, HALT).status == 200)
    until("the rights count", lambda: machine.merge(status, {"status": {"strategies": 1}}).status == 200)
    assert people.merge(status, {"status": {"strategies": 2}}).status == 403
    assert machine.merge(spec, {"spec": {"halt": False, "haltReason": ""}}).status == 403


@pytest.mark.parametrize("kind", sorted(crd.FILES))
def test_every_status_that_is_written_is_stored_whole(fresh: Installed, kind: str):
    name = stored(fresh, policy() if kind == "RiskPolicy" else strategy())["metadata"]["name"]
    for status in statuses(kind):
        path = fresh.path(kind, name, "status")
        now = fresh.api.get(fresh.path(kind, name)).ok() | {"status": status}
        assert fresh.api.replace(path, now, fieldValidation="Strict").ok()["status"] == status


def test_scale_sets_the_executor_and_shows_what_runs(fresh: Installed):
    stored(fresh, strategy())
    path = fresh.path("TradingStrategy", "sunday", "scale")
    assert fresh.api.get(path).ok()["spec"] == {"replicas": 1}
    fresh.api.merge(path, {"spec": {"replicas": 0}}).ok()
    assert fresh.api.get(fresh.path("TradingStrategy", "sunday")).ok()["spec"]["executor"] == {"replicas": 0}
    refused = fresh.api.merge(path, {"spec": {"replicas": 2}})
    assert refused.status == 422
    assert "should be less than or equal to 1" in refused.message
    written = {"replicas": 1, "selector": "touchline.dev/strategy=sunday"}
    fresh.patch("TradingStrategy", "sunday", {"status": written}, "status").ok()
    assert fresh.api.get(path).ok()["status"] == written


@pytest.mark.parametrize("kind", sorted(crd.FILES))
def test_columns_print_what_touchline_get_prints(fresh: Installed, kind: str):
    name = stored(fresh, policy() if kind == "RiskPolicy" else strategy())["metadata"]["name"]
    fresh.patch(kind, name, {"status": statuses(kind)[-2]}, "status").ok()
    table = fresh.api.get(fresh.path(kind), accept=TABLE).ok()
    shown = {
        column["name"].upper(): cell
        for column, cell in zip(table["columnDefinitions"], table["rows"][0]["cells"], strict=True)
        if column["priority"] == 0
    }
    age = shown.pop("AGE")
    assert age.endswith("s")
    if kind == "RiskPolicy":
        assert tuple(shown) == POLICY_COLUMNS[:-1]
        assert shown == {
            "NAME": "house",
            "HALT": False,
            "HALTED": "True",
            "REASON": "Halted",
            "EQUITY": "987.65",
            "TODAY": "-12.35",
            "DRAWDOWN": "12.3%",
        }
    else:
        assert tuple(shown) == STRATEGY_COLUMNS[:-1]
        assert shown == {
            "NAME": "sunday",
            "MODE": "Paper",
            "MARKETS": "game",
            "FEED": "simulator",
            "POS": "12.50",
            "TODAY": "-12.35",
            "DRAWDOWN": "12.3%",
            "READY": "False",
            "HALTED": "True",
        }


def test_short_names_and_the_category_are_served(installed: Installed):
    found = installed.api.get(f"/apis/{installed.group}/v1alpha1").ok()["resources"]
    main = {r["name"]: (r.get("shortNames"), r.get("categories")) for r in found if "/" not in r["name"]}
    assert main == {
        "riskpolicies": (["rpol"], ["touchline"]),
        "tradingstrategies": (["tstrat"], ["touchline"]),
    }
    subs = {r["name"] for r in found if "/" in r["name"]}
    assert subs == {"riskpolicies/status", "tradingstrategies/status", "tradingstrategies/scale"}


@pytest.mark.parametrize("sample", [pytest.param(doc, id=doc["metadata"]["name"]) for doc in crd.samples()])
def test_a_sample_comes_back_whole(fresh: Installed, sample: dict):
    back = stored(fresh, sample)
    assert _without(back["spec"], sample["spec"]) == []
    applied = fresh.api.apply(fresh.path(sample["kind"], sample["metadata"]["name"]), fresh.made(sample), "again").ok()
    assert applied["metadata"]["generation"] == 1


def _without(found: Any, wanted: Any, path: str = "spec") -> list[str]:
    """Paths of `wanted` that are not in `found` as they were."""
    if isinstance(wanted, dict):
        return [p for key, item in wanted.items() for p in _without(found.get(key), item, f"{path}.{key}")]
    if isinstance(wanted, list):
        return [p for i, item in enumerate(wanted) for p in _without(found[i], item, f"{path}[{i}]")]
    return [] if found == wanted else [path]


def test_a_typo_warns_and_changes_nothing_and_strict_refuses_it(fresh: Installed):
    before = stored(fresh, policy())
    typo = {"spec": {"hault": True}}
    warned = fresh.patch("RiskPolicy", "house", typo)
    after = warned.ok()
    assert any('unknown field "spec.hault"' in warning for warning in warned.warnings)
    assert after["spec"] == before["spec"]
    assert after["metadata"]["generation"] == 1
    refused = fresh.patch("RiskPolicy", "house", typo, fieldValidation="Strict")
    assert refused.status == 422
    assert 'unknown field "spec.hault"' in refused.message


def test_a_field_of_a_later_version_is_no_field(fresh: Installed):
    reply = fresh.create(
        strategy(analyst={"models": [{"name": "m", "weight": "1"}], "llm": {}}), fieldValidation="Strict"
    )
    assert reply.status == 400
    assert 'unknown field "spec.analyst.llm"' in reply.message


FRACTIONS = st.sampled_from(
    ["0", "0.0001", "0.00009", "0.25", "0.250", "0.250001", "0.2", "1", "1.0", "1.1", ".5", "x"]
)
PRICES = st.sampled_from(
    ["0.00", "0.001", "0.0009", "0.05", "0.050", "0.5", "0.99", "0.991", "0.999", "0.9991", "1.00"]
)
CASH = st.sampled_from(
    ["0", "0.009", "0.01", "1", "1.00", "250.00", "100000.00", "100000.01", "1000000", "1000000.01", "-1"]
)
TICKERS = st.sampled_from(["KX-A", "KX-B", "KX-A-1", "KX-A-2", "KX-B-1", "KX", "kx-a", "KX-A.5-1"])
CHANGES = {
    "RiskPolicy": st.fixed_dictionaries({}, optional={
        "mode": st.sampled_from(["Paper", "Live"]), "maxDrawdown": FRACTIONS, "maxDailyLoss": FRACTIONS,
        "exchange.environment": st.sampled_from(["Simulator", "Demo"]), "exchange.credentialsSecretRef": st.just({"name": "k"}),
        "minPositionDollars": CASH, "maxPositionDollars": CASH, "maxOrdersPerMinute": st.sampled_from([0, 1, 600, 601]),
        "halt": st.booleans(), "haltReason": st.sampled_from(["", "x"]),
        "tradingDay.timeZone": st.sampled_from(["UTC", "Europe/Berlin", "Europe/Nowhere", ""]),
    }),
    "TradingStrategy": st.fixed_dictionaries({}, optional={
        "sizing.kellyFraction": FRACTIONS, "entry.minPrice": PRICES, "entry.maxPrice": PRICES, "entry.minEdge": PRICES,
        "entry.orderStyle": st.sampled_from(["Take", "Rest"]), "entry.restSeconds": st.sampled_from([0, 1, 3600]),
        "markets": st.lists(st.fixed_dictionaries({"name": st.sampled_from("abc")}, optional={"event": TICKERS, "ticker": TICKERS}), min_size=1, max_size=3),
    }),
}  # fmt: skip


@pytest.mark.parametrize("kind", sorted(CHANGES))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_schema_and_the_typed_api_agree(installed: Installed, kind: str, data: st.DataObject):
    raw = changed(policy() if kind == "RiskPolicy" else strategy(), data.draw(CHANGES[kind]))
    parse = parse_policy if kind == "RiskPolicy" else parse_strategy
    reply = installed.create(raw, dryRun="All")
    assert reply.status in {201, 422}
    parsed = parse(raw)
    assert (reply.status == 422) == isinstance(parsed, tuple), (reply.message, parsed)
