"""Resources on one machine: YAML files (editing one is `kubectl apply`) merged with the overlay of halts, resumes."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from touchline_operator.adapters.local.folder import Folder, atomic_write
from touchline_operator.api import parse_policy
from touchline_operator.api.files import FileResource, ResourceFileError, read_file, read_files
from touchline_operator.decide.conditions import rfc3339
from touchline_operator.ports import Clock

Object = dict[str, Any]
Key = tuple[str, str]
Stamp = tuple[int, int, int] | None

IMMUTABLE = {"RiskPolicy": ("mode", "exchange"), "TradingStrategy": ("mode", "riskPolicyRef")}


class Resume(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """Which cause people have dealt with."""

    halt_id: str = msgspec.field(name="haltID")
    rebaseline: bool = False


class Overlay(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """What `touchline halt` and `resume` wrote for one policy; never part of the user's YAML."""

    halt: bool = False
    halt_reason: str = ""
    resume: Resume | None = None


class Known(msgspec.Struct):
    """What an API server would keep of a resource."""

    uid: str
    created: str
    generation: int
    spec: msgspec.Raw


def read_overlay(folder: Folder, policy: str) -> Overlay:
    """The overlay of a policy; absent means nothing. Raises ResourceFileError for a broken file."""
    path = folder.overlay_file(policy)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Overlay)
    except FileNotFoundError:
        return Overlay()
    except (msgspec.MsgspecError, OSError) as error:
        raise ResourceFileError([f"{path}: {error}; delete the file or correct it"]) from error


def write_overlay(folder: Folder, policy: str, overlay: Overlay) -> None:
    atomic_write(folder.overlay_file(policy), msgspec.json.encode(overlay))


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


