"""Engines that are broken on purpose: each breaks one rule, and the exploration must see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from attrs import evolve

from immutable.engine import driver, mind
from immutable.engine.hands import Hands
from immutable.model.records import Intended
from immutable.planning import arithmetic, kernel, script
from immutable.planning.kernel import Reached

__all__ = ["MUTANTS", "broken"]

Change = tuple[Any, str, Any]


def _floor_off_by_one() -> list[Change]:
    """One more may go than may be missing, in the decision and in the guard."""
    real = arithmetic.floor
    least = kernel.Situation.least
    return [
        (mind, "floor", lambda limits, ready: real(limits, ready) - 1),
        (kernel.Situation, "least", property(lambda now: least.fget(now) - 1)),
    ]


def _surge_off_by_one() -> list[Change]:
    """One more may exist than the surge allows."""
    real = mind.window

    def window(limits: Any, wanted: int) -> Any:
        sizes = real(limits, wanted)
        return evolve(sizes, surge=sizes.surge + 1)

    return [(mind, "window", window)]


def _leaving_forgotten() -> list[Change]:
    """Who is leaving has left: the common reading of "how many are there"."""

    def room(limits: Any, *groups: Any) -> int:
        return limits.wanted + limits.surge - sum(group.exists for group in groups)

    def of(cls: Any, window: Any, floor: int, source: Any, target: Any, share: Any = None) -> Any:
        return real(window, floor, evolve(source, leaving=0), evolve(target, leaving=0), share)

    real = mind.Standing.of
    return [(arithmetic, "room", room), (mind.Standing, "of", classmethod(of))]


def _commit_too_early() -> list[Change]:
    """A step is reached as soon as the sizes are asked for, whoever has proven itself."""
    real = kernel._reached

    def reached(now: Any) -> Reached:
        asked = now.target.size == now.target_goal and not now.unsure
        return Reached(True, "asked for") if asked else real(now)

    return [(kernel, "_reached", reached)]


def _deletes_first() -> list[Change]:
    """Stable's group goes before the point of no return is on record."""
    real = script._stepping

    def stepping(facts: Any, stable: Any, candidate: Any) -> Any:
        if isinstance(facts.plan.steps[facts.step], script.Commit) and stable.size == 0:
            return script.Act(script.Delete(stable.number), "it is empty anyhow")
        return real(facts, stable, candidate)

    return [
        (script, "_stepping", stepping),
        (mind.Mind, "permits", lambda self, now, action: True),
    ]


def _hold_not_released() -> list[Change]:
    """It ends without letting go."""

    def backward(facts: Any) -> Any:
        act = real(facts)
        released = isinstance(act, script.Act) and isinstance(act.action, script.Release)
        return script.Ends(script.Status.ROLLED_BACK, facts.reason) if released else act

    real = script._backward
    return [(script, "_backward", backward)]


def _all_at_once() -> list[Change]:
    """The candidate gets all of the traffic at its first stage."""
    real = mind.share

    def share(steps: Any, step: int, first: float = 0.0) -> float | None:
        part = real(steps, step, first)
        return 100.0 if part else part

    return [(mind, "share", share)]


def _not_in_the_journal() -> list[Change]:
    """It acts, and writes down afterwards."""

    async def act(self: Hands, actions: Any) -> Any:
        session, intended = self._session, []
        for action, why in actions:
            intended.append(Intended(session.token(action), action, why))
            session.note(intended[-1])
        done = tuple([await self._do(each) for each in intended])
        await session.write()
        return done

    return [(Hands, "_act", act)]


def _settings_left_behind() -> list[Change]:
    """Stable is deleted before its scaling settings are handed over."""
    real = script._after_commit

    def after_commit(facts: Any) -> Any:
        act = real(facts)
        handing = isinstance(act, script.Act) and isinstance(act.action, script.Release)
        if handing and facts.stable is not None and facts.reached:
            return script.Act(script.Delete(facts.stable.number), "first")
        return act

    return [(script, "_after_commit", after_commit)]


def _admitted_once_for_all() -> list[Change]:
    """Whether an image may be launched is asked when the rollout begins, and not again."""

    async def own(self: Hands) -> None:
        await self._session.own()

    async def admit(self: Any) -> None:
        self._admitted = True

    return [(Hands, "_may_launch", own), (driver._Driver, "_admit", admit)]


MUTANTS: dict[str, Callable[[], list[Change]]] = {
    "the floor is off by one": _floor_off_by_one,
    "the surge is off by one": _surge_off_by_one,
    "who is leaving does not count": _leaving_forgotten,
    "commits before anybody is proven": _commit_too_early,
    "stable is deleted before the commit": _deletes_first,
    "the hold is not released": _hold_not_released,
    "all of the traffic at the first stage": _all_at_once,
    "acts before it writes": _not_in_the_journal,
    "settings are left behind": _settings_left_behind,
    "what is revoked on the way is launched": _admitted_once_for_all,
}


@contextmanager
def broken(name: str) -> Iterator[None]:
    """Let the engine be broken in this way as long as the block lasts."""
    changes = MUTANTS[name]()
    before = [(where, what, vars(where)[what]) for where, what, _ in changes]
    for where, what, new in changes:
        setattr(where, what, new)
    try:
        yield
    finally:
        for where, what, old in before:
            setattr(where, what, old)
