"""Fair value of a market from a signal: the strategy's models, pooled. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trading_logic.contracts import config
from trading_logic.contracts.messages import MarketInfo, Signal
from trading_logic.models.facts import GameFacts, Model
from trading_logic.models.registry import model
from trading_logic.money import ONE_PPM, Ppm
from trading_logic.pooling import pool
from trading_logic.refusal import Refusal

_PRICE_PPM = 100  # 1/10,000 dollar in ppm of a dollar


@dataclass(frozen=True, slots=True)
class Fair:
    """Probability in ppm that YES of this market pays, and what it was made of: (model, version, probability)."""

    probability: Ppm
    parts: tuple[tuple[str, str, Ppm], ...]


class FairValue:
    """The models of one strategy. Raises UnknownModelError at the start, never while deciding."""

    def __init__(self, models: Sequence[config.Model]) -> None:
        self._models: list[tuple[str, Model]] = [(chosen.name, model(chosen.name)) for chosen in models]
        self._weights = {chosen.name: chosen.weight_ppm for chosen in models}

    def of(self, signal: Signal, info: MarketInfo) -> Fair | Refusal:
        """The pooled value. One model that refuses refuses all: a part of an opinion is another opinion."""
        home = info.outcome != "away"
        facts = game_facts(signal, info)
        if facts is None:
            return Refusal("models", "no game state", "a game state")
        numbers: dict[str, Ppm] = {}
        parts: list[tuple[str, str, Ppm]] = []
        for name, answer in self._models:
            number = answer(facts)
            if isinstance(number, Refusal):
                return Refusal("models", f"{name}: {number.rule} {number.value}", number.limit)
            numbers[name] = number.probability
            parts.append((name, number.version, _yes(number.probability, home=home)))
        pooled = pool(numbers, self._weights, least_share=ONE_PPM)
        if isinstance(pooled, Refusal):
            return Refusal("models", f"{pooled.rule} {pooled.value}", pooled.limit)
        return Fair(_yes(pooled.probability, home=home), tuple(parts))


def game_facts(signal: Signal, info: MarketInfo) -> GameFacts | None:
    """The signal and its market from the home team's point of view; None without a game state.

    The away team winning by more than 3.5 is the home team not being above -3.5: its YES is one less what is asked.
    """
    game = signal.game
    if game is None:
        return None
    return GameFacts(
        sport=game.sport,
        status=game.status,
        home_points=game.home_points,
        away_points=game.away_points,
        period=game.period,
        clock_seconds=game.clock_seconds,
        seconds_remaining=game.seconds_remaining,
        possession=game.possession,
        down=game.down,
        distance=game.distance,
        yardline=game.yardline,
        prior_home=signal.prior_home_ppm,
        microprice=_microprice(signal, info),
        line=info.line,
        strike=-info.strike if info.outcome == "away" else info.strike,
        prior_total=signal.prior_total,
    )


def _microprice(signal: Signal, info: MarketInfo) -> Ppm | None:
    """Size-weighted middle of the top of book, as the home team's probability; None while a side is empty."""
    top = signal.top
    if not (top.yes_bid_size and top.yes_ask_size):
        return None
    weighted = top.yes_bid * top.yes_ask_size + top.yes_ask * top.yes_bid_size
    middle = weighted * _PRICE_PPM // (top.yes_bid_size + top.yes_ask_size)
    return _yes(middle, home=info.outcome != "away")


def _yes(probability: Ppm, *, home: bool) -> Ppm:
    return probability if home else ONE_PPM - probability
