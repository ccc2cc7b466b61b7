"""From the records and the census to the questions that `immutable.planning` answers."""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve

from immutable.engine.hedging import Hedging
from immutable.engine.session import Session
from immutable.engine.watch import Watch
from immutable.model import (
    Action,
    Bake,
    Capabilities,
    Commit,
    Delete,
    Group,
    Grow,
    HoldGroup,
    Instance,
    OnProtected,
    PlanKind,
    Reroute,
    Resize,
    Retire,
    Settle,
    Step,
    Trouble,
    TroubleKind,
)
from immutable.planning import script
from immutable.planning.arithmetic import Counts, floor, window
from immutable.planning.bounds import longest
from immutable.planning.comparison import differences
from immutable.planning.goals import Goals, goals, share
from immutable.planning.hedging import Late
from immutable.planning.invariants import Standing, breaches, left_over, needed
from immutable.planning.kernel import Give, Move, Raise, Reached, Shrink, Situation, Which
from immutable.planning.renewing import named, parts, renewal_goals

__all__ = ["Mind"]

_REFILLS = 3


class Mind:
    """Puts together what a decision needs, and turns its answer into names.

    Args:
        session: The records.
        watch: The fleet.
        able: What the backend can do.
    """

    def __init__(self, session: Session, watch: Watch, able: Capabilities) -> None:
        self._session = session
        self._watch = watch
        self._able = able
        self._renews = named(session.plan)
        self._hedging = Hedging(session, watch)

    def _sides(self) -> tuple[int, int]:
        """Return the revision numbers of the group that gives and the one that gets."""
        plan = self._session.plan
        stable, candidate = plan.stable.number, plan.candidate.number
        return (candidate, stable) if self._session.ledger.back else (stable, candidate)

    @property
    def _step(self) -> Step:
        return self._session.plan.steps[self._session.ledger.step]

    def _weight(self) -> float | None:
        """Return the candidate's percentage of the traffic now; None without weights."""
        group = self._watch.census.groups.get(self._session.plan.candidate.number)
        return group.weight if group is not None else None

    def _floor(self) -> int:
        ledger = self._session.ledger
        return floor(window(self._session.plan.limits, ledger.wanted), ledger.ready)

    def _goals(self) -> Goals:
        ledger = self._session.ledger
        if isinstance(self._step, Resize):
            return Goals(stable=0, candidate=ledger.wanted)
        if self._renews:
            left = self._watch.census.part(self._session.plan.stable.number).live
            return renewal_goals(ledger.wanted, left, back=ledger.back)
        if ledger.back:
            # What serves stays until its traffic has moved.
            return Goals(ledger.wanted, needed(self._weight() or 0.0, self._floor()))
        steps = () if ledger.committed else self._session.plan.steps[: ledger.step + 1]
        return goals(steps, ledger.wanted)

    def _share(self) -> float | None:
        """Return the candidate's percentage of the traffic that is to be reached."""
        ledger, weight = self._session.ledger, self._weight()
        if not ledger.back:
            # A group that was there before keeps what it has until its first Route.
            first = weight or 0.0 if self._session.plan.kept else 0.0
            return share(self._session.plan.steps, ledger.step, first)
        if weight is None:
            return None
        counts, plan = self._watch.census.counts, self._session.plan
        here, there = counts(plan.stable.number).ready, counts(plan.candidate.number).ready
        return min(weight, left_over(here, there, self._floor(), self._able.weight_step))

    def _routable(self, wanted: float | None) -> bool:
        if wanted is None:
            return True
        plan, counts = self._session.plan, self._watch.census.counts
        stable, candidate = counts(plan.stable.number).ready, counts(plan.candidate.number).ready
        least = self._floor()
        return needed(wanted, least) <= candidate and needed(100 - wanted, least) <= stable

    def situation(self, *, short: bool) -> Situation:
        """Return what a decision about sizes depends on."""
        ledger, watch, goal = self._session.ledger, self._watch, self._goals()
        source, target = self._sides()
        sizes = window(self._session.plan.limits, ledger.wanted)
        giving, getting = self._counted(source, target)
        turned = ledger.back and not self._renews
        probe = goal.probe and not (ledger.probed or ledger.back or ledger.committed)
        hedged = self._hedging.may(goal) and not probe
        return Situation(
            window=sizes,
            floor=floor(sizes, ledger.ready),
            source=giving,
            target=getting,
            source_goal=goal.candidate if turned else goal.stable,
            target_goal=goal.stable if turned else goal.candidate,
            forward=not ledger.back,
            probing=probe,
            deficit=self._deficit(giving),
            overdue=len(watch.overdue(target, ledger)),
            witnessed=watch.census.witnessed(target),
            unsure=self._unsure,
            short=short,
            hedged=hedged,
            late=self._hedging.late(getting) if hedged else Late(),
        )

    @property
    def _unsure(self) -> bool:
        """Whether a call without an answer may still take effect, or had one that nobody saw."""
        ledger = self._session.ledger
        # A duplicate for which there was no room may be asked for still: it was above the goal.
        raised = ledger.unsure and self._hedging.planned
        return ledger.blind or bool(ledger.pending) or raised

    def late_in(self) -> float | None:
        """Return in how many seconds another boot is late and may have a duplicate, if any may."""
        if not self._hedging.may(self._goals()):
            return None
        counts = self._watch.census.counts(self._session.plan.candidate.number)
        return self._hedging.late(counts).soonest

    def _deficit(self, giving: Counts) -> int:
        """Return how many that give have been broken for long enough; named ones go anyhow."""
        if self._session.ledger.back:
            return 0
        return giving.live - giving.ready if self._renews else self._watch.deficit

    def _counted(self, source: int, target: int) -> tuple[Counts, Counts]:
        """Return both sides, counted; in a repair they are parts of one group."""
        pending = tuple(self._session.ledger.pending.values())
        getting = self._counts(target, pending)
        if self._renews:
            return parts(getting, self._watch.census.part(target))
        return (self._counts(source, pending) if source != target else Counts()), getting

    def _counts(self, number: int, pending: tuple[Action, ...]) -> Counts:
        """Return one side, counted; a rival's group of the candidate's number is none of ours."""
        return Counts() if self._is_foreign(number) else self._watch.counts(number, pending)

    def _is_foreign(self, number: int) -> bool:
        session, group = self._session, self._watch.census.groups.get(number)
        ours = session.plan.stable.number, session.lease.rollout
        if group is None or number == ours[0] or session.plan.kept:
            return False
        return group.rollout != ours[1]

    def facts(self, move: Move, halted: str, rested: bool) -> script.Facts:
        """Return what the order of things depends on.

        Args:
            move: The next move about sizes.
            halted: Why nothing may move, if so.
            rested: Whether the gates of a bake let it go on.
        """
        session, watch = self._session, self._watch
        ledger, groups = session.ledger, watch.census.groups
        stable, candidate = session.plan.stable.number, session.plan.candidate.number
        reached = isinstance(move, Reached) and (move.yes or self._is_restored())
        changed: tuple[str, ...] = ()
        if ledger.back and reached:
            after = tuple(groups.values())
            before = _alone(ledger.groups) if session.plan.kept else ledger.groups
            changed = differences(before, after, ledger.wanted, session.lease.rollout)
        return script.Facts(
            plan=session.plan,
            step=ledger.step,
            at=watch.census.at,
            fence=session.lease.fence,
            rollout=session.lease.rollout,
            stable=groups.get(stable),
            candidate=None if self._is_foreign(candidate) else groups.get(candidate),
            others=tuple(
                groups[number]
                for number in sorted(groups)
                if number not in (stable, candidate) or self._is_foreign(number)
            ),
            created=ledger.created,
            settled=watch.clear,
            answered=not ledger.pending,
            echoing=watch.echoing,
            share=(to := self._share()),
            routable=self._routable(to),
            halted=halted,
            rested=rested,
            kept=self._kept(),
            yielded=ledger.yielded,
            cancelled=ledger.cancelled,
            back=ledger.back,
            reason=ledger.reason,
            committed=ledger.committed,
            reached=reached,
            differences=changed,
            unsaved=self._unsaved(),
            saving=self._saves and any(slot.saving for slot in watch.census.slots),
            unrenewed=tuple(each.id for each in watch.census.instances(sorted(self._renews))),
        )

    def _is_restored(self) -> bool:
        """Whether a repair that has given up left the fleet with its size.

        It does not wait for new instances to be READY: that they are not may be why it gave up.
        """
        ledger = self._session.ledger
        if not (self._renews and ledger.back) or ledger.blind or ledger.pending:
            return False
        group = self._watch.census.counts(self._session.plan.stable.number)
        return group.size == ledger.wanted and not group.leaving

    @property
    def _saves(self) -> bool:
        stateful = self._session.plan.stateful
        return stateful is not None and stateful.snapshot

    def _unsaved(self) -> tuple[str, ...]:
        """Return the slots that somebody may get next, and that are not saved as they are."""
        slots = self._watch.census.slots if self._saves else ()
        return tuple(each.name for each in slots if not (each.holder or each.saved))

    def _kept(self) -> bool:
        """Whether stable is to stay for a while after the point of no return."""
        ledger, step = self._session.ledger, self._step
        if not (ledger.committed and isinstance(step, Commit)):
            return False
        over = self._watch.census.at >= ledger.committed_at + step.keep_stable
        return not over and ledger.promoted < ledger.step

    def action(self, now: Situation, move: Move) -> Action | None:
        """Return the action that carries *move* out; None if there is nothing to do but wait.

        The guard: an action that would break an invariant is not returned.
        """
        action, after = self._named(now, move)
        if action is None or self._session.ledger.blind or self._is_crossed(action):
            return None
        before = self._standing(now, now.source, now.target)
        return None if breaches(before, after) else action

    # Asked for 11 of 10, without an answer, and again, which worked; then one retired: 10. If the
    # first call came now, it would make them 11 once more. Two groups can't cross like that, unless
    # duplicates of late boots are taken away again.
    def _is_crossed(self, action: Action) -> bool:
        """Whether an earlier call may still arrive, and undo what is done next to one group."""
        falls = isinstance(action, (Retire, Settle)) and action.revision == self._sides()[1]
        same = bool(self._renews) or (self._hedging.planned and falls)
        return same and (bool(self._session.ledger.pending) or self._watch.echoing)

    def crossed_for(self, now: float) -> float | None:
        """Return in how many seconds no earlier call can arrive any more; None when none can."""
        return self._watch.echoes_in(now) if self._renews or self._hedging.planned else None

    def _standing(self, now: Situation, giving: Counts, getting: Counts) -> Standing:
        stands = Standing.of(now.window, now.floor, giving, getting, self._target_share())
        slots = self._session.ledger.slots
        return evolve(stands, slots=max(len(slots), now.window.wanted)) if slots else stands

    def _named(self, now: Situation, move: Move) -> tuple[Action | None, Standing]:
        source, target = self._sides()
        giving, getting = now.source, now.target
        action: Action | None = None
        match move:
            case Raise(by):
                size = self._watch.census.counts(target).size
                getting = evolve(getting, size=getting.size + by)
                beside = giving.size if self._renews else 0  # They are of the same group.
                action = Grow(target, getting.size + beside, expected=size)
            case Give(from_target, count, which):
                protected = self._session.plan.limits.on_protected is OnProtected.REPLACE
                number = target if from_target else source
                fits = self._fitting(which, from_target=from_target)
                ids = self._watch.census.pick(number, count, which, protected=protected, fits=fits)
                if from_target:
                    getting = self._watch.census.without(getting, ids)
                else:
                    giving = self._watch.census.without(giving, ids)
                action = Retire(number, ids) if ids else None
            case Shrink(_, True):
                getting = evolve(getting, size=getting.live)
                action = Settle(target)
            case Shrink():
                giving = evolve(giving, size=giving.live)
                action = Settle(source)
        return action, self._standing(now, giving, getting)

    def _fitting(self, which: Which, *, from_target: bool) -> Callable[[Instance], bool] | None:
        """Return which members of one group a repair may take; None outside of a repair."""
        if not self._renews:
            return None
        if not from_target:
            return lambda each: each.id in self._renews
        watch, ledger = self._watch, self._session.ledger
        if which is Which.OVERDUE:
            late = watch.overdue(self._session.plan.candidate.number, ledger)
            return lambda each: each.id in late
        return lambda each: each.id not in self._renews

    def _target_share(self) -> float | None:
        weight = self._weight()
        return 100 - weight if weight is not None and self._session.ledger.back else weight

    def permits(self, now: Situation, action: Action) -> bool:
        """Whether the invariants hold after an action that is not about sizes: the guard again."""
        plan, ledger = self._session.plan, self._session.ledger
        if ledger.blind and not isinstance(action, HoldGroup):
            return False
        before = Standing.of(now.window, now.floor, now.source, now.target)
        stage = self._share()
        before = evolve(
            before,
            share=self._weight() or 0.0,
            stage=100.0 if stage is None else stage,
        )
        after = before
        match action:
            case Reroute(_, weights):
                after = evolve(before, share=weights[plan.candidate.number])
            case Delete(number) if number == plan.stable.number:
                after = evolve(before, can_return=ledger.committed)
        return not breaches(before, after)

    def verdict(self, now: float, wall: float) -> str | None:
        """Return why the rollout must not go on, if so.

        Args:
            now: The loop's time.
            wall: The wall-clock time.
        """
        ledger, plan = self._session.ledger, self._session.plan
        stuck = self._watch.stuck(now)
        if stuck > plan.limits.deadline:
            why = f"no progress for {stuck:.0f} s, the deadline is {plan.limits.deadline:.0f} s"
            trouble = self._trouble()
            return f"{why}; the last trouble was: {trouble.message}" if trouble else why
        if ledger.back or ledger.committed:
            return None
        trouble = self._trouble()
        if trouble is not None and trouble.kind is TroubleKind.REFUSED:
            return trouble.message
        if plan.kind is PlanKind.SCALE:
            return None
        if ledger.refills >= _REFILLS:
            return (
                f"somebody has brought r{plan.stable.number} back to its first size"
                f" {ledger.refills} times; stop what sets it"
            )
        failures = plan.limits.failures(ledger.wanted)
        if len(ledger.failed) >= failures:
            return f"{len(ledger.failed)} candidate instances failed, {failures} are too many"
        most = longest(plan.limits, window(plan.limits, ledger.wanted), self._able.terminate)
        waited = self._watch.suspended + ledger.waited + self.waiting()
        if wall - self._session.entry.started_at - waited > most:
            return f"it took longer than {most:.0f} s"
        return None

    def outdone(self) -> int | None:
        """Return the number of a later lease under which somebody holds a group, if so.

        Only who found the rollout by its marks, with another journal, has one that ours knows
        nothing of.
        """
        lease = self._session.lease
        holds = (group.hold for group in self._watch.census.groups.values())
        fences = [hold.fence for hold in holds if hold and hold.rollout == lease.rollout]
        latest = max(fences, default=0)
        return latest if latest > lease.fence else None

    def waiting(self) -> float:
        """Return the seconds of the present step that no deadline counts."""
        ledger, at = self._session.ledger, self._watch.census.at
        if isinstance(self._step, Bake):
            return at - ledger.entered_at
        return at - ledger.paused_at if ledger.paused else 0.0

    def ends_in(self) -> float | None:
        """Return in how many seconds the time of a bake, or for which stable is kept, is over."""
        ledger, at = self._session.ledger, self._watch.census.at
        if ledger.back:
            return None
        match self._step:
            case Bake(seconds) if at < ledger.entered_at + seconds:
                return ledger.entered_at + seconds - at
            case Commit(seconds) if ledger.committed and at < ledger.committed_at + seconds:
                return ledger.committed_at + seconds - at
        return None

    def _trouble(self) -> Trouble | None:
        """Return why the group that grows doesn't, if the backend knows."""
        group = self._watch.census.groups.get(self._sides()[1])
        return group.trouble if group else None


def _alone(groups: tuple[Group, ...]) -> tuple[Group, ...]:
    """Return how stable is to be once the group that an earlier rollout had left is given up.

    It has all of the traffic and no weight, and the fleet's settings, whichever group had them.
    """
    settings = {name: text for group in groups for name, text in group.settings.items()}
    return tuple(evolve(group, weight=None, settings=settings) for group in groups[:1])
