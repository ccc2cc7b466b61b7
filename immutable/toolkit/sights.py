"""What a process knows of a member from having seen it before. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve, frozen

from immutable.backend import InstanceState

__all__ = ["Sight", "remembered"]

_FORGOTTEN = 1000
"""How many members that are gone may be remembered."""


@frozen
class Sight:
    """What is known of a member beside what the cloud says of it now; all can be had anew.

    Attributes:
        launched_at: When it was made.
        address: Its private address.
        ready_since: Since when it is READY, as far as this process knows.
        first: The state in which this process saw it first.
        known: The state in which this process saw it last.
        served: Whether it was READY once, as far as this process knows.
    """

    launched_at: float = 0.0
    address: str = ""
    ready_since: float | None = None
    first: InstanceState | None = None
    known: InstanceState | None = None
    served: bool = False

    @property
    def waiting(self) -> InstanceState:
        """The state of a member that does not serve, and nothing is wrong with that."""
        return InstanceState.UNREADY if self.served else InstanceState.STARTING

    @property
    def failing(self) -> InstanceState:
        """The state of a member that is told to be unwell.

        One that was seen starting has not served yet: it starts still. Of others nobody can tell.
        """
        starts = self.known is InstanceState.STARTING and not self.served
        return InstanceState.STARTING if starts else InstanceState.UNREADY

    def after(self, state: InstanceState, at: float) -> Sight:
        """Return what is known once the member has been seen in a state, at a time."""
        ready = state is InstanceState.READY
        return evolve(
            self,
            ready_since=(self.ready_since or max(at, self.launched_at)) if ready else None,
            first=self.first or state,
            known=state,
            served=self.served or ready,
        )


def remembered(known: Mapping[str, Sight], seen: Mapping[str, Sight]) -> dict[str, Sight]:
    """Return what is remembered of a fleet's members after a look.

    Others may look at the same time, and know members that weren't there for us yet: so who wasn't
    seen is forgotten only when there are too many of them.
    """
    both = {**known, **seen}
    return both if len(both) <= 2 * len(seen) + _FORGOTTEN else dict(seen)
