"""Specs that the schema must refuse, with the words it must say, and specs that it must accept."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.resources import policy, strategy

DROP: Any = object()
MADE = {"RiskPolicy": policy, "TradingStrategy": strategy}


def changed(raw: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A copy with `a.b.0.c` set, or removed when the value is DROP; a path without a dot stands in the spec."""
    out = copy.deepcopy(raw)
    for path, value in changes.items():
        *way, last = path.split(".")
        here: Any = out["metadata"] if path == "name" else out["spec"]
        for step in way:
            here = here[int(step)] if isinstance(here, list) else here.setdefault(step, {})
        if value is DROP:
            del here[last]
        elif isinstance(here, list):
            here[int(last) : int(last) + 1] = [value]
        else:
            here[last] = value
    return out


@dataclass(frozen=True)
class Good:
    """A spec that both the schema and the typed API accept."""

    name: str
    kind: str
    changes: dict[str, Any] = field(default_factory=dict)

    def made(self) -> dict[str, Any]:
        return changed(MADE[self.kind](), self.changes)


@dataclass(frozen=True)
class Bad(Good):
    """A spec that both refuse; `expected` is part of what the API server says."""

    expected: str = ""


def _rp(case: str, expected: str, /, **changes: Any) -> Bad:
    return Bad(f"policy {case}", "RiskPolicy", {k.replace("__", "."): v for k, v in changes.items()}, expected)


def _ts(case: str, expected: str, /, **changes: Any) -> Bad:
    return Bad(f"strategy {case}", "TradingStrategy", {k.replace("__", "."): v for k, v in changes.items()}, expected)


FRACTION = 'allowed: a decimal in quotes, from "0.0001" to "1"'
PRICE = 'allowed: dollars with 2 to 4 decimals in quotes, from "0.001" to "0.999"'
DISTANCE = 'allowed: dollars with 2 to 4 decimals in quotes, from "0.001" to "0.99"'
EDGE = 'allowed: dollars with 2 to 4 decimals in quotes, from "0.001" to "0.50"'
KELLY = 'allowed: a decimal in quotes, from "0.0001" to "0.25"'
NAME = "allowed: 1 to 63 of a-z, 0-9 and '-', not '-' at an end"
ZONE = "allowed: an IANA time zone such as America/New_York"
TIME = 'allowed: a time in quotes from "00:00" to "23:59"'
EVENT = "allowed: an event ticker such as KXNFLGAME-25SEP04DALPHI"
TICKER = "allowed: a market ticker such as KXNFLGAME-25SEP04DALPHI-PHI"
ONE_OF = "exactly one of event, series, ticker is allowed and needed"
WITH_SERIES = "startsWithinHours and maxEvents are needed with series and allowed only with it"
SERIES = {"series": "KXNFLGAME", "startsWithinHours": 12, "maxEvents": 4}
A, B = {"name": "a", "event": "KXNFLGAME-A"}, {"name": "b", "event": "KXNFLGAME-B"}
SOURCE = {"name": "game", "plugin": "kalshi-live-data"}
HOOK = {"type": "Webhook", "secretRef": {"name": "alerts"}}
MODEL = {"name": "game-state", "weight": "0.5"}

