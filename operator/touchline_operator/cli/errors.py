"""How commands end: exit codes, and the one error that carries lines for people."""

from __future__ import annotations

OK = 0
FAILED = 1
BAD_INPUT = 2


class CommandError(Exception):
    """The command cannot go on; the message is what people see, one line per problem."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code
