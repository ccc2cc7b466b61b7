"""The sliding window: the candidate grows while stable shrinks."""

from __future__ import annotations

from attrs import frozen

from immutable.model import Capabilities, Commit, FleetState, Shift, Step

__all__ = ["Rolling"]


@frozen
class Rolling:
    """Replace instances a few at a time, inside the limits, both revisions in one traffic pool.

    Attributes:
        probe: Whether the first candidate instance alone must prove the image before the window
            opens: a bad image then costs one server's boot and no capacity.
    """

    probe: bool = True

    def steps(self, state: FleetState, able: Capabilities) -> tuple[Step, ...]:
        """Return one shift from stable to the candidate and the point of no return."""
        del state, able
        return (Shift(candidate=100, stable=0, probe=self.probe), Commit())
