"""The exchange's refusals."""


class Refused(Exception):  # noqa: N818  - a refusal is a normal answer, not an error of the program
    """An operation the exchange turned down.

    ``status`` is the HTTP status, ``code``, ``message`` and ``details`` are the members of the nested error
    body.
    """

    def __init__(self, code: str, *, status: int = 400, message: str = "", details: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.status = status
        self.message = message or code.replace("_", " ")
        self.details = details


def not_found() -> Refused:
    """Unknown, cancelled and executed orders answer alike."""
    return Refused("not_found", status=404)
