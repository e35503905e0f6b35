"""One POST to the URL that a Secret holds.

The URL and the token are the secret: no message, log line or exception of this module carries any of either.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import aiohttp
import yarl

URL, TOKEN = "url", "token"
BAD_SECRET, NOT_DELIVERED = "BadAlertSecret", "AlertNotDelivered"
TIMEOUT_S = 5.0
_URL = re.compile(r"https?://[!-~]{1,2040}")
_TOKEN = re.compile(r"[!-~]{1,4096}")
_ACCEPTED = range(200, 300)


class WebhookError(Exception):
    """Nothing was told; `reason` is CamelCase, the message what to change, without the secret."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Webhook:
    """The receiver that the files `url` and `token` in `folder` name; they are read again for every POST."""

    def __init__(self, folder: Path, client: aiohttp.ClientSession) -> None:
        self._folder = folder
        self._client = client

    def read(self) -> tuple[yarl.URL, dict[str, str]]:
        """URL and headers as the Secret says now. Raises WebhookError."""
        text = self._file(URL)
        if text is None:
            raise WebhookError(BAD_SECRET, f"the Secret's file {self._folder / URL} does not exist")
        try:
            url = yarl.URL(text) if _URL.fullmatch(text) else None
        except ValueError:
            url = None
        if url is None or not url.host:
            raise WebhookError(BAD_SECRET, f"{self._folder / URL} holds no http:// or https:// URL")
        token = self._file(TOKEN)
        if token is None:
            return url, {}
        if _TOKEN.fullmatch(token) is None:
            raise WebhookError(BAD_SECRET, f"{self._folder / TOKEN} is empty or holds what no HTTP header may")
        return url, {"Authorization": f"Bearer {token}"}

    async def post(self, body: bytes) -> None:
        """Returns when the receiver accepted it. Raises WebhookError."""
        url, headers = self.read()
        try:
            async with (
                asyncio.timeout(TIMEOUT_S),
                self._client.post(
                    url, data=body, headers={"Content-Type": "application/json"} | headers, allow_redirects=False
                ) as answer,
            ):
                status = answer.status  # the body is not read: nothing in it is for us
        except TimeoutError:
            raise WebhookError(NOT_DELIVERED, f"the receiver did not answer in {TIMEOUT_S:.0f} s") from None
        except (aiohttp.ClientError, OSError) as error:
            # Not its text: that may name the URL.
            raise WebhookError(NOT_DELIVERED, f"the receiver was not reached: {type(error).__name__}") from None
        if status not in _ACCEPTED:
            raise WebhookError(NOT_DELIVERED, f"the receiver answered {status}, wanted: 200 to 299")

    def _file(self, name: str) -> str | None:
        try:
            return (self._folder / name).read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError):
            raise WebhookError(BAD_SECRET, f"{self._folder / name} cannot be read") from None


def client() -> aiohttp.ClientSession:
    """Made once, before the ledger has anything to watch: loading the certificates takes a while."""
    return aiohttp.ClientSession(trust_env=True, cookie_jar=aiohttp.DummyCookieJar())