class LocalResources:
    """Reads the files again when they change. An invalid edit is told to `complain` and the last good spec stays.

    Raises ResourceFileError from the constructor: the first reading has no last good spec.
    """

    def __init__(self, files: list[Path], folder: Folder, clock: Clock, complain: Callable[[str], None]) -> None:
        self._files = [path.absolute() for path in files]
        self._folder = folder
        self._clock = clock
        self._complain = complain
        self._stamps: dict[Path, Stamp] = {}
        self._good: dict[Path, list[FileResource]] = {}
        self._overlays: dict[str, Overlay] = {}
        self._known: dict[str, Known] = self._load_registry()
        self._status: dict[Key, Object] = {}
        self.current: dict[Key, Object] = {}
        for resource in read_files(files):
            self._good.setdefault(resource.file.absolute(), []).append(resource)
        self._remember_stamps()
        self._merge(first=True)

    # -- reading
    def _load_registry(self) -> dict[str, Known]:
        try:
            return msgspec.json.decode(self._folder.registry.read_bytes(), type=dict[str, Known])
        except FileNotFoundError:
            return {}
        except msgspec.MsgspecError as error:
            raise ResourceFileError([f"{self._folder.registry}: {error}; delete the file"]) from error

    def _watched(self) -> list[Path]:
        policies = [name for kind, name in self.current if kind == "RiskPolicy"]
        return [*self._files, *(self._folder.overlay_file(name) for name in policies)]

    def _remember_stamps(self) -> set[Path]:
        now = {path: _stamp(path) for path in self._watched()}
        changed = {path for path, stamp in now.items() if self._stamps.get(path) != stamp}
        self._stamps = now
        return changed

    def poll(self) -> bool:
        """Look at the files once; True when the resources changed."""
        changed = self._remember_stamps()
        if not changed:
            return False
        for path in changed & set(self._files):
            self._reload(path)
        return self._merge(first=False)

    def _reload(self, path: Path) -> None:
        try:
            # A deleted file deletes its resources.
            found = read_file(path) if _stamp(path) is not None else []
        except ResourceFileError as error:
            self._keep(error.lines)
            return
        others = {r.key for other, kept in self._good.items() if other != path for r in kept}
        twice = [r for r in found if r.key in others]
        lines = [f"{path}:{r.line}: {r.key[0]}/{r.key[1]} is already in another file" for r in twice]
        lines += [line for resource in found for line in self._immutable(resource)]
        if lines:
            self._keep(lines)
        else:
            self._good[path] = found

    def _keep(self, lines: list[str]) -> None:
        for line in lines:
            self._complain(f"{line} (the last good version stays)")

    def _immutable(self, resource: FileResource) -> list[str]:
        known = self.current.get(resource.key)
        if known is None:
            return []
        kind, name = resource.key
        return [
            f"{resource.file}:{resource.line}: {kind}/{name}: spec.{field}: immutable; "
            f"allowed: {known['spec'].get(field)}, or a resource with another name"
            for field in IMMUTABLE[kind]
            if resource.raw["spec"].get(field) != known["spec"].get(field)
        ]

    # -- merging
    def _merge(self, *, first: bool) -> bool:
        merged: dict[Key, Object] = {}
        for resource in (r for path in self._files for r in self._good.get(path, [])):
            raw = resource.raw
            spec = dict(raw["spec"])
            if raw["kind"] == "RiskPolicy":
                spec |= self._overlay_of(raw, first=first)
            merged[resource.key] = {**raw, "spec": spec, "metadata": self._metadata(raw, spec)}
        self._known = {f"{kind}/{name}": self._known[f"{kind}/{name}"] for kind, name in merged}
        before, self.current = self.current, merged
        if before == merged:
            return False
        atomic_write(self._folder.registry, msgspec.json.encode(self._known))
        self._show(set(before) - set(merged))
        self._remember_stamps()
        return True

    def _overlay_of(self, raw: Object, *, first: bool) -> Object:
        name = raw["metadata"]["name"]
        try:
            overlay = self._good_overlay(name, raw)
        except ResourceFileError as error:
            if first:
                raise
            self._keep(error.lines)
            overlay = self._overlays.get(name, Overlay())
        self._overlays[name] = overlay
        patch: Object = msgspec.to_builtins(overlay)
        return patch

    def _good_overlay(self, name: str, raw: Object) -> Overlay:
        overlay = read_overlay(self._folder, name)
        problems = parse_policy({**raw, "spec": {**raw["spec"], **msgspec.to_builtins(overlay)}})
        if isinstance(problems, tuple):
            raise ResourceFileError([f"{self._folder.overlay_file(name)}: {problem}" for problem in problems])
        return overlay

    def _metadata(self, raw: Object, spec: Object) -> Object:
        key = f"{raw['kind']}/{raw['metadata']['name']}"
        body = msgspec.Raw(msgspec.json.encode(spec, order="deterministic"))
        known = self._known.get(key)
        if known is None:
            known = Known(uid=str(uuid.uuid4()), created=rfc3339(self._clock.wall_ms()), generation=1, spec=body)
        elif bytes(known.spec) != bytes(body):
            known = Known(uid=known.uid, created=known.created, generation=known.generation + 1, spec=body)
        self._known[key] = known
        return {
            **raw["metadata"],
            "namespace": "default",
            "uid": known.uid,
            "generation": known.generation,
            "creationTimestamp": known.created,
        }

    # -- what others see
    def objects(self) -> list[Object]:
        """Resources with their status, as an API server would list them."""
        return [{**raw, "status": self._status.get(key, {})} for key, raw in self.current.items()]

    def set_status(self, kind: str, name: str, status: Object) -> None:
        if (kind, name) in self.current:
            self._status[kind, name] = status
            self._show(set())

    def _show(self, gone: set[Key]) -> None:
        for kind, name in gone:
            self._status.pop((kind, name), None)
        files = set()
        for made in self.objects():
            path = self._folder.shown / f"{made['kind'].lower()}-{made['metadata']['name']}.json"
            files.add(path)
            atomic_write(path, msgspec.json.encode(made))
        for old in self._folder.shown.glob("*.json"):
            if old not in files:
                old.unlink()

    def halt_fields(self) -> dict[str, Object]:
        """Policy -> {halt, haltReason, resume}: what the ledger reads of its policy."""
        found: dict[str, Object] = {}
        for (kind, name), raw in self.current.items():
            if kind == "RiskPolicy":
                spec = raw["spec"]
                found[name] = {
                    "halt": spec.get("halt", False),
                    "haltReason": spec.get("haltReason", ""),
                    "resume": spec.get("resume"),
                }
        return found
