"""What signs requests, apart from how: processes that only make public calls need no cryptography in memory."""

from typing import Protocol


class RequestSigner(Protocol):
    """Anything that can put the three access headers on a request."""

    def headers(self, method: str, path: str, now_ms: int) -> dict[str, str]:
        """Headers for `METHOD path` sent at `now_ms`."""
