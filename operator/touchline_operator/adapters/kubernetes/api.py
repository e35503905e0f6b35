"""Requests to the API server as plain JSON: time-outs, retries, errors in words. `kubernetes` is imported here only."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.request import getproxies_environment

import aiohttp
import msgspec
from kubernetes.aio import client, config
from kubernetes.aio.client.exceptions import ApiException

from touchline_operator.ports import Clock, ClusterError

Object = dict[str, Any]

CONNECT_S: Final = 5.0
REQUEST_S: Final = 15.0
WATCH_S: Final = 300
"""How long the server keeps one watch open."""
SILENT_S: Final = 90.0
"""A watch gets a bookmark every minute: one that is silent for longer is dead, whatever its connection says."""
TRIES: Final = 3
RETRY_FIRST_S: Final = 0.2
AFTER_MOST_S: Final = 30.0
"""Of a longer Retry-After."""
APPLY: Final = "application/apply-patch+yaml"
_AWAY = (aiohttp.ClientError, OSError, TimeoutError)


class NotFoundError(ClusterError):
    """The object (or its kind) does not exist."""


class ConflictError(ClusterError):
    """Somebody else's version stands there: the uid or the resourceVersion is another one."""


class GoneError(ClusterError):
    """The resourceVersion is too old for a watch: list again."""


class RefusedError(ClusterError):
    """The API server says no for good: sending the same again will not help."""


