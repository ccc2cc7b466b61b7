"""Who watches an exploration: what a rollout may never do, held against every event of the cloud.

It stands at the cloud and at the journal, past everything that the engine believes. What has to be
true of sizes and shares is `WatchedBackend`'s; here is what concerns whole rollouts: who may act,
what may go, how they end.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from inspect import iscoroutinefunction
from typing import Any, TypeVar

from attrs import define, field

from immutable import Plan, Status
from immutable.backend import Context, Group, Instance
from immutable.journal import Entry, Journal, Lease
from immutable.memory import Cloud, MemoryBackend
from immutable.memory.parts import SimulatedFleet
from immutable.model import PlanKind, Record, Route
from immutable.model.records import Committed, Ended, Entered, Ordered, Started, Turned
from immutable.planning.arithmetic import wanted_after
from immutable.planning.stateful import two_writers
from tests.support.world import DRAINING, NAME, READY, WatchedBackend

__all__ = ["Course", "Oracle"]

T = TypeVar("T")
LEEWAY = 120.0
"""Between asking whether an image may be launched and its launch a controller may be frozen (60 s),
and its call be late (20 s), twice."""
LONGEST_HOLD = 3_700.0
"""A hold lasts an hour at most; the rest is for clocks and pauses."""


@define
class Course:
    """What is known of a rollout from its records, and what it found at its start."""

    plan: Plan
    before: dict[int, Group]
    step: int = 0
    committed: bool = False
    back: bool = False
    ended: Status | None = None
    launched: bool = False
    fence: int = 0
    orders: list[str] = field(factory=list)


class Oracle(WatchedBackend):
    """The backend of an exploration.

    Attributes:
        events: At how many events everything was held against the rules.
        tell: Hears what happens: when, who, what, and the sizes after.
        courses: All rollouts so far, by their identifiers.
        revoked: Which images are revoked, and since when.
        forbidden: Since when the fleet's policy lets nothing pass; None while it does.
    """

    def __init__(self, cloud: Cloud) -> None:
        self.events = 0
        self.tell: Callable[[float, str, str, str], object] | None = None
        self.courses: dict[str, Course] = {}
        self.revoked: dict[str, float] = {}
        self.forbidden: float | None = None
        self._current: Course | None = None
        self._calling: Context | None = None
        self._grown: list[tuple[float, int]] = []
        self._volumes: dict[str, dict[str, str]] = {}
        self._served: defaultdict[int, set[str]] = defaultdict(set)
        super().__init__(cloud)
        self._resize, cloud.resize = cloud.resize, self._resized

    # -- what is told --------------------------------------------------------------------------

    def sizes(self) -> str:
        """Return the sizes, and how many serve, of each group."""
        fleet = self.cloud.fleets[NAME]
        ready = dict.fromkeys(fleet.groups, 0)
        leaving = 0
        for server in fleet.servers.values():
            leaving += server.seen.state is DRAINING
            if server.seen.state is READY:
                ready[server.seen.revision] += 1
        groups = [
            f"r{number} {ready[number]}/{group.shown.size}"
            + (f" at {group.shown.weight:g} %" if group.shown.weight is not None else "")
            for number, group in sorted(fleet.groups.items())
        ]
        return ", ".join(groups) + (f", {leaving} leaving" if leaving else "")

    def say(self, who: str, what: str) -> None:
        """Tell of something, if anybody listens."""
        if self.tell is not None:
            self.tell(self.cloud.at, who, what, self.sizes())

    def fault(self, what: str) -> None:
        """Take note of something that must not be."""
        if len(self.breaches) < 20:
            self.breaches.append(f"{self.cloud.at:.1f}: {what}")
        self.say("RULES", what)

    # -- the cloud -----------------------------------------------------------------------------

    def _notice(self, fleet: SimulatedFleet, instance: Instance) -> None:
        known = len(self.breaches)
        super()._notice(fleet, instance)
        if instance.state is READY:
            self._served[instance.revision].add(instance.id)
        self.say("cloud", f"{instance.id} of r{instance.revision} is {instance.state.value}")
        for what in self.breaches[known:]:
            self.say("RULES", what)
        self._hold_rules()

    def _hold_rules(self) -> None:
        """What has to be true at any time."""
        self.events += 1
        fleet, course = self.cloud.fleets[NAME], self._current
        if len(fleet.groups) > 2:
            self.fault(f"groups {sorted(fleet.groups)}: more than stable and candidate")
        for number, group in fleet.groups.items():
            hold = group.shown.hold
            if hold is not None and not (
                hold.rollout and hold.until <= self.cloud.at + LONGEST_HOLD
            ):
                self.fault(f"the hold of r{number} has no owner or no end: {hold}")
        self._hold_volumes(fleet)
        returnable = course is None or course.committed or course.ended
        if not returnable and course.plan.stable.number not in fleet.groups:
            self.fault(f"stable, r{course.plan.stable.number}, can't be brought back any more")

    def _hold_volumes(self, fleet: SimulatedFleet) -> None:
        """No volume has two writers, and none is lost or exchanged."""
        for what in two_writers(server.seen for server in fleet.servers.values()):
            self.fault(what)
        for name, slot in fleet.slots.items():
            known = self._volumes.setdefault(name, dict(slot.volumes))
            if known != slot.volumes:
                self.fault(f"slot {name} had {known}, and has {slot.volumes}")
        if lost := self._volumes.keys() - fleet.slots.keys():
            self.fault(f"slots {sorted(lost)} are gone")

    def _resized(self, name: str, revision: int, size: int) -> Any:
        """Somebody else changes a size: the bounds are of the N before, or of that after."""
        before = self.cloud.group(name, revision).shown
        answer = self._resize(name, revision, size)
        after = self.cloud.group(name, revision).shown.size
        if after != before.size:
            self._follow(before, after)
            self.say("scaler", f"r{revision} from {before.size} to {after}")
        return answer

    def _follow(self, before: Group, size: int) -> None:
        """Count with the N that such a change leads to, and with that of who takes no notice."""
        self._grown.append((self.cloud.at, max(0, size - before.size)))
        bounds = before.minimum, before.maximum
        each = self.least_wanted, self.most_wanted
        reached = [wanted_after(wanted, before.size, size, *bounds) for wanted in each]
        self.least_wanted = min(self.least_wanted, *(to - 1 for to in reached))
        self.most_wanted = max(self.most_wanted, *(to + 1 for to in reached))

    @property
    def ceiling(self) -> int:
        """What may exist, and what others have launched that could not be seen yet."""
        return super().ceiling + sum(by for at, by in self._grown if at >= self._decided)

    @property
    def floor(self) -> int:
        return max(0, super().floor)

    # -- calls ---------------------------------------------------------------------------------

    def _call(self, name: str, effect: Callable[[], T]) -> T:
        context, self._calling = self._calling, None
        if context is None:
            self.events += 1
            return super()._call(name, effect)
        return super()._call(name, lambda: self._watched(name, context, effect))

    def _watched(self, name: str, context: Context, effect: Callable[[], T]) -> T:
        before, known = self._picture(), len(self.breaches)
        try:
            return effect()
        finally:
            after = self._picture()
            if before != after:
                self.say(context.rollout[-6:], f"{name}, as lease {context.fence}")
                self._hold_call(name, context, before, after)
            for what in self.breaches[known:]:
                self.say("RULES", what)
            self._hold_rules()

    def _picture(self) -> tuple[dict[int, Group], int]:
        fleet = self.cloud.fleets[NAME]
        leaving = sum(server.seen.state is DRAINING for server in fleet.servers.values())
        return {number: group.shown for number, group in fleet.groups.items()}, leaving

    def _hold_call(self, name: str, context: Context, before: Any, after: Any) -> None:
        """What has to be true of a call that changed something."""
        course = self.courses.get(context.rollout)
        if course is None:
            self.fault(f"{name} by rollout {context.rollout}, which is in no journal")
            return
        if course.ended not in (None, Status.CANCELLED):
            self.fault(f"{name} by a rollout that has ended {course.ended.value}")
        if course is not self._current and course.ended is None:
            self.fault(f"{name} by a rollout beside another one")
        if context.fence < course.fence:
            self.fault(f"{name} as lease {context.fence}, after lease {course.fence} has acted")
        course.fence = max(course.fence, context.fence)
        candidate = course.plan.candidate.number
        if name == "route" and not course.back and course.plan.kind is PlanKind.REPLACE:
            was, now = before[0][candidate].weight, after[0][candidate].weight
            stages = [
                s.candidate for s in course.plan.steps[: course.step + 1] if isinstance(s, Route)
            ]
            if now > max([was, *stages[-1:]]):
                self.fault(f"the candidate gets {now:g} %, its stages are {stages}")
        if name == "grow" and candidate in before[0]:
            self._hold_launch(course, before[0][candidate], after[0].get(candidate))
        stable = course.plan.stable.number
        if stable in before[0] and stable not in after[0] and not course.committed:
            self.fault("stable was deleted before the point of no return was on record")

    def _hold_launch(self, course: Course, before: Group, after: Group | None) -> None:
        """What is revoked is not launched, nor is what the policy lets not pass."""
        grown = after is not None and after.size > before.size
        if not grown or course.plan.kind is PlanKind.SCALE or course.committed:
            return
        image, now = course.plan.candidate.image.artifact, self.cloud.at
        if now - self.revoked.get(image, now) > LEEWAY:
            self.fault(f"{image} is launched, {now - self.revoked[image]:g} s after it was revoked")
        if self.forbidden is not None and not course.launched and now - self.forbidden > LEEWAY:
            self.fault(f"{image} is launched, {now - self.forbidden:g} s after it was forbidden")
        course.launched = True

    # -- records -------------------------------------------------------------------------------

    def attend(self, journal: Journal) -> None:
        """Read along whatever is written into a journal."""
        begin, append = journal.begin, journal.append

        async def begun(entry: Entry, records: Sequence[Record]) -> Lease:
            lease = await begin(entry, records)
            self._begun_one(entry, records)
            return lease

        async def appended(lease: Lease, records: Sequence[Record]) -> int:
            orders = await append(lease, records)
            for record in records:
                self._read(lease.rollout, record)
            return orders

        journal.begin, journal.append = begun, appended  # type: ignore[method-assign]

    def _begun_one(self, entry: Entry, records: Sequence[Record]) -> None:
        groups = {n: group.shown for n, group in self.cloud.fleets[NAME].groups.items()}
        for server in self.cloud.fleets[NAME].servers.values():
            if server.seen.state is READY:
                self._served[server.seen.revision].add(server.seen.id)
        course = self.courses[entry.rollout] = self._current = Course(entry.plan, groups)
        started = next(record for record in records if isinstance(record, Started))
        self.begin(entry.plan.limits, started.wanted)
        self.ready_at_start = min(self.ready_at_start, started.ready)
        self._begun, self._grown = False, []
        for old in started.groups:
            new = groups.get(old.number)
            if new is not None and new.size != old.size:
                self._follow(old, new.size)  # Since the look that the rollout begins with.
        self.say(entry.rollout[-6:], f"begins: {entry.plan.kind.value}, {entry.plan.strategy}")
        for record in records:
            if isinstance(record, Ended):
                course.ended = record.status

    def _read(self, rollout: str, record: Record) -> None:
        course = self.courses[rollout]
        match record:
            case Entered(step):
                course.step = step
            case Committed():
                course.committed = True
                self._hold_commit(course)
            case Turned():
                course.back = True
            case Ordered(_, order):
                course.orders.append(order.value)
                # An order may turn it round, which the ledger infers and no record says.
                course.back = course.back or order.value == "abort"
            case Ended(status, reason, left):
                course.ended = status
                self.say(rollout[-6:], f"ends {status.value}: {reason} {'; '.join(left)}")
                self._hold_end(course, record)
        if isinstance(record, (Entered, Committed, Turned, Ordered)):
            self.say(rollout[-6:], str(record))

    def _hold_commit(self, course: Course) -> None:
        """Who has never served proves nothing: there is no way back from here."""
        if course.plan.kind is not PlanKind.REPLACE or course.back:
            return
        served = len(self._served[course.plan.candidate.number])
        if served < self.least_wanted:
            self.fault(f"past the point of no return, and {served} of the candidate have served")

    def _hold_end(self, course: Course, end: Ended) -> None:
        """Whole on the new revision, whole as it was, or a list of what is left."""
        groups = {n: group.shown for n, group in self.cloud.fleets[NAME].groups.items()}
        if end.status in (Status.FAILED, Status.CANCELLED):
            if not end.left:
                self.fault(f"it ended {end.status.value} and does not say what is left")
            return
        stable, candidate = course.plan.stable.number, course.plan.candidate.number
        if not course.fence and list(groups) == list(course.before):
            return  # It found the fleet in another's hands, and did nothing.
        if end.status is Status.ROLLED_BACK or course.plan.kind is not PlanKind.REPLACE:
            wrong = self._unlike(course, groups, stable)
        elif end.left:
            wrong = [] if candidate in groups else ["the candidate is not there"]
        else:
            wrong = self._not_new(course, groups, candidate)
        for what in wrong:
            self.fault(f"it ended {end.status.value}, and {what}")

    def _not_new(self, course: Course, groups: dict[int, Group], number: int) -> list[str]:
        if list(groups) != [number]:
            return [f"there are groups {sorted(groups)}"]
        group, found = groups[number], list[str]()
        if group.revision != course.plan.candidate:
            found.append(f"its revision is {group.revision}")
        servers = self.cloud.fleets[NAME].servers.values()
        if {server.seen.revision for server in servers} - {number}:
            found.append("there are servers of another revision")
        return [*found, *self._unfinished(group, course)]

    def _unlike(self, course: Course, groups: dict[int, Group], number: int) -> list[str]:
        if list(groups) != [number]:
            return [f"there are groups {sorted(groups)}"]
        old, new = course.before[number], groups[number]
        facts = [
            (name, min(was, new.size) if name == "minimum" else was, now)
            for name, was, now in (
                ("minimum", old.minimum, new.minimum),
                ("maximum", old.maximum, new.maximum),
                ("weight", None, new.weight),
                ("revision", old.revision, new.revision),
            )
        ]
        found = [f"its {name} was {was} and is {now}" for name, was, now in facts if was != now]
        return [*found, *self._unfinished(new, course)]

    def _unfinished(self, group: Group, course: Course) -> list[str]:
        found = []
        # Of two groups that an earlier rollout has left either may have them.
        settings = {k: v for old in course.before.values() for k, v in old.settings.items()}
        if group.hold is not None:
            found.append(f"r{group.number} is held by {group.hold.rollout}")
        if group.settings != settings:
            found.append(f"its settings were {settings} and are {group.settings}")
        if not self.least_wanted <= group.size <= self.most_wanted:
            wanted = f"{self.least_wanted} to {self.most_wanted} are wanted"
            found.append(f"r{group.number} has size {group.size}, {wanted}")
        return found


def _acting(name: str) -> Any:
    """Return a method that says on whose behalf it is called."""

    async def call(self: Oracle, *args: Any, **named: Any) -> Any:
        self._calling = named.get("ctx") or args[-1]
        return await getattr(MemoryBackend, name)(self, *args, **named)

    return call


for _name in (
    "create_revision",
    "grow",
    "settle",
    "retire",
    "route",
    "delete_revision",
    "hold",
    "release",
    "snapshot",
):
    assert iscoroutinefunction(getattr(MemoryBackend, _name))
    setattr(Oracle, _name, _acting(_name))
