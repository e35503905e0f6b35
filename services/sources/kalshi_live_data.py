"""Plug-in `kalshi-live-data`: the exchange's own live data of a game, over a public call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from services.exchange.budget import TIERS, Budget
from services.exchange.clock import SystemClock
from services.exchange.errors import DecodeError, ExchangeError, NotFound, TemporaryError
from services.exchange.reads import ExchangeReads
from services.sources.basketball import parse_basketball
from services.sources.football import parse_football
from services.sources.ports import GameRef, Source, SourceConfigError, SourceError
from trading_logic.contracts.config import Exchange
from trading_logic.contracts.messages import GameState
from trading_logic.money import ONE_PPM, MoneyError, parse_ppm

DEFAULT_INTERVAL_S: Final = 0.4
LEAST_PPM: Final = ONE_PPM // 10
MOST_PPM: Final = 60 * ONE_PPM
PARSERS: Final[Mapping[str, Callable[[str, GameRef, Mapping[str, Any], int], GameState]]] = {
    "football_game": parse_football,
    "basketball_game": parse_basketball,
}
"""How the details of each type of game are read."""


class KalshiLiveData:
    """Polls `GET /live_data/milestone/{game}`."""

    def __init__(self, name: str, rest: ExchangeReads, interval_s: float) -> None:
        self._name, self._rest = name, rest
        self.interval_s = interval_s

    async def poll(self, ref: GameRef, received_ms: Callable[[], int]) -> GameState:
        try:
            found = await self._rest.live_data(ref.game)
        except NotFound as error:
            raise SourceError("NoSuchGame", f"the exchange has no live data for game {ref.game}") from error
        except TemporaryError as error:
            raise SourceError("ExchangeUnreachable", str(error)) from error
        except DecodeError as error:
            raise SourceError("BadLiveData", str(error)) from error
        except ExchangeError as error:
            raise SourceError("ExchangeRefused", str(error)) from error
        parse = PARSERS.get(found.type)
        if parse is None:
            raise SourceError("BadLiveData", f"game {ref.game}: type {found.type!r}; allowed: {', '.join(PARSERS)}")
        return parse(self._name, ref, found.details, received_ms())

    async def aclose(self) -> None:
        await self._rest.aclose()


async def create(name: str, options: Mapping[str, Any], exchange: Exchange) -> Source:
    """`options`: `intervalSeconds`, whole seconds or a decimal text from "0.1" to "60". Raises SourceConfigError."""
    unknown = set(options) - {"intervalSeconds"}
    if unknown:
        raise SourceConfigError(f"config.{min(unknown)}: unknown; allowed: intervalSeconds")
    interval_s = _interval(options["intervalSeconds"]) if "intervalSeconds" in options else DEFAULT_INTERVAL_S
    clock = SystemClock()
    return KalshiLiveData(
        name, ExchangeReads(exchange.rest_url, None, Budget(TIERS["basic"], clock), clock), interval_s
    )


def _interval(value: object) -> float:
    """Seconds of an option; a fraction stands in quotes, as everywhere in the resources."""
    try:
        ppm = parse_ppm(str(value) if type(value) is int else value, "config.intervalSeconds", most=MOST_PPM)
    except MoneyError as error:
        raise SourceConfigError(str(error)) from error
    if ppm < LEAST_PPM:
        raise SourceConfigError(f"config.intervalSeconds: {value!r}; allowed: from 0.1 to 60")
    return ppm / ONE_PPM
