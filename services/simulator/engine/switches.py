"""Ways in which an exchange can differ or misbehave for as long as a test wants it."""

import msgspec


class Switches(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Settings of one account; all accounts share one object until one of them is given its own.

    The default is the well-behaved exchange. Times in milliseconds.

    Attributes:
        deduplicate: a client order id is used once, ever.
        triggered_groups_accept: a triggered order group still takes orders.
        empty_ioc_conflict: an immediate order that meets nothing is 409 instead of 201 with nothing filled.
        order_read_lag_ms: one order read by its id is this old; lists are fresh.
        portfolio_lag_ms: positions, fills and balance are this old; settlements are fresh.
        empty_ladders: book snapshots of the stream say ``[]`` for an empty side instead of leaving it out.
        clock_skew_ms: how far the exchange's clock is ahead when it judges the time of a signature.
    """

    deduplicate: bool = True
    triggered_groups_accept: bool = False
    empty_ioc_conflict: bool = False
    order_read_lag_ms: int = 0
    portfolio_lag_ms: int = 0
    empty_ladders: bool = False
    clock_skew_ms: int = 0
