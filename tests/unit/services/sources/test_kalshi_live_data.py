from __future__ import annotations

import pytest

from services.sources.kalshi_live_data import DEFAULT_INTERVAL_S, create
from services.sources.ports import SourceConfigError
from trading_logic.contracts.config import Exchange

EXCHANGE = Exchange("Simulator", "http://127.0.0.1:9/trade-api/v2", "ws://127.0.0.1:9/trade-api/ws/v2", "", "", 0)


@pytest.mark.parametrize(
    ("options", "seconds"),
    [
        ({}, DEFAULT_INTERVAL_S),
        ({"intervalSeconds": 1}, 1.0),
        ({"intervalSeconds": 60}, 60.0),
        ({"intervalSeconds": "0.1"}, 0.1),
        ({"intervalSeconds": "0.4"}, 0.4),
    ],
)
async def test_an_interval_is_whole_seconds_or_a_decimal_in_quotes(options, seconds):
    source = await create("game", options, EXCHANGE)
    assert source.interval_s == seconds
    await source.aclose()


@pytest.mark.parametrize("value", [0, 61, -1, "0.09", "60.1", "fast", "", 0.4, True, None, ["1"]])
async def test_any_other_interval_is_refused_by_name(value):
    with pytest.raises(SourceConfigError, match=r"config\.intervalSeconds"):
        await create("game", {"intervalSeconds": value}, EXCHANGE)


async def test_an_unknown_option_is_refused_by_name():
    with pytest.raises(SourceConfigError, match=r"config\.interval: unknown; allowed: intervalSeconds"):
        await create("game", {"interval": 1}, EXCHANGE)
