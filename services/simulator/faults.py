"""Scripted faults, for tests of clients: only reachable when the simulator was started with ``--admin``."""

from random import Random
from typing import Annotated, Literal

import msgspec

BEFORE = frozenset({"delay_ms", "refuse", "silent", "status_409", "status_429", "status_500", "status_503", "page_404"})
"""Faults that act before the exchange sees the request."""
FRAMES = frozenset({"gap", "repeat", "reorder", "delta_before_snapshot", "stale_snapshot", "mute", "hang_up"})
"""Faults of the stream."""

_Whole = Annotated[int, msgspec.Meta(ge=0, le=10**9)]


class Match(msgspec.Struct, forbid_unknown_fields=True):
    """Which requests or frames: every member given must fit; ``path_prefix`` includes ``/trade-api/v2``."""

    method: str = ""
    path_prefix: str = ""
    key_id: str = ""
    channel: str = ""


class Fault(msgspec.Struct, forbid_unknown_fields=True):
    """One line of the script. It acts on what fits ``match``, ``times`` times, having let ``after`` pass.

    With ``chance_ppm`` below a million it lets the others pass, as a random stream from ``seed`` says.
    ``ms`` is the length of ``delay_ms``, to which up to ``jitter_ms`` are added.

    On requests: ``delay_ms``; ``refuse`` closes the connection unread; ``silent`` reads and never answers;
    ``status_*`` answer without the exchange, ``page_404`` as something in between does that knows no way. After
    the exchange has acted: ``drop_reply_after_accept`` resets the connection, ``half_close_after_accept`` ends it in
    our direction only, ``error_500_after_accept`` and ``empty_2xx_after_accept`` hide what was done, and the rest of
    ``*_after_accept`` garble the answer: ``html_200`` and ``html_403`` are pages of something in between,
    ``not_json``, ``cut_json`` and ``no_order_id`` are bodies that say too little, ``wrong_type`` is the right body
    called a text, ``cut_reply`` ends the connection in the middle of the body.

    On frames of ``match.channel``, whose numbers count on in every case: ``gap`` swallows one, ``repeat``
    sends it twice, ``reorder`` sends it after the next one, ``delta_before_snapshot`` does so with a snapshot,
    ``stale_snapshot`` sends the snapshot of before once more, ``mute`` sends nothing any more while the socket
    stays open, ``hang_up`` ends the socket without a goodbye.
    """

    action: Literal[
        "delay_ms",
        "refuse",
        "silent",
        "status_409",
        "status_429",
        "status_500",
        "status_503",
        "page_404",
        "drop_reply_after_accept",
        "half_close_after_accept",
        "error_500_after_accept",
        "empty_2xx_after_accept",
        "html_200_after_accept",
        "html_403_after_accept",
        "not_json_after_accept",
        "cut_json_after_accept",
        "no_order_id_after_accept",
        "wrong_type_after_accept",
        "cut_reply_after_accept",
        "gap",
        "repeat",
        "reorder",
        "delta_before_snapshot",
        "stale_snapshot",
        "mute",
        "hang_up",
    ]
    match: Match = msgspec.field(default_factory=Match)
    times: Annotated[int, msgspec.Meta(ge=1, le=10**9)] = 1
    after: _Whole = 0
    chance_ppm: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1_000_000
    seed: int = 0
    ms: _Whole = 0
    jitter_ms: _Whole = 0


class _Scripted:
    """A fault and the random stream that is its own."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.random = Random(fault.seed)  # noqa: S311  - a reproducible script, not a secret

    def strikes(self) -> bool:
        """Count what fits; whether the fault acts on it."""
        fault = self.fault
        if fault.after:
            fault.after -= 1
            return False
        return fault.chance_ppm == 1_000_000 or self.random.randrange(1_000_000) < fault.chance_ppm


class Faults:
    """Faults still to come, first scripted first used."""

    def __init__(self) -> None:
        self.script: list[_Scripted] = []

    def add(self, fault: Fault) -> None:
        self.script.append(_Scripted(fault))

    def clear(self) -> None:
        self.script.clear()

    def listed(self) -> list[Fault]:
        return [scripted.fault for scripted in self.script]

    def for_request(self, method: str, path: str, key_id: str) -> Fault | None:
        """The fault for this request, used up by one."""
        for scripted in self.script:
            fault, wanted = scripted.fault, scripted.fault.match
            if (
                fault.action not in FRAMES
                and wanted.method in {"", method}
                and path.startswith(wanted.path_prefix)
                and wanted.key_id in {"", key_id}
                and scripted.strikes()
            ):
                return self._use(scripted)
        return None

    def for_frame(self, channel: str, key_id: str, *, is_snapshot: bool = False) -> Fault | None:
        """The fault for this frame of the stream, used up by one."""
        for scripted in self.script:
            fault, wanted = scripted.fault, scripted.fault.match
            if (
                fault.action in FRAMES
                and (is_snapshot or fault.action not in {"delta_before_snapshot", "stale_snapshot"})
                and wanted.channel in {"", channel}
                and wanted.key_id in {"", key_id}
                and scripted.strikes()
            ):
                return self._use(scripted)
        return None

    def delay_s(self, fault: Fault) -> float:
        """Seconds of a ``delay_ms``, jitter included, from the fault's own stream."""
        return (fault.ms + (Random(f"{fault.seed}:{fault.times}").randrange(fault.jitter_ms + 1))) / 1000  # noqa: S311  - a reproducible script, not a secret

    def _use(self, scripted: _Scripted) -> Fault:
        scripted.fault.times -= 1
        if scripted.fault.times <= 0:
            self.script.remove(scripted)
        return scripted.fault
