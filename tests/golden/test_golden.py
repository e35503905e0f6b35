"""Render against files: `TOUCHLINE_REFRESH_GOLDEN=1 pytest tests/golden` rewrites them; the diff is the review."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from touchline_operator.desired.platform import Endpoint, Network, Platform
from touchline_operator.desired.render import render_all
from touchline_operator.desired.world import Followed, Invalid, PolicyFacts, World
from touchline_operator.reconcile.gather import policy_of, strategy_of

HERE = Path(__file__).parent
CASES = sorted(path.parent.name for path in HERE.glob("*/input.yaml"))
PLATFORM = Platform(
    namespace="default",
    bus_url="redis://bus:6379/0",
    record_url="redis://record:6379/0",
    endpoints={
        "Simulator": Endpoint("http://simulator:8080/trade-api/v2", "ws://simulator:8080/trade-api/ws/v2"),
        "Demo": Endpoint("https://demo.example/v2", "wss://demo.example/v2"),
        "Production": Endpoint("https://production.example/v2", "wss://production.example/v2"),
    },
)
NETWORK = Network("default", simulator=True, metrics_from=({"namespaceSelector": {}},))
WITH_NETWORK = "one-strategy"
"""They are the same in every case: one shows them."""


def load(case: str) -> World:
    strategies, policies, facts, followed = [], [], {}, {}
    for document in yaml.safe_load_all((HERE / case / "input.yaml").read_text()):
        match document["kind"]:
            case "TradingStrategy":
                strategies.append(strategy_of(document))
            case "RiskPolicy":
                policies.append(policy_of(document))
            case "Facts":
                facts = msgspec.convert(document["facts"], dict[str, PolicyFacts])
            case "Followed":
                followed = msgspec.convert(document["followed"], dict[str, tuple[Followed, ...]])
    return World(tuple(strategies), tuple(policies), facts, followed=followed)


class _Dumper(yaml.SafeDumper):
    pass


def _text(dumper: yaml.SafeDumper, value: str) -> Any:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


@pytest.mark.parametrize("case", CASES)
def test_render_is_what_the_file_says(case: str) -> None:
    platform = replace(PLATFORM, network=NETWORK if case == WITH_NETWORK else None)
    made = yaml.dump_all(render_all(load(case), platform), Dumper=_Dumper, sort_keys=True, width=120)
    expected = HERE / case / "expected.yaml"
    if os.environ.get("TOUCHLINE_REFRESH_GOLDEN") == "1":
        expected.write_text(made)
    assert made == expected.read_text()


def test_there_are_cases_of_every_kind() -> None:
    worlds = [load(case) for case in CASES]
    assert len(worlds) >= 8
    assert any(isinstance(strategy, Invalid) for world in worlds for strategy in world.strategies)
    assert any(facts.stopped for world in worlds for facts in world.facts.values())
