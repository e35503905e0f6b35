"""The local Cluster: Deployments are supervised processes, ConfigMaps and Secrets files, resources YAML files."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import hashlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from touchline_operator import names
from touchline_operator.adapters.local.folder import atomic_write
from touchline_operator.adapters.local.probe import answers
from touchline_operator.adapters.local.resources import LocalResources
from touchline_operator.adapters.local.supervisor import Launch, Supervised, environment
from touchline_operator.desired.meta import LoopKey
from touchline_operator.ports import Clock, ClusterError, Wake
from touchline_operator.reconcile.manager import loop_of

Object = dict[str, Any]

POLL_S = 0.2
PROBE_S = 2.0
STUCK_PROBES = 5
"""A process that answered once and then fails its liveness probe this often in a row is killed and started again."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where things go. `sockets` must be short: a Unix socket's path is limited to about 100 bytes."""

    configs: Path
    secrets: Path
    policies: Path
    logs: Path
    sockets: Path


class LocalCluster:
    """One namespace on one machine."""

    def __init__(self, resources: LocalResources, places: Places, clock: Clock) -> None:
        self._resources = resources
        self._places = places
        self._clock = clock
        self._objects: dict[tuple[str, str], Object] = {}
        self._processes: dict[str, Supervised] = {}
        self._deleting: set[str] = set()
        self._ready: dict[str, bool] = {}
        self._stuck: dict[str, int] = {}
        self._wakes: list[Wake] = []
        # Children hold the reading end; the writing end is ours alone and closes with us, however we end.
        self._parent_read, self._parent_write = os.pipe()
        self._write_halts()

    # -- the port
    async def resources(self) -> list[Object]:
        return copy.deepcopy(self._resources.objects())

    async def apply(self, wanted: Object) -> None:
        kind, name = wanted["kind"], wanted["metadata"]["name"]
        match kind:
            case "ConfigMap":
                for file, text in wanted["data"].items():
                    self._write(self._places.configs / name / file, text, 0o644)
            case "Secret":
                for file, text in wanted["stringData"].items():
                    self._write(self._places.secrets / name / file, text, 0o600)
            case "Deployment":
                self._deleting.discard(name)
                self._supervised(name).want(self._launch(wanted))
            case _:
                raise ClusterError(f"{kind}/{name}: the local cluster holds Deployments, ConfigMaps and Secrets only")
        self._objects[kind, name] = copy.deepcopy(wanted)

    async def owned(self, labels: Mapping[str, str]) -> list[Object]:
        found = []
        for (kind, name), made in self._objects.items():
            if labels.items() <= made["metadata"].get("labels", {}).items():
                listed = copy.deepcopy(made)
                if kind == "Deployment":
                    listed["status"] = self._status(name)
                found.append(listed)
        return found

    async def loops(self) -> set[LoopKey]:
        keys = {loop_of(made["metadata"]) for made in self._objects.values()}
        return {key for key in keys if key is not None}

    async def delete(self, kind: str, name: str) -> None:
        if (kind, name) not in self._objects:
            return
        if kind == "Deployment" and self._processes[name].alive:
            # Listed until its process is gone, so that those who wait for the end can see it.
            self._deleting.add(name)
            self._processes[name].want(None)
            return
        if kind == "ConfigMap":
            for file in self._objects[kind, name]["data"]:
                (self._places.configs / name / file).unlink(missing_ok=True)
        self._processes.pop(name, None) if kind == "Deployment" else None
        del self._objects[kind, name]

    async def patch_status(self, kind: names.Kind, name: str, status: Object) -> None:
        self._resources.set_status(kind, name, copy.deepcopy(status))

    async def hold(self, kind: names.Kind, name: str) -> None:
        """Nothing to do: a resource is gone with its file, and its processes drain as they end."""

    async def release(self, kind: names.Kind, name: str) -> None:
        """Nothing to do: see `hold`."""

    def watch(self, wake: Wake) -> None:
        self._wakes.append(wake)

    # -- running
    async def run(self) -> None:
        """Follow the files and the health of the processes, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._poll())
            group.create_task(self._probe())

    async def scale_to_zero(self, role: names.Role | None = None) -> None:
        """End all processes of a role (or all that are left), each by SIGTERM and its grace; wait for the end."""
        chosen = [
            made
            for (kind, _), made in self._objects.items()
            if kind == "Deployment" and (role is None or made["metadata"]["labels"][names.COMPONENT] == role)
        ]
        for made in chosen:
            made["spec"]["replicas"] = 0
        await asyncio.gather(*(self._processes[made["metadata"]["name"]].gone() for made in chosen))

    def close(self) -> None:
        """After every process is gone."""
        os.close(self._parent_read)
        os.close(self._parent_write)

    def parent_fd(self) -> int:
        """The reading end of the pipe whose end says that we died."""
        return self._parent_read

    def processes(self) -> dict[str, int]:
        """Name -> process id of what runs now."""
        return {name: held.pid for name, held in self._processes.items() if held.pid is not None}

    # -- inside
    def _write(self, path: Path, text: str, mode: int) -> None:
        with contextlib.suppress(FileNotFoundError):
            if path.read_text(encoding="utf-8") == text:
                return
        atomic_write(path, text, mode)

    def _supervised(self, name: str) -> Supervised:
        if name not in self._processes:
            self._processes[name] = Supervised(name, self._clock, self._parent_read, self._wake)
        return self._processes[name]

    def _launch(self, wanted: Object) -> Launch | None:
        name, spec = wanted["metadata"]["name"], wanted["spec"]
        if spec["replicas"] == 0:
            return None
        pod = spec["template"]["spec"]
        (container,) = pod["containers"]
        folders = {
            mount["mountPath"]: str(self._places.configs / volume["configMap"]["name"])
            for mount in container.get("volumeMounts", ())
            for volume in pod["volumes"]
            if volume["name"] == mount["name"] and "configMap" in volume
        }
        command = [_in_folder(part, folders) for part in container["command"]]
        if command[0] == "python":
            command[0] = sys.executable
        template = msgspec.json.encode(spec["template"], order="deterministic")
        return Launch(
            command=tuple(command),
            revision=hashlib.sha256(template).hexdigest(),
            grace_s=float(pod["terminationGracePeriodSeconds"]),
            log=self._places.logs / f"{name}.log",
            env=environment({entry["name"]: entry["value"] for entry in container.get("env", ())}),
        )

    def _status(self, name: str) -> Object:
        held = self._processes[name]
        status: Object = {
            "replicas": int(held.alive),
            "readyReplicas": int(held.alive and self._ready.get(name, False)),
            "restarts": held.restarts,
        }
        if held.message:
            status["message"] = held.message
        return status

    def _wake(self) -> None:
        for name in [name for name in self._deleting if not self._processes[name].alive]:
            self._deleting.discard(name)
            self._processes.pop(name)
            del self._objects["Deployment", name]
        for wake in self._wakes:
            wake()

    def _write_halts(self) -> None:
        fields = self._resources.halt_fields()
        for policy, halt in fields.items():
            self._write(self._places.policies / f"{policy}.json", msgspec.json.encode(halt).decode(), 0o644)

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(POLL_S)
            if self._resources.poll():
                self._write_halts()
                self._wake()

    async def _probe(self) -> None:
        while True:
            await asyncio.sleep(PROBE_S)
            for name, held in list(self._processes.items()):
                if held.alive:
                    await self._probe_one(name, held)

    async def _probe_one(self, name: str, held: Supervised) -> None:
        pid = held.pid
        socket = self._places.sockets / f"{name}.sock"
        live = await answers(socket, "/healthz")
        ready = bool(live) and bool(await answers(socket, "/readyz"))
        if ready != self._ready.get(name, False):
            self._ready[name] = ready
            self._wake()
        if live is not False:
            self._stuck[name] = 0
            return
        self._stuck[name] = self._stuck.get(name, 0) + 1
        if self._stuck[name] >= STUCK_PROBES and held.pid == pid:
            self._stuck[name] = 0
            held.kick()


def _in_folder(part: str, folders: Mapping[str, str]) -> str:
    """A path of the container as the path on this machine."""
    for mount, folder in folders.items():
        if part == mount or part.startswith(f"{mount}/"):
            return folder + part.removeprefix(mount)
    return part
