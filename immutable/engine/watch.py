"""What an observation means for a rollout: who changed a size, who failed, whether it moves on."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from attrs import evolve

from immutable.engine.census import Census, Changes
from immutable.engine.lasting import Lasting
from immutable.engine.ledger import Ledger
from immutable.model import (
    Action,
    Capabilities,
    FleetState,
    Grow,
    Instance,
    InstanceState,
    Plan,
    PlanKind,
    Record,
)
from immutable.model.records import Failed, Proved, Resized, Resynced
from immutable.planning.arithmetic import Counts, wanted_after
from immutable.planning.kernel import Situation
from immutable.planning.renewing import named
from immutable.planning.stateful import lost

__all__ = ["Watch"]


class Watch:
    """The eyes of a rollout: the census, and everything that is told from its course in time.

    Args:
        plan: What is carried out.
        able: What the backend can do, and how late it shows and acts.
        now: The loop's time.

    Attributes:
        census: The members and groups.
        cursor: Where the next observation goes on.
        settled: Whether everything that was done so far must be visible.
        doubtful: Whether a size was seen for the first time that isn't as our last action left
            it: acting on it now would lose the difference.
        echoing: Whether an attempt that got no answer, of a call that was repeated since, may have
            taken effect after what was seen last, or may yet.
        suspended: Seconds that no deadline counts.
    """

    def __init__(self, plan: Plan, able: Capabilities, now: float) -> None:
        limits = plan.limits
        timed = plan.candidate.number if plan.hedges else None
        self.census = Census(
            limits.min_ready, limits.boot_timeout, able.staleness, named(plan), timed
        )
        self.cursor: int | None = None
        self.settled = False
        self._plan = plan
        self._staleness = able.staleness
        self._late_effect = able.late_effect
        self._heals = able.heals
        self._odd: dict[int, int] = {}  # By how much each size was other than expected.
        self._acted = now
        self._doubt_since = now
        self._echo_until = -inf
        self._deficit = Lasting(plan.limits.boot_timeout)
        self._most_ready = -1
        self._least_source: float = inf
        self._least_gap: float = inf
        self._moved = now
        self.doubtful = False
        self.echoing = False
        self.suspended = 0.0

    # -- looking -------------------------------------------------------------------------------

    def look(self, state: FleetState, asked: float, now: float, ledger: Ledger) -> list[Record]:
        """Take an observation in that was asked for at loop time *asked*.

        Returns:
            What the journal should know about it.
        """
        self.settled = not self._staleness or asked - self._staleness > self._acted
        self.echoing = asked - self._staleness <= self._echo_until
        changes = self.census.absorb(state, groups=self.settled or not self.census.groups)
        if ledger.found:
            # Whoever sent them, the rollout did: they are advanced like those that we send.
            draining = (e.id for e in state.instances if e.state is InstanceState.DRAINING)
            self.census.retire(draining)
        self.cursor = state.cursor
        records = list(self._attribute(now, ledger))
        records += self._judge(changes, ledger)
        stable = self.census.counts(self._plan.stable.number)
        self._deficit.watch(now, stable.broken)
        return records

    def _attribute(self, now: float, ledger: Ledger) -> Iterator[Record]:
        """Say who changed the sizes that are not as our last action left them."""
        self.doubtful = False
        if not self.settled:
            return
        found = {number: group.size for number, group in self.census.groups.items()}
        if ledger.unsure or ledger.pending or ledger.blind:
            waited = now - self._doubt_since >= self._late_effect
            if waited or not (ledger.pending or ledger.blind):
                yield Resynced(found, self._forgive(ledger))
            return
        odd = {n: size - ledger.size(n) for n, size in found.items() if size != ledger.size(n)}
        wanted = ledger.wanted
        for number, by in odd.items():
            expected, size = ledger.size(number), found[number]
            # One look may be wrong: a size of 0 beside ten live members has been reported by a
            # real cloud. Two in a row must agree, and a smaller size must show in the members.
            shown = by > 0 or self.census.counts(number).live <= size
            if self._odd.get(number) == by and shown:
                wanted = self._wanted_after(ledger, wanted, number, size)
                yield Resized(number, expected, size, wanted)
            else:
                group = self.census.groups[number]
                self.census.groups[number] = evolve(group, size=expected)
        self.doubtful = any(self._odd.get(number) != by for number, by in odd.items())
        self._odd = odd

    def _wanted_after(self, ledger: Ledger, wanted: int, number: int, size: int) -> int:
        """Return N after somebody else gave a group another size."""
        before, expected = ledger.groups[0], ledger.size(number)
        extra = number == self._plan.candidate.number and self._plan.hedges
        if extra and size < expected > wanted:
            # 12 of 10, two of them duplicates; somebody made them 11: no fewer are wanted. 8: 8.
            expected, size = wanted, min(size, wanted)
        refilled = number == before.number and size == before.size > expected
        fell = size < expected and not self._heals
        if self._plan.kind is PlanKind.SCALE or refilled or fell:
            # Brought back to where it was: by one who remembers a size, not by one who wants more.
            return wanted
        return wanted_after(wanted, expected, size, before.minimum, before.maximum)

    def _forgive(self, ledger: Ledger) -> tuple[str, ...]:
        """Members whose retirement got no answer, and that still serve, were not retired."""
        spared = self.census.serving(ledger.unanswered())
        self.census.spare(spared)
        return spared

    def _judge(self, changes: Changes, ledger: Ledger) -> Iterator[Record]:
        """Say which candidate instances failed, and whether the first has proven the image."""
        candidate = self._plan.candidate.number
        if self._plan.kind is PlanKind.SCALE or ledger.back or ledger.committed:
            return
        died = [
            each.id for each in changes.died
            if each.revision == candidate and each.id not in ledger.failed
            and self._is_new(each, ledger)
        ]  # fmt: skip
        if died:
            yield Failed(tuple(died), "died")
        overdue = [name for name in self.overdue(candidate, ledger) if name not in ledger.failed]
        if overdue:
            yield Failed(tuple(overdue), "not READY in time")
        proven = [each.id for each in changes.proven if each.revision == candidate]
        if proven and not ledger.probed and self._plan.kind is PlanKind.REPLACE:
            yield Proved(proven[0])

    def _is_new(self, instance: Instance, ledger: Ledger) -> bool:
        """Whether this rollout had an instance launched; in a repair others are of its revision."""
        if self._plan.kind is not PlanKind.REPAIR:
            return True
        return instance.launched_at >= ledger.began_at

    def overdue(self, revision: int, ledger: Ledger) -> tuple[str, ...]:
        """Return the new members that should have become READY by now."""
        late = self.census.overdue(revision)
        return tuple(e.id for e in self.census.instances(late) if self._is_new(e, ledger))

    @property
    def clear(self) -> bool:
        """Whether what is seen is all that there is: settled, and no size is still in doubt."""
        return self.settled and not self._odd

    def echoes_in(self, now: float) -> float | None:
        """Return in how many seconds a look tells that no echo can come; None when none can."""
        return max(0.0, self._echo_until + self._staleness - now) if self.echoing else None

    def settles_in(self, now: float) -> float:
        """Return in how many seconds a look must show everything that was done so far."""
        return max(0.0, self._acted + self._staleness - now)

    # -- acting --------------------------------------------------------------------------------

    def acted(self, now: float, *, doubtful: bool, echo: bool = False) -> None:
        """Note that a call ended, with or without an answer, or with one to a repetition."""
        self._acted = now
        if echo:
            self.echoing, self._echo_until = True, now + self._late_effect
        self.settled = False
        if doubtful:
            self._doubt_since = now

    def doubt_since(self, then: float) -> None:
        """Note since when no more calls can have been made by those who made them before us."""
        self._doubt_since = then

    def dealt_with(self, count: int) -> None:
        """Note that *count* long-broken members of stable are being retired."""
        self._deficit.lower(count)

    # -- asking --------------------------------------------------------------------------------

    def counts(self, revision: int, pending: tuple[Action, ...]) -> Counts:
        """Return one group, counted; a launch without an answer counts as made."""
        counts = self.census.counts(revision)
        asked = [a.size for a in pending if isinstance(a, Grow) and a.revision == revision]
        if not asked or max(asked) <= counts.size:
            return counts
        return evolve(counts, size=max(asked))

    @property
    def deficit(self) -> int:
        """How many of stable have long been short of READY."""
        return self._deficit.least

    def harm(self, ledger: Ledger) -> tuple[str, ...]:
        """Return what is wrong with the volumes: lost ones, and slots that two may write to."""
        if not ledger.slots:
            return ()
        return lost(ledger.slots, self.census.slots) + self.census.holders.two_writers()

    def progress(self, situation: Situation, now: float) -> None:
        """Note what got better than ever: more READY, less to give up, nearer to the goal."""
        ready = situation.target.ready
        source = situation.source.exists + situation.source.leaving
        gap = abs(situation.target.size - situation.target_goal)
        better = ready > self._most_ready or source < self._least_source or gap < self._least_gap
        if better:
            self._moved = now
        self._most_ready = max(self._most_ready, ready)
        self._least_source = min(self._least_source, source)
        self._least_gap = min(self._least_gap, gap)

    def restart(self, now: float) -> None:
        """Begin to measure progress anew: another step, or the other direction."""
        self._most_ready, self._least_source, self._least_gap = -1, inf, inf
        self._moved = now

    def suspend(self, now: float) -> None:
        """Let no deadline run: what is waited for is up to the user."""
        self.suspended += now - self._moved
        self.rest(now)

    def rest(self, now: float) -> None:
        """Expect no progress meanwhile, by a bake or a pause: the records count that time."""
        self._moved = now

    def stuck(self, now: float) -> float:
        """Return for how many seconds nothing has moved."""
        return now - self._moved
