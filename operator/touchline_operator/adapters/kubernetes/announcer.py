"""Events for `kubectl describe`, written beside the loops: an event that fails or is late holds up nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from touchline_operator import names
from touchline_operator.adapters.kubernetes.api import KubeApi, Resource
from touchline_operator.decide.events import Announcement
from touchline_operator.ports import Clock, ClusterError

Object = dict[str, Any]
EVENT: Final = Resource("Event", "events.k8s.io", "v1", "events")
MOST_WAITING: Final = 1_000
MAX_NOTE: Final = 1024


class Announcer:
    """A bounded queue of events; what does not fit is told to `complain` and dropped: events expire anyway."""

    def __init__(
        self, api: KubeApi, clock: Clock, instance: str, complain: Callable[[str, BaseException], None]
    ) -> None:
        self._api, self._clock, self._instance, self._complain = api, clock, instance, complain
        self._queue: asyncio.Queue[Object] = asyncio.Queue(MOST_WAITING)

    def announce(self, resource: Object, said: Announcement) -> None:
        meta = resource["metadata"]
        stamp = datetime.fromtimestamp(self._clock.wall_ms() / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        event: Object = {
            "apiVersion": EVENT.api_version,
            "kind": EVENT.kind,
            "metadata": {"generateName": f"{meta['name']}-", "namespace": meta["namespace"]},
            "eventTime": stamp,
            "reportingController": names.FIELD_MANAGER,
            "reportingInstance": self._instance,
            "action": "Reconcile",
            "type": said.type,
            "reason": said.reason,
            "note": said.message[:MAX_NOTE],
            "regarding": {
                "apiVersion": names.API_VERSION,
                "kind": resource["kind"],
                "name": meta["name"],
                "namespace": meta["namespace"],
                "uid": meta["uid"],
            },
        }
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull as error:
            self._complain(f"event {said.reason} of {resource['kind']}/{meta['name']}", error)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            event = await self._queue.get()
            try:
                await self._api.create(EVENT, event)
            except ClusterError as error:
                self._complain(f"event {event['reason']} of {event['regarding']['name']}", error)
