"""PURE: one halt, from the latch to its confirmed end. Times are monotonic milliseconds unless named wall.

Confirmed means: every order group we know of is triggered at the exchange, two readings at least a second apart found
nothing resting, and every executor has said under this epoch that nothing of its own is in flight, or is gone for
longer than any request of its can live. The last reading of zero comes after the last executor was settled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trading_logic.contracts.record import HaltState, OrderGroupRecord

ZERO_APART_MS = 1_000
REQUEST_TIMEOUT_MS = 6_000
"""No request of an executor lives longer: time-out (5 s), wait for rate budget (0.5 s), slack."""
VENUE_AWAY_MS = 5_000


@dataclass(frozen=True, slots=True)
class ExecutorView:
    """What the record says of one executor: the epoch it acknowledged, what it has in flight, whether it lives."""

    acked_epoch: int
    in_flight: int
    has_lease: bool


class Halt:
    """One halt under one epoch."""

    def __init__(self, epoch: int, now_ms: int, wall_ms: int, *, confirmed_wall_ms: int = 0) -> None:
        """`wall_ms` is when it began; `confirmed_wall_ms` when an earlier ledger confirmed it, 0 when none did."""
        self.epoch = epoch
        self.since_wall_ms = wall_ms
        self.resting = 0
        self.confirmed_wall_ms = confirmed_wall_ms
        self._venue_ok_ms = now_ms
        self._triggered: set[str] = set()
        self._refused: dict[str, str] = {}
        self._began_ms = now_ms
        self._fenced = False
        self._zero_first_ms: int | None = None
        self._zero_last_ms: int | None = None
        self._gone_since: dict[str, int] = {}
        self._waiting: tuple[str, ...] = ()
        self._settled_ms: int | None = None

    # -- the exchange

    def to_trigger(self, groups: Mapping[str, OrderGroupRecord]) -> list[str]:
        """Groups not yet triggered by us. One that an executor marked may never have reached the exchange.

        A group of a later epoch belongs to the time after this halt: the resume came while we were looking.
        """
        wanted = [
            group
            for group, body in groups.items()
            if body.state != "deleted" and body.epoch <= self.epoch and group not in self._triggered
        ]
        self._fenced = not wanted
        if wanted:
            self._zero_first_ms = self._zero_last_ms = None
        return wanted

    def triggered(self, group: str, now_ms: int) -> None:
        """The exchange confirmed that the group is triggered, or that it knows no such group."""
        self._triggered.add(group)
        self._refused.pop(group, None)
        self._venue_ok_ms = now_ms

    def not_triggered(self, group: str, why: str) -> None:
        """The exchange did not do it. It is asked again, and meanwhile what rests is cancelled order by order."""
        self._refused[group] = why

    def reading(self, resting: int, now_ms: int) -> None:
        """The exchange listed its resting orders; `now_ms` is from before the question."""
        self._venue_ok_ms = max(self._venue_ok_ms, now_ms)
        self.resting = resting
        if resting or not self._fenced:
            self._zero_first_ms = self._zero_last_ms = None
            return
        if self._zero_first_ms is None:
            self._zero_first_ms = now_ms
        self._zero_last_ms = now_ms

    # -- the executors

    def executors(self, views: Mapping[str, ExecutorView], now_ms: int) -> None:
        """Look at every executor that ever took over."""
        waiting = []
        for strategy, view in views.items():
            if view.acked_epoch == self.epoch and view.in_flight == 0:
                continue
            if view.has_lease:
                self._gone_since.pop(strategy, None)
                waiting.append(strategy)
            elif now_ms - self._gone_since.setdefault(strategy, now_ms) < REQUEST_TIMEOUT_MS:
                waiting.append(strategy)
        self._waiting = tuple(waiting)
        if waiting:
            self._settled_ms = None
        elif self._settled_ms is None:
            self._settled_ms = now_ms

    # -- what follows

    @property
    def confirmed(self) -> bool:
        return self.confirmed_wall_ms > 0

    def state(self, now_ms: int, wall_ms: int) -> HaltState:
        """How far the halt has come. Once confirmed it stays so."""
        if not self.confirmed and self._at_rest():
            self.confirmed_wall_ms = wall_ms
        if self.confirmed:
            return self._as("confirmed", "")
        away = now_ms - self._venue_ok_ms
        if away > VENUE_AWAY_MS:
            # Whole seconds: the text is written only when it changes.
            return self._as("pending-venue", f"the exchange has not answered for {away // 1000} s; still trying")
        if self._refused and now_ms - self._began_ms > VENUE_AWAY_MS:
            group, why = min(self._refused.items())
            return self._as("pending-venue", f"order group {group} is not triggered: {why}; still trying")
        if not self._fenced:
            return self._as("draining", "order groups not all triggered yet")
        if self.resting:
            return self._as("draining", f"{self.resting} orders rest")
        if self._waiting:
            return self._as("draining", f"waiting for executors: {', '.join(self._waiting)}")
        return self._as("draining", "waiting for the second reading of zero resting orders")

    def _at_rest(self) -> bool:
        if not self._fenced or self._settled_ms is None:
            return False
        if self._zero_first_ms is None or self._zero_last_ms is None:
            return False
        return self._zero_last_ms - self._zero_first_ms >= ZERO_APART_MS and self._zero_last_ms >= self._settled_ms

    def _as(self, state: str, message: str) -> HaltState:
        return HaltState(
            epoch=self.epoch,
            since_ms=self.since_wall_ms,
            resting=self.resting,
            state=state,  # type: ignore[arg-type]  # one of the three literals above
            confirmed_ms=self.confirmed_wall_ms,
            message=message,
        )
