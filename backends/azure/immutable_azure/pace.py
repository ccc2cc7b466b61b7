"""When Azure may be asked again: what it said in Retry-After, for everybody in this process."""

from __future__ import annotations

import asyncio

from attrs import define, field

from immutable.backend import Throttled
from immutable.toolkit.perloop import PerLoop

__all__ = ["LONGEST", "Gate", "shared_gate"]

LONGEST = 120.0
"""Seconds for which a refusal closes a gate at most, whatever Retry-After says."""
_USUAL = 1.0
_PATIENCE = 2.0


# Refused at 10 s with Retry-After 30: who comes at 12 is told to come in 28 s, nothing is sent.
@define
class Gate:
    """Closed doors, by what is counted together: a kind of request on one resource.

    Compute refills its buckets once a minute and tells how long that takes ("Compute throttling
    limits"); asking earlier only uses up what others could have.

    Attributes:
        closed: Until when, by the loop's time.
    """

    closed: dict[str, float] = field(factory=dict)

    async def turn(self, door: str) -> None:
        """Wait for a door that opens in a moment.

        Raises:
            Throttled: It takes longer than a call may wait; nothing was sent.
        """
        left = self.closed.get(door, 0.0) - asyncio.get_running_loop().time()
        if left <= 0:
            self.closed.pop(door, None)
            return
        if left > _PATIENCE:
            raise Throttled(f"{door}: Azure said to wait", retry_after=left)
        await asyncio.sleep(left)

    def refused(self, door: str, retry_after: float | None) -> float:
        """Close a door as Azure said; returns for how many seconds."""
        wait = min(LONGEST, _USUAL if retry_after is None else max(0.0, retry_after))
        self.closed[door] = asyncio.get_running_loop().time() + wait
        return wait


_gates: PerLoop[str, Gate] = PerLoop(Gate)


def shared_gate(subscription: str) -> Gate:
    """Return the gate that all backends of a subscription share on the running loop."""
    return _gates.of(subscription)
