"""Reads for `touchline doctor` with the rights of whoever asks."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from touchline_operator.adapters.kubernetes.api import KubeApi, NotFoundError, Resource
from touchline_operator.ports import Clock

Object = dict[str, Any]
_REVIEW = Resource("SelfSubjectAccessReview", "authorization.k8s.io", "v1", "selfsubjectaccessreviews")


class Asking:
    """Satisfies cli.doctor.cluster.Asks."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api

    async def get(self, path: str, query: Mapping[str, str]) -> Object | None:
        """The object or list at this path, None when there is none. Raises ClusterError."""
        try:
            return await self._api.read(path, query)
        except NotFoundError:
            return None

    async def may(self, verb: str, group: str, resource: str, namespace: str) -> bool:
        """Whether we may. Raises ClusterError."""
        wanted = {"verb": verb, "group": group, "resource": resource, "namespace": namespace}
        body = {"apiVersion": _REVIEW.api_version, "kind": _REVIEW.kind, "spec": {"resourceAttributes": wanted}}
        answer = await self._api.create(_REVIEW, body | {"metadata": {"namespace": ""}})
        return bool(answer["status"]["allowed"])


@contextlib.asynccontextmanager
async def asking(clock: Clock) -> AsyncIterator[Asking]:
    """An open connection. Raises ClusterError."""
    api = await KubeApi.connect(clock)
    try:
        yield Asking(api)
    finally:
        await api.close()
