"""Scripted faults, for tests of clients: only reachable when the simulator was started with ``--admin``."""

from typing import Literal

import msgspec


class Match(msgspec.Struct, forbid_unknown_fields=True):
    """Which requests or frames: every member given must fit; ``path_prefix`` includes ``/trade-api/v2``."""

    method: str = ""
    path_prefix: str = ""
    key_id: str = ""
    channel: str = ""


class Fault(msgspec.Struct, forbid_unknown_fields=True):
    """``gap`` swallows frames of ``match.channel`` while their numbers count on.

    The others act on HTTP requests.
    """

    action: Literal[
        "drop_reply_after_accept",
        "error_500_after_accept",
        "empty_2xx_after_accept",
        "status_429",
        "status_503",
        "delay_ms",
        "gap",
    ]
    match: Match = msgspec.field(default_factory=Match)
    times: int = 1
    ms: int = 0


class Faults:
    """Faults still to come, first scripted first used."""

    def __init__(self) -> None:
        self.script: list[Fault] = []

    def for_request(self, method: str, path: str, key_id: str) -> Fault | None:
        """The fault for this request, used up by one."""
        for fault in self.script:
            wanted = fault.match
            if (
                fault.action != "gap"
                and wanted.method in {"", method}
                and path.startswith(wanted.path_prefix)
                and wanted.key_id in {"", key_id}
            ):
                return self._use(fault)
        return None

    def swallows(self, channel: str, key_id: str) -> bool:
        """Whether this frame must not be sent."""
        for fault in self.script:
            wanted = fault.match
            if fault.action == "gap" and wanted.channel in {"", channel} and wanted.key_id in {"", key_id}:
                self._use(fault)
                return True
        return False

    def _use(self, fault: Fault) -> Fault:
        fault.times -= 1
        if fault.times <= 0:
            self.script.remove(fault)
        return fault
