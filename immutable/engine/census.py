"""Who is in which state, kept up to date: a look at the fleet costs what changed, not its size.

The census is the last observation with the rollout's own actions folded in: a member that was
sent to retire counts as leaving from then on, whatever a stale observation says.
"""

from __future__ import annotations

import heapq
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator

from attrs import evolve, frozen

from immutable.engine.holders import Holders
from immutable.engine.lateness import Lateness
from immutable.engine.members import Members
from immutable.engine.pacing import Awaited, Span
from immutable.engine.picking import picked
from immutable.model import FleetState, Group, Instance, InstanceState, Slot
from immutable.planning.arithmetic import Counts
from immutable.planning.hedging import Late
from immutable.planning.kernel import Which

__all__ = ["Census", "Changes"]

_KEPT = 100


@frozen
class Changes:
    """What an observation brought that somebody may want to know.

    Attributes:
        died: Members that are gone without having been sent to retire.
        proven: Members that have been READY for ``min_ready`` since the last look.
    """

    died: tuple[Instance, ...] = ()
    proven: tuple[Instance, ...] = ()


class Census:
    """The members and groups of one fleet.

    Args:
        min_ready: Seconds READY after which a member counts as proven.
        boot_timeout: Seconds after which a member that isn't READY is overdue.
        staleness: Seconds by which an observation may be out of date: for so long a member must
            be missing before it counts as dead, since reads can go back in time. One that was sent
            to retire is gone as soon as a look that can't be older than it leaves it out.
        named: Members that are counted apart as well: those that a repair replaces.
        timed: The revision of which is told which boots are late; None for none.

    Attributes:
        at: The time of the last observation, by the backend's clock.
        groups: The groups by revision number.
        slots: The slots of a stateful fleet, as they were seen last.
        last_revision: The highest revision number given out.
        holders: Who is seen to exist in which slot.
        retiring: Members that were sent to retire and aren't gone.
    """

    def __init__(
        self,
        min_ready: float,
        boot_timeout: float,
        staleness: float = 0.0,
        named: frozenset[str] = frozenset(),
        timed: int | None = None,
    ) -> None:
        self.at = 0.0
        self.groups: dict[int, Group] = {}
        self.slots: tuple[Slot, ...] = ()
        self.last_revision = 0
        self.holders = Holders()
        self.retiring: set[str] = set()
        self._named = named
        self._min_ready = min_ready
        self._boot_timeout = boot_timeout
        self._staleness = staleness
        self._seen: dict[str, Instance] = {}
        self._buried: set[str] = set()
        self._vanished: dict[str, tuple[float, Instance]] = {}
        self._members: defaultdict[int, Members] = defaultdict(Members)
        self._apart: defaultdict[int, Members] = defaultdict(Members)
        self._serving: Counter[str] = Counter()
        self._timers: list[tuple[float, str, InstanceState]] = []
        self._sent: dict[str, float] = {}
        self._left: dict[str, float] = {}  # When somebody was first seen to leave.
        self._goings = array("d")
        self._boots: defaultdict[int, Span] = defaultdict(Span)
        self._leaves = Span()
        self._timed = timed
        self._lateness = Lateness(timed, boot_timeout)

    # -- observing -----------------------------------------------------------------------------

    def absorb(self, state: FleetState, *, groups: bool = True) -> Changes:
        """Take an observation in.

        Args:
            state: The observation.
            groups: Whether its groups are newer than what was done last.
        """
        self.at = max(self.at, state.at)
        self.last_revision = max(self.last_revision, state.last_revision)
        self.slots = state.slots
        if groups:
            self.groups = {group.number: group for group in state.groups}
        instances: Iterable[Instance] = state.instances
        if not self._seen:
            instances = sorted(instances, key=lambda each: (each.launched_at, each.id))
        for each in instances:
            self._notice(each)
        if state.complete:
            self._miss({each.id for each in state.instances})
        changes = Changes(tuple(self._dead()), tuple(self._ring()))
        for number, members in self._members.items():
            if (age := self._age(members, InstanceState.STARTING)) is not None:
                self._boots[number].goes_on(age)
            if (age := self._age(members, InstanceState.DRAINING)) is not None:
                self._leaves.goes_on(age)
        return changes

    def _miss(self, present: set[str]) -> None:
        if len(present) == len(self._seen) and present == self._seen.keys():
            return
        for name in [name for name in self._seen if name not in present]:
            self._lose(name)

    def _notice(self, new: Instance) -> None:
        """Count an instance anew."""
        name, state = new.id, new.state
        old = self._seen.get(name)
        if name in self._buried:
            return
        if state is InstanceState.GONE:
            self._lose(name)
            return
        if name in self._vanished:
            del self._vanished[name]
            self.holders.take(new.slot, name)  # It was only left out by an old look.
        if old is new or (self._staleness and self._was_leaving(new)):
            return
        if state is InstanceState.READY and new.ready_since is None:
            # A backend that doesn't know: since it was first seen so, which is never too early.
            known = old is not None and old.state is InstanceState.READY
            new = evolve(new, ready_since=old.ready_since if known and old else self.at)
        if old is not None and old.state is InstanceState.STARTING and new.ready_since is not None:
            self._boots[new.revision].ended(new.ready_since - new.launched_at)
        self._lateness.notice(old, new)
        self._seen[name] = new
        self.holders.move(name, old.slot if old else "", new.slot)
        self._count(new, None if old is None else self._state(old), self._state(new))
        if old is None or old.state is not state:
            if state is not InstanceState.DRAINING:
                self._wind(new)
        elif old.ready_since != new.ready_since:
            self._doubt(new)  # It flapped between two looks.
            self._wind(new)

    # With looks up to 3 s old: seen DRAINING at 10 s, READY at 12 s, by an older look. At 13.1 s it
    # would have come back.
    def _was_leaving(self, new: Instance) -> bool:
        """Whether somebody was seen to leave after what this look shows, for all that is known.

        Whoever begins may find that servers go, and that fewer are wanted; a look from before that
        would count those as serving, and others would be sent away for them.
        """
        if new.state is InstanceState.DRAINING:
            self._left.setdefault(new.id, self.at)
            return False
        left = self._left.get(new.id)
        if left is not None and self.at - left <= self._staleness:
            return True
        self._left.pop(new.id, None)
        return False

    def _doubt(self, instance: Instance) -> None:
        if self._state(instance) is InstanceState.READY:
            for members in self._lists(instance):
                members.doubt(instance.id)

    def _lose(self, name: str) -> None:
        """Note that a member isn't listed any more.

        It stops counting as available at once. One that is leaving goes on counting as existing
        until no old look could have left it out; one that isn't is not yet dead until no look
        could go back in time and show it.
        """
        known = self._seen.get(name)
        if known is None or name in self._vanished:
            return
        self._vanished[name] = (self.at, known)
        self.holders.leave(known.slot, name)
        if self._state(known) is not InstanceState.DRAINING:
            self._forget(known)

    def _dead(self) -> Iterator[Instance]:
        """Yield those that are certainly gone and weren't asked to go."""
        oldest = self.at - self._staleness
        for name, (since, instance) in tuple(self._vanished.items()):
            leaving = name in self._seen
            # Launched at 50, asked to go, left out at 71 of what is at most 20 s old: it is gone.
            if oldest < since and not (leaving and oldest > instance.launched_at):
                continue
            del self._vanished[name]
            self._left.pop(name, None)
            if leaving:
                self._forget(instance)
                self._buried.add(name)
                self.retiring.discard(name)
                self._gone_after(since - self._sent.pop(name, since))
            else:
                yield instance

    def _gone_after(self, seconds: float) -> None:
        self._goings.append(seconds)
        if seconds > 0:
            self._leaves.ended(seconds)

    def _forget(self, instance: Instance) -> None:
        self._count(instance, self._state(instance), InstanceState.GONE)
        del self._seen[instance.id]

    def _state(self, instance: Instance) -> InstanceState:
        """Return as what a member that was seen so counts: who was sent to retire is leaving."""
        return InstanceState.DRAINING if instance.id in self.retiring else instance.state

    def _count(self, instance: Instance, old: InstanceState | None, new: InstanceState) -> None:
        if old is new:
            return
        for members in self._lists(instance):
            members.move(instance.id, instance.zone, old, new)
        if new is InstanceState.READY:
            self._serving[instance.zone] += 1
        elif old is InstanceState.READY:
            self._serving[instance.zone] -= 1

    def _lists(self, instance: Instance) -> tuple[Members, ...]:
        """Return where an instance is counted."""
        members = self._members[instance.revision]
        if instance.id not in self._named:
            return (members,)
        return members, self._apart[instance.revision]

    # -- timers --------------------------------------------------------------------------------

    def _wind(self, instance: Instance) -> None:
        """Set the timer that tells when a state has lasted for as long as it may."""
        if instance.state is InstanceState.READY and instance.ready_since is not None:
            due = instance.ready_since + self._min_ready
        elif instance.state is InstanceState.STARTING:
            due = instance.launched_at + self._boot_timeout
        else:
            due = self.at + self._boot_timeout
        heapq.heappush(self._timers, (due, instance.id, instance.state))

    def _ring(self) -> Iterator[Instance]:
        """Mark what is overdue, and yield what is proven, by now."""
        while self._timers and self._timers[0][0] <= self.at:
            due, name, state = heapq.heappop(self._timers)
            instance = self._seen.get(name)
            if instance is None or self._state(instance) is not state:
                continue
            if state is not InstanceState.READY:
                self._members[instance.revision].overdue[name] = None
            elif instance.ready_since is not None and instance.ready_since + self._min_ready <= due:
                for members in self._lists(instance):
                    members.prove(name)
                yield instance

    def next_timer(self) -> float | None:
        """Return in how many seconds something will be overdue or proven, if anything."""
        return max(0.0, self._timers[0][0] - self.at) if self._timers else None

    # -- folding in what was done ---------------------------------------------------------------

    def retire(self, ids: Iterable[str]) -> None:
        """Count members as leaving from now on."""
        for name in ids:
            seen = self._seen.get(name)
            old = None if seen is None else self._state(seen)
            self.retiring.add(name)
            self._sent.setdefault(name, self.at)
            if seen is not None:
                self._count(seen, old, InstanceState.DRAINING)

    def spare(self, ids: Iterable[str]) -> None:
        """Count members as what they are seen to be, after a retirement that did not happen."""
        for name in ids:
            seen = self._seen.get(name)
            old = None if seen is None else self._state(seen)
            self.retiring.discard(name)
            self._sent.pop(name, None)
            if seen is not None and old is not seen.state:
                self._count(seen, old, seen.state)
                self._wind(seen)

    # -- asking --------------------------------------------------------------------------------

    def serving(self, ids: Iterable[str]) -> tuple[str, ...]:
        """Return those of *ids* that are there and not seen to leave."""
        there = (self._seen[name] for name in ids if name in self._seen)
        return tuple(each.id for each in there if each.state is not InstanceState.DRAINING)

    def counts(self, revision: int) -> Counts:
        """Return one group, counted."""
        group = self.groups.get(revision)
        return self._members[revision].counts(group.size if group else 0)

    def instances(self, ids: Iterable[str]) -> Iterator[Instance]:
        """Yield those of *ids* that are there, as they were seen last."""
        return (self._seen[name] for name in ids if name in self._seen)

    def part(self, revision: int) -> Counts:
        """Return the named members of a group, counted."""
        there = self._apart[revision]
        return there.counts(there.live)

    def witnessed(self, revision: int) -> int:
        """Return how many different members were proven so far, the named ones left out."""
        return self._members[revision].witnessed - self._apart[revision].witnessed

    def without(self, counts: Counts, ids: tuple[str, ...]) -> Counts:
        """Return *counts* as they will be when members begin to leave."""
        there = list(self.instances(ids))
        states = Counter(map(self._state, there))
        proven = sum(
            self._members[each.revision].has_proven(each.id)
            for each in there
            if self._state(each) is InstanceState.READY
        )
        return Counts(
            size=max(0, counts.size - len(ids)),
            starting=counts.starting - states[InstanceState.STARTING],
            ready=counts.ready - states[InstanceState.READY],
            proven=counts.proven - proven,
            unready=counts.unready - states[InstanceState.UNREADY],
            leaving=counts.leaving + len(ids),
        )

    def overdue(self, revision: int) -> tuple[str, ...]:
        """Return the members that should have become READY by now."""
        return tuple(self._members[revision].overdue)

    def late(self) -> Late:
        """Return how many boots of the timed revision take longer than usual."""
        if self._timed is None:
            return Late()
        members = self._members[self._timed]
        zones = members.each_zone(InstanceState.STARTING)
        starting = (map(self._seen.__getitem__, names) for names in zones)
        return self._lateness.late(starting, members.states[InstanceState.STARTING], self.at)

    def leaving(self, revision: int) -> tuple[str, ...]:
        """Return the members that were sent to retire and aren't gone."""
        leaving = self._members[revision].of(InstanceState.DRAINING)
        return tuple(name for name in leaving if name in self.retiring)

    def boots(self, revision: int) -> tuple[float, ...]:
        """Return how many seconds READY members took from launch, sorted; of many some.

        One that was not READY for a while counts from its last recovery; what took longer than a
        boot may take is left out for that.
        """
        ready = (self._seen[name] for name in self._members[revision].of(InstanceState.READY))
        taken = (each.ready_since - each.launched_at for each in ready if each.ready_since)
        return _some(each for each in taken if 0 < each <= self._boot_timeout)

    def goings(self) -> tuple[float, ...]:
        """Return how many seconds it took until members that were sent to retire were gone.

        As far as this controller has seen both; sorted, of many some. To the nearest look.
        """
        return _some(each for each in self._goings if each > 0)

    def _age(self, members: Members, state: InstanceState) -> float | None:
        """Return for how many seconds the first of those who boot, or were sent, have done so."""
        first = [self._seen[name] for name in members.first(state)]
        if state is InstanceState.STARTING:
            began = [each.launched_at for each in first]
        else:
            began = [self._sent[each.id] for each in first if each.id in self._sent]
        return self.at - min(began) if began else None

    def awaited(self) -> tuple[Awaited, ...]:
        """Return what is about to change by itself: of each kind the one that began first."""
        found: list[Awaited] = []
        for number in self.groups.keys() | self._members.keys():
            each, members, boots = self.counts(number), self._members[number], self._boots[number]
            listed = number not in self.groups or each.size == each.live
            if each.unready or not listed:
                # They recover at any time; but who isn't even listed boots as long as others do.
                late = each.unready or each.size < each.live
                found.append(Awaited(usual=None if late else boots.usual))
            if each.starting:
                first = self._age(members, InstanceState.STARTING) or 0.0
                last = (self._seen[name] for name in members.last(InstanceState.STARTING))
                young = self.at - max((one.launched_at for one in last), default=self.at)
                found.append(Awaited(first, boots.usual, young, each.starting))
            if each.leaving:
                age = self._age(members, InstanceState.DRAINING)
                found.append(Awaited(age, self._leaves.usual) if age is not None else Awaited())
        return tuple(found)

    def pick(
        self,
        revision: int,
        count: int,
        which: Which,
        *,
        protected: bool,
        fits: Callable[[Instance], bool] | None = None,
    ) -> tuple[str, ...]:
        """Return the names of at most *count* members to retire.

        READY ones go from the zone that has most READY members of both groups; the oldest first,
        for a surplus the newest.

        Args:
            revision: Whose members.
            count: How many.
            which: Which of them.
            protected: Whether protected ones may go too.
            fits: Tells which ones only; None for all.
        """
        members = self._members[revision]

        def allowed(names: Iterable[str]) -> Iterator[str]:
            for each in (self._seen[name] for name in names):
                if (protected or not each.protected) and (fits is None or fits(each)):
                    yield each.id

        return picked(members, count, which, self._serving, allowed)


# 250 values: the middles of a hundred parts of them.     3 values: all.
def _some(values: Iterable[float]) -> tuple[float, ...]:
    """Return *values* sorted, of many a hundred at even distances."""
    listed = sorted(round(each, 3) for each in values)
    count = min(len(listed), _KEPT)
    return tuple(listed[(2 * n + 1) * len(listed) // (2 * count)] for n in range(count))
