"""One HTTP connection pool to the venue: budget, signature, send, and the venue's errors as ours."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import httpx
import msgspec

from services.exchange.budget import DEFAULT_COST, Budget, Kind
from services.exchange.clock import Clock
from services.exchange.errors import (
    AuthenticationError,
    ExchangeError,
    NotFound,
    PermanentError,
    TemporaryError,
)
from services.exchange.signer import RequestSigner
from services.exchange.wire import BodyDecoder

T = TypeVar("T")
Method = Literal["GET", "POST", "PUT", "DELETE"]
Query = Mapping[str, str | int | bool | tuple[str, ...] | None]

TRIES: Final = 3
_BACKOFF_S: Final = 0.1
_LOOPBACK: Final = {"localhost", "127.0.0.1", "::1"}
_JSON: Final = {"Content-Type": "application/json"}


class MaybeSent(ExchangeError):  # noqa: N818  - a state of knowledge, not a fault
    """The request left, or may have left, and no clear answer came back. Turned into another error before it leaves."""


@dataclass(frozen=True)
class Call:
    """One request: `path` below the base URL, cost in tokens, whether it may use the reserve of the write budget."""

    method: Method
    path: str
    query: Query | None = None
    body: bytes | None = None
    cost: int = DEFAULT_COST
    critical: bool = False

    @property
    def kind(self) -> Kind:
        return "read" if self.method == "GET" else "write"

    @property
    def where(self) -> str:
        """How errors name the call."""
        return f"{self.method} {self.path}"


class Transport:
    """Sends calls. `base_url` ends in `/trade-api/v2`; without a signer only public calls work.

    `jitter` returns a number in [0, 1): it spreads retries, so that many processes do not come back together.
    """

    def __init__(
        self,
        base_url: str,
        signer: RequestSigner | None,
        budget: Budget,
        clock: Clock,
        *,
        timeout_s: float = 5.0,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"exchange base URL must be http(s)://host…/trade-api/v2, got {base_url!r}")
        self._base_url = base_url.rstrip("/")
        self._base_path = urlsplit(self._base_url).path
        self._host = parts.netloc
        self.signer = signer
        self.budget = budget
        self._clock = clock
        self._jitter = jitter
        self._decoder = BodyDecoder()
        self._client = httpx.AsyncClient(
            timeout=timeout_s,
            trust_env=parts.hostname not in _LOOPBACK,  # never through a proxy to this machine
            verify=parts.scheme == "https",  # without TLS there is no reason to load a store of certificates
            limits=httpx.Limits(max_connections=20, max_keepalive_connections=20, keepalive_expiry=60.0),
        )

    def signed_path(self, path: str) -> str:
        """The path as the venue signs it, from the root."""
        return self._base_path + path

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def retried(self, call: Call, model: type[T], *, signer: RequestSigner | None = None) -> T:
        """Send an idempotent call up to three times. Raises TemporaryError, PermanentError or DecodeError."""
        for attempt in range(1, TRIES):
            try:
                return await self.once(call, model, signer=signer)
            except TemporaryError:
                await self._clock.sleep(_BACKOFF_S * 4 ** (attempt - 1) * (0.5 + self._jitter()))
        return await self.once(call, model, signer=signer)

    async def once(self, call: Call, model: type[T], *, signer: RequestSigner | None = None) -> T:
        """Send once. A lost answer is a TemporaryError: for calls that may be repeated or whose loss does no harm."""
        try:
            response = await self.send(call, signer=signer)
        except MaybeSent as error:
            raise TemporaryError(f"{call.where}: {error}") from error
        if response.status_code >= 500:
            raise TemporaryError(f"{call.where}: {_describe(response)}", status=response.status_code)
        return self.decode(call, response.content, model)

    def decode(self, call: Call, body: bytes, model: type[T]) -> T:
        """Raises DecodeError."""
        return self._decoder.decode(call.where, body, model)

    async def send(
        self, call: Call, *, signer: RequestSigner | None = None, max_wait_s: float | None = None
    ) -> httpx.Response:
        """Send once and return a 2xx or 5xx answer; every other outcome is an error.

        Raises:
            MaybeSent: no answer, and the venue may have acted.
            TemporaryError: proof that the venue did not act (no connection, no budget, 429).
            PermanentError: the venue refused.
        """
        await self.budget.acquire(call.kind, call.cost, critical=call.critical, max_wait_s=max_wait_s)
        now_ms = self._clock.now_ms()
        headers = {} if call.body is None and call.method in {"GET", "DELETE"} else dict(_JSON)
        use = signer or self.signer
        if use is not None:
            headers |= use.headers(call.method, self._base_path + call.path, now_ms)
        url = self._base_url + call.path + _query(call.query)
        try:
            request = self._client.build_request(call.method, url, content=call.body, headers=headers)
            response = await self._client.send(request)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as error:
            raise TemporaryError(f"{call.where}: cannot reach {self._host}: {_reason(error)}") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise MaybeSent(_reason(error)) from error
        status = response.status_code
        if status < 300 or status >= 500:
            return response
        raise self._refusal(call, response, now_ms)

    def _refusal(self, call: Call, response: httpx.Response, now_ms: int) -> ExchangeError:
        status = response.status_code
        if status == 429:
            self.budget.rejected(call.kind)
            return TemporaryError(f"{call.where}: too many requests", status=status)
        if status == 408:
            return MaybeSent("the venue timed out (408)")
        code, message = _problem(response)
        if status == 401:
            message = (
                f"{message}. Check the key id, that the private key belongs to it, this machine's clock"
                f" (the request said {now_ms} ms), and that the key is one of {self._host}"
            )
            return AuthenticationError(call.where, status=status, code=code, message=message)
        kind = NotFound if status == 404 else PermanentError
        return kind(call.where, status=status, code=code, message=message)


def segment(text: str) -> str:
    """One part of a path, percent-encoded."""
    return quote(text, safe="")


def _query(query: Query | None) -> str:
    """A query string: None is left out, a tuple repeats its name, booleans are `true` and `false`."""
    if not query:
        return ""
    pairs: list[tuple[str, str]] = []
    for name, value in query.items():
        if value is None:
            continue
        if isinstance(value, tuple):
            pairs.extend((name, item) for item in value)
        elif isinstance(value, bool):
            pairs.append((name, "true" if value else "false"))
        else:
            pairs.append((name, str(value)))
    return "?" + urlencode(pairs) if pairs else ""


def _reason(error: Exception) -> str:
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _problem(response: httpx.Response) -> tuple[str, str]:
    """Code and message of the venue's three error shapes: nested, flat, bare message."""
    try:
        body: Any = msgspec.json.decode(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        body = None
    if not isinstance(body, dict):
        return "no_code", response.text[:200] or "no body"
    nested = body.get("error")
    if isinstance(nested, str):
        return nested.replace(" ", "_"), nested
    source = nested if isinstance(nested, dict) else body
    code, message, details = source.get("code"), source.get("message"), source.get("details")
    said = [part for part in (message, details, source.get("msg")) if isinstance(part, str) and part]
    return (code if isinstance(code, str) and code else "no_code"), ": ".join(said) or response.text[:200]


def _describe(response: httpx.Response) -> str:
    code, message = _problem(response)
    return f"{response.status_code} {code}: {message}"
