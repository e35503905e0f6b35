"""The one shape of an answer: which rule, the value it saw, the limit it holds, and whether it let it pass."""

import msgspec


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """Why something was not done. All three are text for people and logs; units are in the texts.

    Attributes:
        rule: name of the rule, as in RiskPolicy and TradingStrategy where there is one.
        value: what was found.
        limit: what would have been allowed.
    """

    rule: str
    value: str
    limit: str


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """One rule's answer, yes or no, with what it saw; units are in the texts."""

    rule: str
    value: str
    limit: str
    passed: bool

    @property
    def refusal(self) -> Refusal | None:
        """The no, or None."""
        return None if self.passed else Refusal(self.rule, self.value, self.limit)
