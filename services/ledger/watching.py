"""The policy's halt fields on Kubernetes: the ledger watches its own RiskPolicy, and may read nothing else.

So a patch of `spec.halt` latches with the operator dead. `kubernetes` is imported here only.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections.abc import Mapping
from typing import Any, Final

import aiohttp
import msgspec
from kubernetes.aio import client, config

from services.ledger.resume import HaltSpec
from services.runtime.app import App, Fatal
from trading_logic.contracts.config import LedgerConfig

CONNECT_S: Final = 3.0
REQUEST_S: Final = 5.0
WATCH_S: Final = 300
SILENT_S: Final = 90.0
"""A watch gets a bookmark every minute: one that is silent for longer is dead."""
RETRY_FIRST_S: Final = 0.2
RETRY_MOST_S: Final = 5.0
FIELDS: Final = ("halt", "haltReason", "resume")
AWAY = (aiohttp.ClientError, OSError, TimeoutError)


class ApiError(OSError):
    """The API server refused, or what it said is not readable."""


class PolicySource:
    """A HaltSource. A policy that was never seen, or is deleted, has no known fields: what is latched stays latched."""

    def __init__(self, app: App[LedgerConfig]) -> None:
        self._app = app
        self._list = f"/apis/touchline.dev/v1alpha1/namespaces/{app.config.namespace}/riskpolicies"
        self.where = f"RiskPolicy {app.config.policy}"
        self._spec: HaltSpec | None = None
        self._changed = asyncio.Event()
        self._api: client.ApiClient | None = None

    # -- the port
    async def read(self) -> HaltSpec | None:
        return self._spec

    async def fresh(self) -> HaltSpec | None:
        try:
            body = await self._get()
        except AWAY as error:
            self._app.log.warning("policy-not-read", error=str(error) or type(error).__name__)
            return None
        self._take(body)
        return self._spec

    async def wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        self._changed.clear()

    # -- following
    async def run(self) -> None:
        """Until cancelled; survives any time without an API server. Raises Fatal without a way to one."""
        self._api = await _connect()
        failures = 0
        try:
            while True:
                try:
                    body = await self._get()
                    self._take(body)
                    failures = 0
                    if body is not None:
                        await self._watch(str(body["metadata"]["resourceVersion"]))
                except AWAY as error:
                    failures += 1
                    self._app.log.warning("policy-not-watched", error=str(error) or type(error).__name__)
                pause = min(RETRY_FIRST_S * 2.0 ** min(failures, 10), RETRY_MOST_S)
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  - jitter, not a secret
        finally:
            await self._api.close()  # type: ignore[no-untyped-call]  # no stubs

    async def _get(self) -> Mapping[str, Any] | None:
        """The policy now; None when there is none."""
        timeout = aiohttp.ClientTimeout(total=REQUEST_S, sock_connect=CONNECT_S)
        response = await self._send(f"{self._list}/{self._app.config.policy}", {}, timeout)
        data = await response.read()
        if response.status == 404:
            return None
        if response.status >= 400:
            raise ApiError(f"GET {self.where}: {response.status}: {data[:200].decode(errors='replace')}")
        return _decode(data)

    async def _watch(self, since: str) -> None:
        """Take every change in until the server ends the watch."""
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": since,
            "timeoutSeconds": str(WATCH_S),
            # The name is what the Role allows.
            "fieldSelector": f"metadata.name={self._app.config.policy}",
        }
        timeout = aiohttp.ClientTimeout(total=WATCH_S + 30, sock_connect=CONNECT_S, sock_read=SILENT_S)
        response = await self._send(self._list, query, timeout)
        try:
            if response.status >= 400:
                data = await response.read()
                raise ApiError(f"watch of {self.where}: {response.status}: {data[:200].decode(errors='replace')}")
            async for line in response.content:
                event = _decode(line)
                if event["type"] == "ERROR":
                    raise ApiError(f"watch of {self.where}: {event['object'].get('message', '')}")
                if event["type"] in {"ADDED", "MODIFIED"}:
                    self._take(event["object"])
                elif event["type"] == "DELETED":
                    self._take(None)
        finally:
            response.close()

    async def _send(
        self,
        path: str,
        query: Mapping[str, str],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109  - handed to the HTTP client, which enforces it
    ) -> aiohttp.ClientResponse:
        if self._api is None:
            raise ApiError("not connected yet")
        sent = await self._api.param_serialize(
            "GET",
            path,
            query_params=list(query.items()),
            header_params={"Accept": "application/json"},
            auth_settings=["BearerToken"],
        )
        answer = await self._api.call_api(*sent, _request_timeout=timeout)
        response: aiohttp.ClientResponse = answer.response
        return response

    def _take(self, body: Mapping[str, Any] | None) -> None:
        spec = _fields(body["spec"], self.where) if body is not None else None
        if spec != self._spec:
            self._spec = spec
            self._changed.set()


def _fields(spec: Mapping[str, Any], where: str) -> HaltSpec:
    try:
        return msgspec.convert({name: spec[name] for name in FIELDS if name in spec}, HaltSpec)
    except msgspec.ValidationError as error:
        raise ApiError(f"{where}: spec: {error}") from error


def _decode(data: bytes) -> Mapping[str, Any]:
    try:
        body: Mapping[str, Any] = msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        raise ApiError(f"an answer that is not JSON: {error}") from error
    return body


async def _connect() -> client.ApiClient:
    """As the pod's ServiceAccount; outside of a pod as $KUBECONFIG says."""
    made = client.Configuration()
    try:
        if "KUBERNETES_SERVICE_HOST" in os.environ:
            config.load_incluster_config(client_configuration=made)  # type: ignore[no-untyped-call]  # no stubs
        else:
            await config.load_kube_config(client_configuration=made)  # type: ignore[no-untyped-call]  # no stubs
    except (config.ConfigException, OSError) as error:
        raise Fatal(f"no way to an API server, and specFile is empty: {error}") from error
    api = client.ApiClient(configuration=made)
    api.user_agent = "touchline-ledger"
    return api
