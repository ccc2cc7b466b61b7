"""Faults that a test lets the simulated cloud have."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from random import Random

from attrs import define, field

from immutable.backend import BackendError, Transient

__all__ = ["Fault", "Faults", "When"]


class When(StrEnum):
    """At which point of a call a fault strikes."""

    BEFORE = "before"
    """The call has no effect."""
    AFTER = "after"
    """It took effect; the answer is lost."""
    LATE = "late"
    """It takes effect later; there is no answer."""


@define
class Fault:
    """Something that goes wrong with calls of one name.

    Attributes:
        call: The method of the backend, such as ``grow``; ``*`` for every one.
        error: Makes the error that is raised.
        when: At which point of the call.
        times: How often it strikes; None for ever.
        chance: The probability that a call is struck.
        delay: For ``When.LATE``: seconds until the call takes effect.
    """

    call: str
    error: Callable[[], BackendError] = lambda: Transient("the answer was lost")
    when: When = When.BEFORE
    times: int | None = 1
    chance: float = 1.0
    delay: float = 0.0

    def strikes(self, call: str, random: Random) -> bool:
        """Whether this fault hits a call, which uses it up by one."""
        if self.call not in (call, "*") or self.times == 0:
            return False
        if self.chance < 1 and random.random() >= self.chance:
            return False
        if self.times is not None:
            self.times -= 1
        return True


@define
class Faults:
    """The faults of a cloud.

    Attributes:
        random: Where chances are drawn from.
        planned: The faults, in the order in which they are tried.
        stale: Observations are up to so many seconds old.
    """

    random: Random
    planned: list[Fault] = field(factory=list)
    stale: float = 0.0

    def add(self, fault: Fault) -> None:
        """Let *fault* strike from now on."""
        self.planned.append(fault)

    def pick(self, call: str) -> Fault | None:
        """Return the fault that strikes this call, if any."""
        return next((each for each in self.planned if each.strikes(call, self.random)), None)
