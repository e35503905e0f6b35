"""The one shape of a no: which rule, the value it saw and the limit it holds."""

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
