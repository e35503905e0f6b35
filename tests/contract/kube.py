"""A plain HTTP view of a test cluster's API server, and the guard that no other cluster is ever touched."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

TEST_CONTEXT = re.compile(r"kind-.+|test|test-.+")
MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


@dataclass(frozen=True)
class Reply:
    """What the API server said."""

    status: int
    body: dict[str, Any]
    warnings: tuple[str, ...]

    @property
    def message(self) -> str:
        return str(self.body.get("message", "")).replace('\\"', '"')

    def ok(self) -> dict[str, Any]:
        """The body of a success; anything else fails the test with the server's words."""
        assert self.status < 300, f"{self.status}: {self.message}"
        return self.body


class Api:
    """Requests to one API server; `user` impersonates somebody with fewer rights."""

    def __init__(self, client: ApiClient, user: str = "") -> None:
        self._client = client
        self._user = user

    def as_user(self, user: str) -> Api:
        return Api(self._client, user)

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content: str = "application/json",
        accept: str = "application/json",
        query: Mapping[str, str] | None = None,
    ) -> Reply:
        headers = {"Accept": accept, "Content-Type": content} | ({"Impersonate-User": self._user} if self._user else {})
        token = self._client.configuration.get_api_key_with_prefix("authorization")
        if token:
            headers["Authorization"] = token
        url = f"{self._client.configuration.host}{path}" + (f"?{urlencode(query)}" if query else "")
        data = None if body is None else json.dumps(body).encode()
        got = self._client.rest_client.pool_manager.request(method, url, body=data, headers=headers, retries=False)
        warnings = tuple(text.replace('\\"', '"') for text in got.headers.getlist("Warning"))
        return Reply(got.status, json.loads(got.data), warnings)

    def get(self, path: str, **more: Any) -> Reply:
        return self.request("GET", path, **more)

    def create(self, path: str, body: Any, **query: str) -> Reply:
        return self.request("POST", path, body, query=query)

    def replace(self, path: str, body: Any, **query: str) -> Reply:
        return self.request("PUT", path, body, query=query)

    def merge(self, path: str, body: Any, **query: str) -> Reply:
        return self.request("PATCH", path, body, content=MERGE, query=query)

    def apply(self, path: str, body: Any, manager: str) -> Reply:
        return self.request("PATCH", path, body, content=APPLY, query={"fieldManager": manager, "force": "true"})

    def delete(self, path: str) -> Reply:
        return self.request("DELETE", path)


def required(environ: Mapping[str, str]) -> bool:
    """Whether a missing cluster is a failure instead of a skip."""
    return environ.get("CI", "").lower() == "true" or environ.get("TOUCHLINE_REQUIRE_CLUSTER") == "1"


def refuse_other_clusters(context: str) -> None:
    """Raises when the context is not a test cluster's: tests create and delete cluster-wide objects."""
    if TEST_CONTEXT.fullmatch(context) is None:
        raise RuntimeError(f"context {context!r} is not a test cluster; allowed: kind-*, test, test-*")


def need_cluster(environ: Mapping[str, str]) -> None:
    """Skip without KUBECONFIG, or fail where a cluster is required."""
    if environ.get("KUBECONFIG"):
        return
    why = "KUBECONFIG is not set: tests on a real API server did not run"
    if required(environ):
        pytest.fail(f"{why}, and CI=true or TOUCHLINE_REQUIRE_CLUSTER=1 requires them", pytrace=False)
    pytest.skip(why)


def connect() -> Api:
    """The API server of KUBECONFIG's current context; no other kubeconfig is ever read."""
    path = os.environ["KUBECONFIG"]
    from kubernetes import config

    _, current = config.list_kube_config_contexts(path)
    refuse_other_clusters(current["name"])
    return Api(config.new_client_from_config(path, context=current["name"]))
