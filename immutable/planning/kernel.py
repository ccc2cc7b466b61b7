"""The walk of two groups: given what exists and where a step leads, the next move. Pure.

The window slides on both sides: the target grows into every free place, the source gives up
every member that isn't needed any more. There are no batches to wait for. Such a greedy window
is within one boot and one drain of the least possible time (Graham's list-scheduling argument;
makespan <= work / (S + U) + max(boot + min_ready) + max(drain + terminate)).

Forward, the source is stable and the target the candidate. On the way back they change places.
"""

from __future__ import annotations

from enum import StrEnum

from attrs import field, frozen

from immutable.planning import arithmetic
from immutable.planning.arithmetic import Counts, Window
from immutable.planning.hedging import Late

__all__ = ["Give", "Move", "Raise", "Reached", "Shrink", "Situation", "Which", "next_move"]


@frozen
class Situation:
    """All that a decision about sizes depends on.

    Attributes:
        window: The limits in absolute numbers.
        floor: How many must stay available, F.
        source: The group that gives.
        target: The group that gets.
        source_goal: What the source has when the step is reached.
        target_goal: What the target has then.
        forward: Whether this is the way to the candidate.
        probing: Whether the first candidate instance still has to prove the image.
        deficit: How many source members have been short of READY all through the last
            ``boot_timeout``, whoever they were.
        overdue: How many target members should have become READY by now.
        witnessed: How many different target members have been proven so far.
        unsure: Whether a call without an answer may still take effect.
        short: Whether launches have just failed for want of capacity, or wait for others'.
        hedged: Whether the target may have more than its goal until that is proven: duplicates of
            boots that are late.
        late: For how many boots there may be duplicates.
    """

    window: Window
    floor: int
    source: Counts
    target: Counts
    source_goal: int
    target_goal: int
    forward: bool = True
    probing: bool = False
    deficit: int = 0
    overdue: int = 0
    witnessed: int = 0
    unsure: bool = False
    short: bool = False
    hedged: bool = False
    late: Late = field(factory=Late)

    @property
    def available(self) -> int:
        """Servers that can be counted on: READY in the source, proven in the target."""
        return self.source.ready + self.target.proven

    @property
    def room(self) -> int:
        """How many more servers may exist."""
        return arithmetic.room(self.window, self.source, self.target)

    @property
    def blocked(self) -> bool:
        """Whether there is no room for even a first target member, and none is being made."""
        return self.room < 1 and not (
            self.target.size or self.target.leaving or self.source.leaving
        )

    @property
    def least(self) -> int:
        """What must stay available when a source member goes.

        Forward that is N - U, even for a fleet that started with less: going forward never
        spends what is missing already. Back it is the floor, so that a fleet that was sick at
        the start can get back to where it was.
        """
        return self.window.wanted - self.window.unavailable if self.forward else self.floor


class Which(StrEnum):
    """Which members of a group go, in words that the engine can turn into names."""

    OVERDUE = "overdue"
    """Those that should have become READY by now."""
    BROKEN = "broken"
    """Those that aren't READY: UNREADY ones first, then the oldest."""
    SURPLUS = "surplus"
    """Those that aren't READY, then the newest."""
    ANY = "any"
    """Those that aren't READY, then the oldest from the zone that has most."""


@frozen
class Raise:
    """Ask for *by* more members of the target."""

    by: int
    why: str


@frozen
class Give:
    """Retire *count* members of one side."""

    from_target: bool
    count: int
    which: Which
    why: str


@frozen
class Shrink:
    """Lower a side's size to its members: the missing ones shall not come back."""

    why: str
    from_target: bool = False


@frozen
class Reached:
    """The step's goal is reached, or why it isn't yet and nothing can be done but wait."""

    yes: bool
    why: str


Move = Raise | Give | Shrink | Reached


def next_move(now: Situation) -> Move:
    """Return the next move; `Reached` when there is none to make."""
    for rule in (_cure, _trim, _free, _grow, _hedge, _give, _settle):
        move = rule(now)
        if move is not None:
            return move
    return _reached(now)


# A candidate that hangs keeps one place of the window for ever, and the brake becomes a lock. It
# serves nobody, so it can go at any time; the place is grown again.
def _cure(now: Situation) -> Move | None:
    if not now.overdue:
        return None
    return Give(True, now.overdue, Which.OVERDUE, f"{now.overdue} did not become READY in time")


# A late call, or a wanted size that fell, left 12 where 10 are wanted: 2 go, the newest first,
# unless the floor needs them. Duplicates of late boots: 13 of 10, 10 proven, 1 READY for a moment,
# 2 still booting: these 3 go. With 10 READY and 9 proven the 2 that boot still go: they come too
# late. With 9 READY they stay, whichever will be the tenth.
def _trim(now: Situation) -> Move | None:
    excess = now.target.live - now.target_goal
    idle = now.target.live - (now.target.proven if now.hedged else now.target.ready)
    spare = idle + max(0, now.available - now.floor)
    if now.hedged and not _proven(now):
        enough = now.target.ready >= now.target_goal
        booting = now.target.live - now.target.ready if enough else 0
        excess = min(excess, max(booting, -now.room))
    count = min(excess, spare)
    if count <= 0:
        return None
    return Give(True, count, Which.SURPLUS, f"{now.target.live} live, {now.target_goal} wanted")


