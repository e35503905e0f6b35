"""One HTTP connection pool to the venue: budget, signature, send, and the venue's errors as ours."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
import msgspec
from yarl import URL

from services.exchange.budget import DEFAULT_COST, Budget, Kind
from services.exchange.clock import Clock
from services.exchange.errors import (
    UNREADABLE,
    AuthenticationError,
    ExchangeError,
    NotFound,
    PermanentError,
    TemporaryError,
)
from services.exchange.signer import RequestSigner
from services.exchange.wire import UNDECODABLE, BodyDecoder
from trading_logic.refusal import Refusal

T = TypeVar("T")
Method = Literal["GET", "POST", "PUT", "DELETE"]
Query = Mapping[str, str | int | bool | tuple[str, ...] | None]

TRIES: Final = 3
_CONNECTIONS: Final = 20
_IDLE_S: Final = 60.0
_BACKOFF_S: Final = 0.1
_LOOPBACK: Final = {"localhost", "127.0.0.1", "::1"}
_JSON: Final = {"Content-Type": "application/json"}
_NOT_SENT: Final = (
    aiohttp.ClientConnectorError,
    aiohttp.ClientConnectorCertificateError,
    aiohttp.ClientHttpProxyError,
    aiohttp.ConnectionTimeoutError,
)
"""The connection was not made: no byte of the request can have left."""


class MaybeSent(ExchangeError):  # noqa: N818  - a state of knowledge, not a fault
    """The request left, or may have left, and no clear answer came back. Turned into another error before it leaves."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer of the venue."""

    status: int
    content: bytes
    content_type: str = ""

    @property
    def text(self) -> str:
        """The body for people."""
        return self.content.decode(errors="replace")


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
        self._timeout_s = timeout_s
        self._trust_env = parts.hostname not in _LOOPBACK  # never through a proxy to this machine
        self._client: aiohttp.ClientSession | None = None  # made by the first call, inside its event loop

    def signed_path(self, path: str) -> str:
        """The path as the venue signs it, from the root."""
        return self._base_path + path

    async def aclose(self) -> None:
        """Close all connections."""
        if self._client is not None:
            await self._client.close()

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
        if response.status >= 500:
            raise TemporaryError(f"{call.where}: {_describe(response)}", status=response.status)
        return self.decode(call, response.content, model)

    def decode(self, call: Call, body: bytes, model: type[T]) -> T:
        """Raises DecodeError."""
        return self._decoder.decode(call.where, body, model)

    async def send(
        self,
        call: Call,
        *,
        signer: RequestSigner | None = None,
        max_wait_s: float | None = None,
        time_left: Callable[[], float] | None = None,
    ) -> Answer:
        """Send once and return a 2xx or 5xx answer; every other outcome is an error.

        `time_left` tells how many more seconds the request may leave: no wait for budget or for a connection outlasts
        it, and it is asked again after the wait for budget.

        Raises:
            MaybeSent: no answer, and the venue may have acted.
            TemporaryError: proof that the venue did not act (no connection, no budget, no time left, 429).
            PermanentError: the venue refused.
        """
        if time_left is not None:
            max_wait_s = min(time_left(), *([] if max_wait_s is None else [max_wait_s]))
        await self.budget.acquire(call.kind, call.cost, critical=call.critical, max_wait_s=max_wait_s)
        now_ms = self._clock.now_ms()
        headers = {} if call.body is None and call.method in {"GET", "DELETE"} else dict(_JSON)
        use = signer or self.signer
        if use is not None:
            headers |= use.headers(call.method, self._base_path + call.path, now_ms)
        url = URL(self._base_url + call.path + _query(call.query), encoded=True)
        connect_s = self._timeout_s / 2
        if time_left is not None:
            connect_s = min(connect_s, time_left())
            if connect_s <= 0:
                raise TemporaryError(
                    f"{call.where}: the time in which it may leave is over; nothing was sent",
                    no=Refusal("timeLeft", f"{connect_s:.3f} s", "> 0"),
                )
        try:
            answer = await self._exchange(call, url, headers, connect_s)
        except _NOT_SENT as error:
            raise TemporaryError(
                f"{call.where}: cannot reach {self._host}: {_reason(error)}",
                no=Refusal("connection", _reason(error), f"{self._host} answers"),
            ) from error
        except TimeoutError as error:
            raise MaybeSent(f"no answer in {self._timeout_s} s") from error
        except aiohttp.ClientError as error:
            raise MaybeSent(_reason(error)) from error
        if answer.status < 300 or answer.status >= 500:
            return answer
        raise self._refusal(call, answer, now_ms)

    async def _exchange(self, call: Call, url: URL, headers: dict[str, str], connect_s: float) -> Answer:
        """One request and its whole answer; a redirect is an answer like any other."""
        if self._client is None:
            self._client = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=_CONNECTIONS, keepalive_timeout=_IDLE_S),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=self._trust_env,
                middlewares=(_once,),
            )
        async with self._client.request(
            call.method,
            url,
            data=call.body,
            headers=headers,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=self._timeout_s, connect=connect_s),
        ) as response:
            return Answer(response.status, await response.read(), response.content_type)

    def _refusal(self, call: Call, response: Answer, now_ms: int) -> ExchangeError:
        status = response.status
        if status == 429:
            self.budget.rejected(call.kind)
            no = Refusal("rateLimit", "429", "2xx")
            return TemporaryError(f"{call.where}: too many requests", status=status, no=no)
        if status == 408:
            return MaybeSent("the venue timed out (408)")
        code, message = _problem(response)
        if status == 401:
            message = (
                f"{message}. Check the key id, that the private key belongs to it, this machine's clock"
                f" (the request said {now_ms} ms), and that the key is one of {self._host}"
            )
            return AuthenticationError(call.where, status=status, code=code, message=message)
        # Only the venue itself can say that a group or an order is gone: a page with a 404 would pass for a fence.
        kind = NotFound if status == 404 and code != UNREADABLE else PermanentError
        return kind(call.where, status=status, code=code, message=message)


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Left to itself the library repeats a GET, PUT or DELETE whose connection broke: no budget knows of that one."""
    try:
        return await handler(request)
    except _NOT_SENT:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise MaybeSent(_reason(error)) from error


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


def _problem(response: Answer) -> tuple[str, str]:
    """Code and message of the venue's three error shapes: nested, flat, bare message. UNREADABLE for anything else."""
    try:
        body: Any = msgspec.json.decode(response.content)
    except UNDECODABLE:
        body = None
    if not isinstance(body, dict):
        return UNREADABLE, response.text[:200] or "no body"
    nested = body.get("error")
    if isinstance(nested, str):
        return nested.replace(" ", "_"), nested
    source = nested if isinstance(nested, dict) else body
    code, message, details = source.get("code"), source.get("message"), source.get("details")
    said = [part for part in (message, details, source.get("msg")) if isinstance(part, str) and part]
    if not isinstance(code, str) or not code:
        code = "no_code" if said else UNREADABLE
    return code, ": ".join(said) or response.text[:200]


def _describe(response: Answer) -> str:
    code, message = _problem(response)
    return f"{response.status} {code}: {message}"