POLICIES = [
    _rp("without mode", "spec.mode: Required value", mode=DROP),
    _rp("mode of another case", 'spec.mode: Unsupported value: "paper": supported values: "Paper", "Live"', mode="paper"),
    _rp("live on the simulator", "mode is Live; with exchange.environment Simulator only Paper is allowed", mode="Live"),
    _rp("without exchange", "spec.exchange: Required value", exchange=DROP),
    _rp("without environment", "spec.exchange.environment: Required value", exchange={"subaccount": 1}),
    _rp("unknown environment", 'supported values: "Simulator", "Demo", "Production"', exchange__environment="Staging"),
    _rp("demo without credentials", "credentialsSecretRef is missing; it is required unless environment is Simulator", exchange__environment="Demo"),
    _rp("production without credentials", "credentialsSecretRef is missing", exchange__environment="Production", mode="Live"),
    _rp("secret without a name", "spec.exchange.credentialsSecretRef.name: Required value", exchange__credentialsSecretRef={}),
    _rp("secret with a bad name", NAME, exchange__credentialsSecretRef={"name": "My_Key"}),
    _rp("secret of another namespace", NAME, exchange__readOnlySecretRef={"name": "other/key"}),
    _rp("subaccount too large", "should be less than or equal to 63", exchange__subaccount=64),
    _rp("subaccount negative", "should be greater than or equal to 0", exchange__subaccount=-1),
    _rp("without maxDrawdown", "spec.maxDrawdown: Required value", maxDrawdown=DROP),
    _rp("without maxDailyLoss", "spec.maxDailyLoss: Required value", maxDailyLoss=DROP),
    _rp("drawdown as a number", "spec.maxDrawdown in body must be of type string", maxDrawdown=0.25),
    _rp("drawdown in percent", FRACTION, maxDrawdown="25%"),
    _rp("drawdown zero", FRACTION, maxDrawdown="0", maxDailyLoss="0"),
    _rp("drawdown above one", FRACTION, maxDrawdown="1.5"),
    _rp("drawdown negative", FRACTION, maxDrawdown="-0.1"),
    _rp("drawdown with a unit", FRACTION, maxDrawdown="250m"),
    _rp("drawdown with an exponent", FRACTION, maxDrawdown="25e-2"),
    _rp("drawdown too fine", "spec.maxDrawdown: Too long: may not be more than 8", maxDrawdown="0.1234567"),
    _rp("drawdown with a comma", FRACTION, maxDrawdown="0,25"),
    _rp("daily loss equal to drawdown", "maxDailyLoss must be below maxDrawdown, else it could never fire first", maxDailyLoss="0.25"),
    _rp("daily loss above drawdown", "maxDailyLoss must be below maxDrawdown", maxDailyLoss="0.9"),
    _rp("daily loss equal in other digits", "maxDailyLoss must be below maxDrawdown", maxDailyLoss="0.250"),
    _rp("zone that does not exist", ZONE, tradingDay__timeZone="Mars/Base"),
    _rp("zone as an offset", ZONE, tradingDay__timeZone="+05:00"),
    _rp("zone as a path", ZONE, tradingDay__timeZone="../UTC"),
    _rp("day that starts at 24:00", TIME, tradingDay__startsAt="24:00"),
    _rp("day that starts at 6:00", TIME, tradingDay__startsAt="6:00"),
    _rp("day in minutes", "must be of type string", tradingDay__startsAt=360),
    _rp("position fraction above one", FRACTION, maxPositionFraction="2"),
    _rp("exposure empty", FRACTION, maxExposureFraction=""),
    _rp("game fraction zero", FRACTION, maxGameFraction="0.00001"),
    _rp("smallest stake zero", 'allowed: dollars in quotes, from "0.01" to "100000.00"', minPositionDollars="0.00"),
    _rp("smallest stake with a sign", 'allowed: dollars in quotes, from "0.01"', minPositionDollars="$1.00"),
    _rp("largest stake too large", 'allowed: dollars in quotes, from "0.01" to "1000000.00"', maxPositionDollars="1000000.01"),
    _rp("smallest stake above largest", "minPositionDollars must be below maxPositionDollars", minPositionDollars="300"),
    _rp("no orders per minute", "should be greater than or equal to 1", maxOrdersPerMinute=0),
    _rp("too many orders", "should be less than or equal to 600", maxOrdersPerMinute=601),
    _rp("orders in quotes", "must be of type integer", maxOrdersPerMinute="30"),
    _rp("half an order", "must be of type integer", maxTradesPerDay=1.5),
    _rp("too many trades", "should be less than or equal to 10000", maxTradesPerDay=10_001),
    _rp("stale too soon", "should be greater than or equal to 2", staleAfterSeconds=1),
    _rp("stale too late", "should be less than or equal to 60", staleAfterSeconds=61),
    _rp("degraded above one", 'allowed: a decimal in quotes, from "0" to "1"', degradedKellyMultiplier="1.1"),
    _rp("reason without halt", 'haltReason is allowed only together with halt: true; to end a halt, write halt: false and haltReason: "" in one patch', haltReason="why"),
    _rp("halt in quotes", "must be of type boolean", halt="true"),
    _rp("reason too long", "Too long: may not be more than 512", halt=True, haltReason="x" * 513),
    _rp("resume without an id", "spec.resume.haltID: Required value", resume={"rebaseline": True}),
    _rp("resume of nothing", "should be at least 1 chars long", resume={"haltID": ""}),
    _rp("alert of an unknown type", 'spec.alerts[0].type: Unsupported value: "Email": supported values: "Webhook"', alerts=[{"type": "Email", "secretRef": {"name": "alerts"}}]),
    _rp("alert without a type", "spec.alerts[0].type: Required value", alerts=[{"secretRef": {"name": "alerts"}}]),
    _rp("alert without a secret", "spec.alerts[0].secretRef: Required value", alerts=[{"type": "Webhook"}]),
    _rp("alert with the url itself", NAME, alerts=[{"type": "Webhook", "secretRef": {"name": "https://example.com/hook"}}]),
    _rp("two webhooks", 'spec.alerts[1]: Duplicate value: {"type":"Webhook"}', alerts=[HOOK, HOOK]),
    _rp("too many alerts", "must have at most 4 items", alerts=[HOOK] * 5),
    _rp("name with a dot", f"metadata.name: {NAME}", name="house.main"),
    _rp("name too long", f"metadata.name: {NAME}", name="h" * 64),
]  # fmt: skip