# 10 wanted, 3 READY; 7 have been broken for longer than a boot takes: they hold places and give
# nothing, so they go first and the candidate gets their places. A probe that failed for three
# looks is no reason: what is short must have been so all the time.
# Going back, a candidate that isn't READY is wanted by nobody: it goes at once.
def _free(now: Situation) -> Move | None:
    unwanted = now.source.live - now.source_goal
    broken = now.source.live - now.source.ready
    if now.forward:
        broken = min(broken, now.deficit)
        if now.probing:
            broken = min(broken, 1) if now.blocked else 0
    count = min(broken, unwanted)
    if count <= 0 or now.source_goal >= now.window.wanted:
        return None
    why = "have long been broken" if now.forward else "aren't READY, and nobody wants them any more"
    return Give(False, count, Which.BROKEN, f"{count} {why}")


# N = 10, S = 2, stable 10, candidate 0, nothing leaving: 10 + 2 - 10 = 2 may start; while probing,
# 1. Each that doesn't become READY keeps its place, so a bad image closes the window by itself.
def _grow(now: Situation) -> Move | None:
    goal = min(now.target_goal, 1) if now.probing else now.target_goal
    by = arithmetic.growth(goal, now.target.size, now.room)
    if by == 0 or now.short:
        return None
    exist = now.window.wanted + now.window.surge - now.room
    return Raise(
        by,
        f"{now.window.wanted} wanted + {now.window.surge} surge - {exist} existing"
        f" = {now.room} may start; {goal} - {now.target.size} missing",
    )


# N = 100, S = 25, all 100 asked for, stable gone: 25 may start, and 3 boots take far longer than
# the others did: 3 duplicates. One of those that were late is READY meanwhile: no fourth.
def _hedge(now: Situation) -> Move | None:
    if not now.hedged or now.probing or now.short or now.unsure:
        return None
    by = arithmetic.growth(now.target_goal + now.late.count, now.target.size, now.room)
    if by == 0:
        return None
    return Raise(by, f"{now.late}: {by} more, as {now.room} may start")


# N = 10, U = 0; 10 READY in stable and 2 proven candidates: 12 - 10 = 2 of stable may go.
# With S = 0 and U = 1 there is no room for a probe, so one goes before there is a candidate.
def _give(now: Situation) -> Move | None:
    count = arithmetic.removable(now.available, now.least, now.source.live, now.source_goal)
    if now.probing:
        count = min(count, 1) if now.blocked else 0
    if count == 0:
        return None
    return Give(
        False,
        count,
        Which.ANY,
        f"{now.available} available - {now.least} needed = {now.available - now.least} may go;"
        f" {now.source.live} live, {now.source_goal} to keep",
    )


# The source's image is gone: 2 members died and can't come back, size 2, live 0. Nobody can be
# named, so the size is lowered to what is there. Going back it is done at once, or the cloud
# would still launch candidates that it could not launch so far.
def _settle(now: Situation) -> Move | None:
    if now.hedged and _proven(now) and now.target.size > now.target.live >= now.target_goal:
        extra = now.target.size - now.target.live
        return Shrink(f"{extra} duplicates don't exist, and aren't wanted", from_target=True)
    missing = now.source.size - now.source.live
    if missing <= 0 or now.source.live < now.source_goal or now.probing:
        return None
    lasting = now.deficit >= missing or now.source.live == 0
    if now.forward and (not lasting or now.source_goal >= now.window.wanted):
        return None
    return Shrink(f"{missing} of {now.source.size} don't exist and aren't wanted back")


def _proven(now: Situation) -> bool:
    """Whether the target has what it is to have: all proven, and nearly all of them READY."""
    goal = now.target_goal
    needed = goal - arithmetic.done_tolerance(goal, now.window.unavailable)
    everybody = now.target.proven >= goal
    return everybody or (now.witnessed >= goal and now.target.ready >= needed)


def _reached(now: Situation) -> Reached:
    goal = now.target_goal
    if now.unsure:
        return Reached(False, "a call without an answer may still take effect")
    if now.source.size > now.source_goal or now.source.live > now.source_goal:
        return Reached(False, f"{now.source.exists} to bring down to {now.source_goal}")
    if now.source.leaving or now.target.leaving:
        return Reached(False, f"{now.source.leaving + now.target.leaving} are leaving")
    if now.target.size != goal:
        return Reached(False, f"{now.target.size} asked for, {goal} wanted")
    if not _proven(now):
        return Reached(False, f"{now.target.proven} of {goal} proven")
    return Reached(True, f"{now.target.proven} of {goal} proven, {now.source_goal} left of source")
