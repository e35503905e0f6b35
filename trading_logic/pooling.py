"""One probability from several models: the weighted mean of their log-odds.

Log-linear pooling (C. Genest and J. Zidek, "Combining Probability Distributions", Statistical Science 1, 1986)::

    logit(p) = sum(w_i * logit(p_i)) / sum(w_i)

over the models that answered. It lets a model that is sure outvote one that is not, and it is externally Bayesian:
the order of pooling and of learning a fact does not matter.
"""

from collections.abc import Mapping
from math import exp, log
from typing import Final

import msgspec

from trading_logic.money import ONE_PPM, Ppm, format_fraction
from trading_logic.refusal import Refusal

# No model is surer than one in a thousand: certainty would have infinite log-odds and outvote everything.
CLIP: Final[Ppm] = 1_000


class Part(msgspec.Struct, frozen=True, gc=False):
    """One model's say: its number as given and its share of the weights of those present, both in ppm."""

    model: str
    probability: Ppm
    share: Ppm


class Pooled(msgspec.Struct, frozen=True, gc=False):
    """The pooled probability in ppm, between ``CLIP`` and one minus ``CLIP``, and what it was made of."""

    probability: Ppm
    parts: tuple[Part, ...]


def pool(numbers: Mapping[str, Ppm], weights: Mapping[str, Ppm], *, least_share: Ppm) -> Pooled | Refusal:
    """Pool the models that answered.

    Args:
        numbers: probability in ppm of each model that answered.
        weights: weight of every model the strategy uses, on any common scale.
        least_share: part of all weight, in ppm, that must have answered; below it the answer is a refusal of the
            rule ``modelWeight``.

    Raises:
        ValueError: a weight is negative or all are zero, a number has no weight, or is not a probability.
    """
    total = sum(weights.values())
    if total <= 0 or any(weight < 0 for weight in weights.values()):
        raise ValueError(f"weights: {dict(weights)} are not allowed; allowed: not negative, at least one positive")
    present = 0
    for name, number in numbers.items():
        if name not in weights:
            raise ValueError(f"{name}: has no weight; weighted models: {', '.join(sorted(weights))}")
        if not 0 <= number <= ONE_PPM:
            raise ValueError(f"{name}: {number} is not a probability in ppm")
        present += weights[name]
    # Cross-multiplied, so that nothing is rounded at the limit.
    if present == 0 or present * ONE_PPM < least_share * total:
        share = format_fraction(present * ONE_PPM // total)
        return Refusal("modelWeight", share, f"at least {format_fraction(least_share)}")
    log_odds = sum(weights[name] * _logit(number) for name, number in numbers.items()) / present
    probability = round(ONE_PPM / (1.0 + exp(-log_odds)))
    parts = tuple(Part(name, number, weights[name] * ONE_PPM // present) for name, number in sorted(numbers.items()))
    return Pooled(probability, parts)


def _logit(probability: Ppm) -> float:
    clipped = min(max(probability, CLIP), ONE_PPM - CLIP)
    return log(clipped / (ONE_PPM - clipped))