STRATEGIES = [
    _ts("without mode", "spec.mode: Required value", mode=DROP),
    _ts("unknown mode", 'supported values: "Paper", "Live"', mode="Dry"),
    _ts("without policy", "spec.riskPolicyRef: Required value", riskPolicyRef=DROP),
    _ts("policy without a name", "spec.riskPolicyRef.name: Required value", riskPolicyRef={}),
    _ts("policy in capitals", NAME, riskPolicyRef={"name": "House"}),
    _ts("without markets", "spec.markets: Required value", markets=DROP),
    _ts("no market", "should have at least 1 items", markets=[]),
    _ts("too many markets", "must have at most 64 items", markets=[{"name": f"m{i}", "event": f"KX-{i}"} for i in range(65)]),
    _ts("market without event or ticker", ONE_OF, markets=[{"name": "a"}]),
    _ts("market with both", ONE_OF, markets=[A | {"ticker": "KXNFLGAME-A-B"}]),
    _ts("market with event and series", ONE_OF, markets=[A | SERIES]),
    _ts("series without its bounds", WITH_SERIES, markets=[{"name": "a", "series": "KXNFLGAME"}]),
    _ts("series without hours", WITH_SERIES, markets=[{"name": "a", "series": "KXNFLGAME", "maxEvents": 4}]),
    _ts("event with hours", WITH_SERIES, markets=[A | {"startsWithinHours": 12}]),
    _ts("no hours ahead", "should be greater than or equal to 1", markets=[{"name": "a"} | SERIES | {"startsWithinHours": 0}]),
    _ts("more than a week ahead", "should be less than or equal to 168", markets=[{"name": "a"} | SERIES | {"startsWithinHours": 169}]),
    _ts("no events", "should be greater than or equal to 1", markets=[{"name": "a"} | SERIES | {"maxEvents": 0}]),
    _ts("too many events", "should be less than or equal to 16", markets=[{"name": "a"} | SERIES | {"maxEvents": 17}]),
    _ts("series with a dash", "allowed: a series ticker such as KXNFLGAME", markets=[{"name": "a"} | SERIES | {"series": "KXNFL-GAME"}]),
    _ts("one series twice", "an event or series stands twice; allowed: one entry for each", markets=[{"name": "a"} | SERIES, {"name": "b"} | SERIES]),
    _ts("too many series", "allowed: at most 8 entries that name a series", markets=[{"name": f"m{i}"} | SERIES | {"series": f"KX{i}"} for i in range(9)]),
    _ts("market without a name", "spec.markets[0].name: Required value", markets=[{"event": "KX-A"}]),
    _ts("two markets of one name", 'spec.markets[1]: Duplicate value: {"name":"a"}', markets=[A, B | {"name": "a"}]),
    _ts("two entries of one event", "an event or series stands twice", markets=[A, A | {"name": "b"}]),
    _ts("event and its own market", "an event or series stands twice", markets=[A, {"name": "b", "ticker": "KXNFLGAME-A-PHI"}]),
    _ts("two markets of one event", "an event or series stands twice", markets=[{"name": "a", "ticker": "KX-A-1"}, {"name": "b", "ticker": "KX-A-2"}]),
    _ts("event in small letters", EVENT, markets=[A | {"event": "kxnflgame-a"}]),
    _ts("event without a dash", EVENT, markets=[A | {"event": "KXNFLGAME"}]),
    _ts("event with a wildcard", EVENT, markets=[A | {"event": "KXNFLGAME-*"}]),
    _ts("ticker with a space", TICKER, markets=[{"name": "a", "ticker": "KX-A B-C"}]),
    _ts("ticker too long", "Too long: may not be more than 64", markets=[{"name": "a", "ticker": "KX-" + "A" * 62}]),
    _ts("market's name with a dash at the end", NAME, markets=[A | {"name": "a-"}]),
    _ts("without sources", "spec.sources: Required value", sources=DROP),
    _ts("no source", "should have at least 1 items", sources=[]),
    _ts("too many sources", "must have at most 8 items", sources=[SOURCE | {"name": f"s{i}"} for i in range(9)]),
    _ts("two sources of one name", 'spec.sources[1]: Duplicate value: {"name":"game"}', sources=[SOURCE, SOURCE]),
    _ts("plug-in with an underscore", "allowed: the name of a plug-in such as kalshi-live-data", sources=[SOURCE | {"plugin": "my_plugin"}]),
    _ts("source without a plug-in", "spec.sources[0].plugin: Required value", sources=[{"name": "game"}]),
    _ts("option with a dash", "allowed: the name of an option such as intervalSeconds", sources=[SOURCE | {"config": {"interval-seconds": 1}}]),
    _ts("option with a fraction", "must be of type integer,string", sources=[SOURCE | {"config": {"intervalSeconds": 0.4}}]),
    _ts("option with a list", "must be of type integer,string", sources=[SOURCE | {"config": {"urls": ["a"]}}]),
    _ts("option too long", "Too long: may not be more than 1024", sources=[SOURCE | {"config": {"url": "x" * 1025}}]),
    _ts("too many options", "must have at most 32 items", sources=[SOURCE | {"config": {f"o{i}": i for i in range(33)}}]),
    _ts("without analyst", "spec.analyst: Required value", analyst=DROP),
    _ts("no model", "should have at least 1 items", analyst={"models": []}),
    _ts("two models of one name", 'spec.analyst.models[1]: Duplicate value: {"name":"game-state"}', analyst={"models": [MODEL, MODEL]}),
    _ts("model in capitals", "allowed: the name of a model such as game-state", analyst={"models": [MODEL | {"name": "GameState"}]}),
    _ts("weight zero", FRACTION, analyst={"models": [MODEL | {"weight": "0"}]}),
    _ts("weight as a number", "must be of type string", analyst={"models": [MODEL | {"weight": 1}]}),
    _ts("without entry", "spec.entry: Required value", entry=DROP),
    _ts("unknown order style", 'supported values: "Take", "Rest"', entry__orderStyle="Make"),
    _ts("rest without seconds", "restSeconds is missing; orderStyle Rest needs it, 1 to 3600", entry__orderStyle="Rest"),
    _ts("take with seconds", "restSeconds is allowed only with orderStyle: Rest", entry__restSeconds=5),
    _ts("rest for too long", "should be less than or equal to 3600", entry__orderStyle="Rest", entry__restSeconds=3601),
    _ts("without an edge", "spec.entry.minEdge: Required value", entry__minEdge=DROP),
    _ts("edge with one decimal", EDGE, entry__minEdge="0.3"),
    _ts("edge too large", EDGE, entry__minEdge="0.51"),
    _ts("edge in cents", EDGE, entry__minEdge="3"),
    _ts("liquidity zero", "should be greater than or equal to 1", entry__minLiquidityContracts=0),
    _ts("spread of a dollar", DISTANCE, entry__maxSpread="1.00"),
    _ts("prices the wrong way round", "minPrice must be below maxPrice", entry__minPrice="0.90", entry__maxPrice="0.10"),
    _ts("prices equal", "minPrice must be below maxPrice", entry__minPrice="0.500", entry__maxPrice="0.50"),
    _ts("price above a dollar", PRICE, entry__maxPrice="1.01"),
    _ts("kelly above a quarter", f'spec.sizing.kellyFraction: Invalid value: "0.2501": {KELLY}', sizing__kellyFraction="0.2501"),
    _ts("full kelly", KELLY, sizing__kellyFraction="1"),
    _ts("kelly zero", KELLY, sizing__kellyFraction="0"),
    _ts("without exit", "spec.exit: Required value", exit=DROP),
    _ts("without a stop loss", "spec.exit.stopLoss: Required value", exit__stopLoss=DROP),
    _ts("stop loss zero", DISTANCE, exit__stopLoss="0.00"),
    _ts("take profit of a dollar", DISTANCE, exit__takeProfit="1.00"),
    _ts("flatten a week before", "should be less than or equal to 86400", exit__flattenBeforeCloseSeconds=604_800),
    _ts("two executors", "should be less than or equal to 1", executor__replicas=2),
    _ts("minus one executor", "should be greater than or equal to 0", executor__replicas=-1),
    _ts("suspend as a word", "must be of type boolean", suspend="yes"),
    _ts("name with a dot", f"metadata.name: {NAME}", name="sun.day"),
    _ts("name too long", f"metadata.name: {NAME}", name="s" * 64),
]  # fmt: skip

