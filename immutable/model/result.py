"""How a rollout ended."""

from __future__ import annotations

from enum import StrEnum

from attrs import define, frozen

from immutable.errors import ImmutableError

__all__ = [
    "Result",
    "RolledBack",
    "RolloutCancelled",
    "RolloutEnded",
    "RolloutFailed",
    "RolloutStatus",
    "Status",
]


class Status(StrEnum):
    """Where a rollout stands."""

    PENDING = "pending"
    RUNNING = "running"
    PAUSED = "paused"
    BAKING = "baking"
    ROLLING_BACK = "rolling_back"
    SUCCEEDED = "succeeded"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self in _ENDED


_ENDED = frozenset({Status.SUCCEEDED, Status.ROLLED_BACK, Status.FAILED, Status.CANCELLED})


@frozen
class RolloutStatus:
    """A rollout at a glance.

    Attributes:
        rollout: Its identifier.
        fleet: The fleet's address.
        status: Where it stands.
        step: The number of the step it works on, from 0.
        steps: How many steps its plan has.
        wanted: The fleet's size as the rollout counts it, N.
        stable: Servers that stable's group was last asked to have.
        candidate: Servers that the candidate's group was last asked to have.
        reason: Why it went back, if it did.
        controller: Who drives it, or drove it last.
        live: Whether somebody drives it now.
    """

    rollout: str
    fleet: str
    status: Status
    step: int
    steps: int
    wanted: int
    stable: int
    candidate: int
    reason: str = ""
    controller: str = ""
    live: bool = False


@frozen
class Result:
    """The end of a rollout.

    Attributes:
        rollout: Its identifier.
        fleet: The fleet's address.
        status: One of the ends.
        stable: The revision number that the fleet came from.
        candidate: The revision number that it went to.
        wanted: The fleet's size at the end.
        seconds: How long it took.
        reason: Why it ended so; empty for a success.
        left: What is left where, or what differs from the start; empty when it ended whole.
    """

    rollout: str
    fleet: str
    status: Status
    stable: int
    candidate: int
    wanted: int
    seconds: float
    reason: str = ""
    left: tuple[str, ...] = ()

    def raise_for_status(self) -> Result:
        """Return this result if the rollout succeeded.

        Raises:
            RolledBack: The fleet is as it was before.
            RolloutFailed: The fleet is neither as it was nor as wanted.
            RolloutCancelled: It was stopped and left as it is.
        """
        if self.status in _RAISED:
            raise _RAISED[self.status](self)
        return self


@define(eq=False)
class RolloutEnded(ImmutableError):
    """A rollout did not succeed.

    Attributes:
        result: How it ended.
    """

    result: Result

    def __str__(self) -> str:
        end = self.result.status.value.replace("_", " ")
        lines = [f"rollout {self.result.rollout} on {self.result.fleet} {end}"]
        lines[0] += f": {self.result.reason}" if self.result.reason else ""
        return "\n".join([*lines, *(f"  - {each}" for each in self.result.left)])


class RolledBack(RolloutEnded):
    """The rollout did not work out; the fleet is as it was before."""


class RolloutFailed(RolloutEnded):
    """The fleet is neither as it was nor as wanted; the result lists what is left where."""


class RolloutCancelled(RolloutEnded):
    """The rollout was stopped on request and left as it is."""


_RAISED = {
    Status.ROLLED_BACK: RolledBack,
    Status.FAILED: RolloutFailed,
    Status.CANCELLED: RolloutCancelled,
}
