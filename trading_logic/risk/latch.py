"""The latch: the set of causes to be halted, and the epoch that fences off everything from before.

``trading_logic/contracts/lua/latch.lua`` is the same in one atomic call. The epoch rises when the first cause comes
and once more when the last one goes, so that no claim, lease or order group of either side of a halt is good on the
other.
"""

import msgspec

from trading_logic.contracts.record import Cause


class Latch(msgspec.Struct, frozen=True):
    """Immutable. ``causes`` is in the order in which they came."""

    causes: tuple[Cause, ...] = ()
    epoch: int = 0

    @property
    def halted(self) -> bool:
        return bool(self.causes)

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids that a resume can name, sorted."""
        return tuple(sorted(cause.id for cause in self.causes))

    def add(self, cause: Cause) -> "Latch":
        """The latch with one more cause. A cause whose id is already there changes nothing: the first word stands."""
        if any(known.id == cause.id for known in self.causes):
            return self
        return Latch((*self.causes, cause), self.epoch if self.causes else self.epoch + 1)

    def remove(self, cause_id: str) -> "Latch":
        """The latch without the cause of that id; unchanged when there is none."""
        left = tuple(cause for cause in self.causes if cause.id != cause_id)
        if len(left) == len(self.causes):
            return self
        return Latch(left, self.epoch if left else self.epoch + 1)