BAD: list[Bad] = [*POLICIES, *STRATEGIES]


def _good(kind: str, case: str, /, **changes: Any) -> Good:
    return Good(f"{kind} {case}", kind, {key.replace("__", "."): value for key, value in changes.items()})


def _grp(case: str, /, **changes: Any) -> Good:
    return _good("RiskPolicy", case, **changes)


def _gts(case: str, /, **changes: Any) -> Good:
    return _good("TradingStrategy", case, **changes)


KEY = {"name": "kalshi"}
GOOD_POLICIES = [
    _grp("least"),
    _grp("demo", exchange={"environment": "Demo", "credentialsSecretRef": KEY}),
    _grp("production", mode="Live", exchange={"environment": "Production", "credentialsSecretRef": KEY, "readOnlySecretRef": {"name": "read"}, "subaccount": 63}),
    _grp("paper on production", exchange={"environment": "Production", "credentialsSecretRef": KEY}),
    _grp("simulator with a key", exchange={"environment": "Simulator", "credentialsSecretRef": KEY}),
    _grp("tightest", maxDrawdown="0.0002", maxDailyLoss="0.0001", maxPositionFraction="0.0001", maxExposureFraction="0.0001", maxGameFraction="0.0001", degradedKellyMultiplier="0", minPositionDollars="0.01", maxPositionDollars="0.02", maxOrdersPerMinute=1, maxTradesPerDay=1, staleAfterSeconds=2),
    _grp("widest", maxDrawdown="1", maxDailyLoss="0.999999", maxPositionFraction="1.000000", maxExposureFraction="1.0", maxGameFraction="1", degradedKellyMultiplier="1", minPositionDollars="100000.00", maxPositionDollars="1000000", maxOrdersPerMinute=600, maxTradesPerDay=10_000, staleAfterSeconds=60),
    _grp("loss close to drawdown", maxDrawdown="0.2", maxDailyLoss="0.199999"),
    _grp("day in UTC", tradingDay={"timeZone": "UTC", "startsAt": "00:00"}),
    _grp("day at the date line", tradingDay={"timeZone": "America/Argentina/Buenos_Aires", "startsAt": "23:59"}),
    _grp("day of a zone with a sign", tradingDay={"timeZone": "Etc/GMT+5"}),
    _grp("halted", halt=True, haltReason="x" * 512),
    _grp("halted without words", halt=True),
    _grp("reason empty", halt=False, haltReason=""),
    _grp("resumed", resume={"haltID": "dailyloss-1756990000000", "rebaseline": True}),
    _grp("webhook", alerts=[HOOK]),
    _grp("nobody is told", alerts=[]),
    _grp("longest name", name="h" * 63),
]  # fmt: skip
GOOD: list[Good] = [
    *GOOD_POLICIES,
    _gts("least"),
    _gts("one market", markets=[{"name": "a", "ticker": "KXNFLSPREAD-26SEP14DENKC-KC8.5"}]),
    _gts("two events", markets=[A, B]),
    _gts("a series and an event of it", markets=[A, {"name": "b"} | SERIES]),
    _gts("most series", markets=[{"name": f"m{i}"} | SERIES | {"series": f"KX{i}", "startsWithinHours": 168, "maxEvents": 16} for i in range(8)]),
    _gts("event and another's market", markets=[A, {"name": "b", "ticker": "KXNFLGAME-B-PHI"}]),
    _gts("most markets", markets=[{"name": f"m{i}", "event": f"KXNFLGAME-26SEP{i}"} for i in range(64)]),
    _gts("most sources", sources=[SOURCE | {"name": f"s{i}", "config": {"intervalSeconds": i}} for i in range(8)]),
    _gts("options", sources=[SOURCE | {"config": {"intervalSeconds": 1, "level": -2_147_483_648, "url": "https://example.com/feed", "empty": ""}}]),
    _gts("two models", analyst={"models": [MODEL, MODEL | {"name": "consensus"}]}),
    _gts("rest", entry={"orderStyle": "Rest", "restSeconds": 3600, "minEdge": "0.5000"}),
    _gts("finest prices", entry__minPrice="0.001", entry__maxPrice="0.0011", entry__minEdge="0.0010", entry__maxSpread="0.99"),
    _gts("widest prices", entry__minPrice="0.01", entry__maxPrice="0.999"),
    _gts("quarter kelly", sizing={"kellyFraction": "0.250000"}),
    _gts("least kelly", sizing={"kellyFraction": "0.0001"}),
    _gts("default kelly", sizing={}),
    _gts("exits far away", exit={"stopLoss": "0.99", "takeProfit": "0.99", "flattenBeforeCloseSeconds": 86_400}),
    _gts("scaled to zero", executor={"replicas": 0}),
    _gts("suspended", suspend=True),
    _gts("live", mode="Live"),
    _gts("longest name", name="s" * 63),
]  # fmt: skip
