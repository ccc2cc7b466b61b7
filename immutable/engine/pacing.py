"""How long to wait until the next look, while servers come and go by themselves. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import define, frozen

__all__ = ["LONGEST", "Awaited", "Pace", "Span", "pause"]

LONGEST = 15.0
"""Seconds between two looks at a fleet in which nothing is about to change, at most; where looks
may be out of date by more than that, so much."""

_SHARE = 1 / 16
_SHARE_OF_LATE = 1 / 64
_FINEST = 1 / 4
_SPARED = 8.0


# A poll of 2 s: a wait of 12 s spares 5 looks; waits of 0.5 s cost 0.75 each, so six of them; the
# seventh is one of 2 s. With something due at each moment, nothing is spared, and each is 2 s.
@define
class Pace:
    """How close looks may follow: never more of them than one each poll, on average.

    What a long wait has spared is for what it waited for. It is lost with the first wait of a poll:
    spent later, amid a stream of things that become due, it would find one sooner and the others
    later, as looks are best made evenly there.

    Attributes:
        poll: Seconds between two looks while something is about to change.
        spared: So many looks fewer than that were just made, at most 8.
    """

    poll: float
    spared: float = 0.0

    def take(self, seconds: float) -> float:
        """Return the wait that was asked for; a poll if it is shorter, and none was spared for it.

        Args:
            seconds: What `pause` says.
        """
        cost = 1 - seconds / self.poll
        if cost == 0 or self.spared < cost:
            self.spared = 0.0
            return self.poll
        self.waited(seconds)
        return seconds

    @property
    def least(self) -> float:
        """How soon the next look may follow, in seconds, if nobody knows what it will be for."""
        return self.poll * max(_FINEST, 1 - self.spared)

    def waited(self, seconds: float) -> None:
        """Count a wait that was ended by what happened."""
        self.spared = max(0.0, min(_SPARED, self.spared - 1 + seconds / self.poll))


# Looks at 18 s (not yet) and at 22 s (done): 20.    At 20 s, done: 19.    At 19 s, not yet: 19.5.
@define
class Span:
    """How long something takes at least, as far as looks have shown: nearer with each one.

    Attributes:
        early: The longest time after which it was seen not to be over, of those below `late`.
        late: The shortest time after which it was seen to be over; None until then.
    """

    early: float = 0.0
    late: float | None = None

    @property
    def usual(self) -> float | None:
        """When to look, in seconds from the beginning: half-way between the two."""
        return None if self.late is None else (self.early + self.late) / 2

    def goes_on(self, age: float) -> None:
        """Note that one was not over after *age* seconds."""
        if self.late is None or age < self.late:
            self.early = max(self.early, age)

    def ended(self, age: float) -> None:
        """Note that one was over after *age* seconds."""
        self.late = age if self.late is None else min(age, self.late)
        self.early = min(self.early, self.late)


@frozen
class Awaited:
    """What of one kind is under way.

    Attributes:
        age: For how many seconds the first of them has been.
        usual: How long its like has taken at least; None if nobody knows.
        last: For how many seconds the last of them has been.
        count: How many there are.
    """

    age: float = 0.0
    usual: float | None = None
    last: float = 0.0
    count: int = 1


# Boots of 40 s at least, the oldest is 12 s old: in 28 s, so in 15.    At 38.5: in 1.5.
# At 40.1: in 0.5, a quarter of a poll of 2 s; at 41: in 1; at 45: in 2. Nobody knows, 12 s old:
# in 2; 96 s old: in 6, which is 6 % of what it takes at least. One alone, 296 s old, or two that
# are 552 s old at least: in 4.
def pause(awaited: Iterable[Awaited], poll: float, longest: float = LONGEST) -> float:
    """Return the seconds until the first of *awaited* may be done.

    What has never been seen to end is looked at each *poll*, and less often once a poll is less
    than a sixteenth of the time that has been waited: what is lost is a share of what it takes
    anyway. What takes longer than its fastest like is looked at closely first, then each
    *poll*; and less often again once a poll is less than a share of the time that all that are
    left have been late, the smaller the more there are: of a long tail each look finds little.

    Args:
        awaited: What is under way.
        poll: Seconds between two looks while something is about to change.
        longest: Seconds between two looks at most.
    """
    return min((longest, *(_pause(each, poll) for each in awaited)))


def _pause(each: Awaited, poll: float) -> float:
    if each.usual is None:
        return max(poll, each.age * _SHARE)
    left = each.usual - each.age
    if left <= 0:
        seldom = (each.last - each.usual) * _SHARE_OF_LATE / each.count
        left = min(-left, max(poll, seldom))
    return max(left, poll * _FINEST)