class AwayError(ClusterError):
    """The API server does not answer, or cannot answer now."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of object and where it lives."""

    kind: str
    group: str  # "" is the core group
    version: str
    plural: str

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str, name: str = "", sub: str = "") -> str:
        """The resource's path; `namespace` "" means all of them."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        where = f"/namespaces/{namespace}" if namespace else ""
        return "/".join(filter(None, (f"{root}{where}/{self.plural}", name, sub)))


class KubeApi:
    """One API server. Every call either answers within its time-outs or raises a ClusterError."""

    def __init__(self, api: client.ApiClient, clock: Clock) -> None:
        self._api = api
        self._clock = clock
        self.requests = 0
        self.writes = 0

    @classmethod
    async def connect(cls, clock: Clock) -> KubeApi:
        """As the pod's own ServiceAccount; outside of a pod as $KUBECONFIG says. Raises ClusterError."""
        made = client.Configuration()
        # Loops run side by side: a patched halt must not wait for a connection.
        made.connection_pool_maxsize = 64
        # Otherwise a thread looks for proxies and a .netrc before every single request.
        made.client_session_kwargs = {"trust_env": bool(getproxies_environment())}
        try:
            if "KUBERNETES_SERVICE_HOST" in os.environ:
                config.load_incluster_config(client_configuration=made)  # type: ignore[no-untyped-call]  # no stubs
            else:
                await config.load_kube_config(client_configuration=made)  # type: ignore[no-untyped-call]  # no stubs
        except (config.ConfigException, OSError) as error:
            raise ClusterError(f"no way to an API server: {error}") from error
        api = client.ApiClient(configuration=made)
        api.user_agent = "touchline-operator"
        return cls(api, clock)

    async def close(self) -> None:
        await self._api.close()  # type: ignore[no-untyped-call]  # no stubs

    # -- verbs
    async def read(self, path: str, query: Mapping[str, str]) -> Object:
        """Whatever stands at a path."""
        return await self._json("GET", path, query)

    async def get(self, resource: Resource, namespace: str, name: str) -> Object:
        return await self._json("GET", resource.path(namespace, name))

    async def list(self, resource: Resource, namespace: str, selector: str) -> Object:
        """A list; its metadata holds the resourceVersion to watch from."""
        return await self._json("GET", resource.path(namespace), {"labelSelector": selector})

    async def apply(self, resource: Resource, wanted: Object, manager: str, sub: str = "") -> Object:
        """Server-side apply of the complete intent, by force; the object as it is after."""
        meta = wanted["metadata"]
        path = resource.path(meta["namespace"], meta["name"], sub)
        self.writes += 1
        return await self._json("PATCH", path, {"fieldManager": manager, "force": "true"}, wanted, APPLY)

    async def create(self, resource: Resource, wanted: Object) -> Object:
        """Sent once: a repeated create would be a second object."""
        self.writes += 1
        return await self._json("POST", resource.path(wanted["metadata"]["namespace"]), body=wanted, tries=1)

    async def delete(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        """Delete exactly the object with this uid; one that is gone or another by now is fine."""
        body = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
        self.writes += 1
        try:
            await self._json("DELETE", resource.path(namespace, name), body=body | {"preconditions": {"uid": uid}})
        except (NotFoundError, ConflictError):
            return

    async def watch(
        self, resource: Resource, namespace: str, selector: str, since: str, opened: Callable[[], None]
    ) -> AsyncIterator[Object]:
        """Events from `since` on, until the server ends the watch; `opened` is called when it took it.

        Raises GoneError when `since` is too old.
        """
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": since,
            "timeoutSeconds": str(WATCH_S),
            "labelSelector": selector,
        }
        timeout = aiohttp.ClientTimeout(total=WATCH_S + 30, sock_connect=CONNECT_S, sock_read=SILENT_S)
        path = resource.path(namespace)
        try:
            response = await self._send("GET", path, query, None, "", timeout)
            try:
                if response.status >= 400:
                    raise _refusal("GET", path, response.status, await response.read(), _after_s(response))
                opened()
                async for line in response.content:
                    event: Object = msgspec.json.decode(line)
                    if event["type"] == "ERROR":
                        raise _refusal("WATCH", path, int(event["object"].get("code", 500)), line)
                    yield event
            finally:
                response.close()
        except _AWAY as error:
            raise AwayError(f"watch of {path}: {_words(error)}") from error
        except msgspec.DecodeError as error:
            # The connection was cut inside of a line.
            raise AwayError(f"watch of {path}: {error}") from error

    # -- inside
    async def _json(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
        content: str = "application/json",
        tries: int = TRIES,
    ) -> Object:
        failures = 0
        while True:
            try:
                return await self._once(method, path, query or {}, body, content)
            except AwayError as error:
                failures += 1
                # Whoever asked waits as long as the server says, but for a halt.
                if failures >= tries or error.after_s:
                    raise
            # Jitter: many loops fail together and must not come back together.
            await asyncio.sleep(RETRY_FIRST_S * 2**failures * (0.5 + self._clock.chance() / 2))

    async def _once(
        self, method: str, path: str, query: Mapping[str, str], body: Object | None, content: str
    ) -> Object:
        timeout = aiohttp.ClientTimeout(total=REQUEST_S, sock_connect=CONNECT_S)
        try:
            response = await self._send(method, path, query, body, content, timeout)
            data = await response.read()
        except _AWAY as error:
            raise AwayError(f"{method} {path}: {_words(error)}") from error
        if response.status >= 400:
            raise _refusal(method, path, response.status, data, _after_s(response))
        decoded: Object = msgspec.json.decode(data)
        return decoded

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Object | None,
        content: str,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109  - handed to the HTTP client, which enforces it
    ) -> aiohttp.ClientResponse:
        self.requests += 1
        headers = {"Accept": "application/json"} | ({"Content-Type": content} if body is not None else {})
        sent = await self._api.param_serialize(
            method,
            path,
            query_params=[(name, value) for name, value in query.items() if value],
            header_params=headers,
            auth_settings=["BearerToken"],
        )
        try:
            # The body goes past the client's own serialization: it copies every value, and ours is plain JSON already.
            answer = await self._api.call_api(*sent[:3], body, _request_timeout=timeout)
        except ApiException as error:
            raise ClusterError(f"{method} {path}: {error.reason}") from error
        response: aiohttp.ClientResponse = answer.response
        return response


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _after_s(response: aiohttp.ClientResponse) -> float:
    """Retry-After in seconds, as the API server writes it; 0 without one."""
    said = response.headers.get("Retry-After", "")
    return min(float(said), AFTER_MOST_S) if said.isdecimal() else 0.0


def _refusal(method: str, path: str, status: int, data: bytes, after_s: float = 0.0) -> ClusterError:
    """The error that fits the status, with the server's own sentence."""
    error = _refused(method, path, status, data)
    error.after_s = after_s
    return error


def _refused(method: str, path: str, status: int, data: bytes) -> ClusterError:
    try:
        said = msgspec.json.decode(data)
        said = said.get("object", said).get("message", "")
    except (msgspec.DecodeError, AttributeError):
        said = data[:200].decode(errors="replace")
    text = f"{method} {path}: {status}: {said}"
    match status:
        case 404:
            return NotFoundError(text)
        case 409:
            return ConflictError(text)
        case 410:
            return GoneError(text)
        case 429:
            return AwayError(text)
        case _ if status >= 500:
            return AwayError(text)
        case _:
            return RefusedError(text)
