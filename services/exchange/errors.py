"""Everything that can go wrong at the exchange, on one screen.

ExchangeError
├── TemporaryError        try again: 429, 5xx, connection, no budget. On order creation: nothing was created.
├── PermanentError        the venue understood and said no (code, message, status): trying again changes nothing
│   ├── AuthenticationError   401: key id, key, clock or environment
│   └── NotFound              404 in the venue's words: no such thing; for a cancel also "already gone"
├── OutcomeUnknown        order creation only: it may or may not exist; ask the venue, never send again
├── DecodeError           an answer or frame without the shape we rely on; names the field
└── KeyFileError          a key file that cannot be used; says what to do
"""

from typing import Final

from trading_logic.refusal import Refusal

UNREADABLE: Final = "unreadable"
"""Code of a refusal whose body is none of the venue's error shapes: something in between may have said it."""


class ExchangeError(Exception):
    """Base of all errors of this package."""


class TemporaryError(ExchangeError):
    """The call may work later. `status` is the HTTP status, or None when no answer came.

    `no` says by which rule nothing was done, where that is known for certain.
    """

    def __init__(self, message: str, *, status: int | None = None, no: Refusal | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.no = no


class PermanentError(ExchangeError):
    """A refusal by the venue. `code` is the venue's own word, such as `insufficient_balance`."""

    def __init__(self, where: str, *, status: int, code: str, message: str) -> None:
        super().__init__(f"{where}: {status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message


class AuthenticationError(PermanentError):
    """The venue does not accept our signature or key."""


class NotFound(PermanentError):  # noqa: N818  - says what happened; the tree above says it is an error
    """The venue knows no such thing, in its own words. A cancel gets it for unknown, cancelled and executed orders."""


class OutcomeUnknown(ExchangeError):  # noqa: N818  - an outcome, not a fault
    """An order was sent and its outcome was not learned. `client_order_id` is what to look for."""

    def __init__(self, reason: str, *, client_order_id: str) -> None:
        super().__init__(f"order {client_order_id}: outcome unknown: {reason}")
        self.reason = reason
        self.client_order_id = client_order_id


class DecodeError(ExchangeError):
    """An answer that does not have the promised shape. `field` is its path, such as `orders[3].count`."""

    def __init__(self, where: str, field: str, problem: str) -> None:
        super().__init__(f"{where}: {field}: {problem}" if field else f"{where}: {problem}")
        self.where = where
        self.field = field
        self.problem = problem


class KeyFileError(ExchangeError):
    """A private key file is missing, readable by others, or not a key."""
