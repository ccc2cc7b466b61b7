"""What the steps of a plan lead to: sizes, shares, gates. Pure."""

from __future__ import annotations

from attrs import frozen

from immutable.model import Bake, Commit, Gate, Route, Shift, Step
from immutable.model.quantities import rounded_up, share_of

__all__ = ["Goals", "gates", "goals", "needed_surge", "share", "waits", "watching"]


@frozen
class Goals:
    """The sizes that a step leads to.

    Attributes:
        stable: What stable has when the step is reached.
        candidate: What the candidate has then.
        probe: Whether the first candidate instance must prove the image first.
    """

    stable: int
    candidate: int
    probe: bool = False


# Steps Shift(5, 95), Bake, Shift(100, 0), Commit, N = 30. At the first two: 5 % is 1.5, closest
# is 1 (a tie goes down), so the candidate 1 and stable 29; a bake keeps what was reached.
# Steps Shift(25, 100), Route(25), N = 30: 7.5, so 8, since they will serve a quarter; stable 30.
# Steps Shift(100, 100), Route(100), Bake, Commit, N = 30: 30 and 30 all along.
# No steps left, N = 30: 0 and 30.
def goals(steps: tuple[Step, ...], wanted: int) -> Goals:
    """Return the sizes that the last of *steps* leads to in a fleet of *wanted* instances."""
    step = next((each for each in reversed(steps) if isinstance(each, Shift)), None)
    if step is None:
        return Goals(0, wanted)
    candidate, stable = share_of(step.candidate, wanted), share_of(step.stable, wanted)
    if step.candidate + step.stable == 100:
        stable = wanted - candidate
    elif step.stable == 100:
        # Beside a whole stable the share will be one of traffic: no less than it takes to serve it.
        candidate = rounded_up(f"{step.candidate:.10g}%", wanted)
    return Goals(stable, candidate, step.probe)


# Shift(5, 100), Shift(100, 100), N = 30: 2 + 30, then 30 + 30: a surge of 30 is needed.
# Shift(100, 0): none, by itself.
def needed_surge(steps: tuple[Step, ...], wanted: int, since: int = 0) -> int:
    """Return how many servers above *wanted* the steps lead to, from number *since* on."""
    sums = [0]
    for number in range(since + 1, len(steps) + 1):
        goal = goals(steps[:number], wanted)
        sums.append(goal.stable + goal.candidate - wanted)
    return max(sums)


def waits(steps: tuple[Step, ...]) -> float:
    """Return for how many seconds the steps wait at least."""
    bakes = sum(step.seconds for step in steps if isinstance(step, Bake))
    return bakes + sum(step.keep_stable for step in steps if isinstance(step, Commit))


def gates(steps: tuple[Step, ...]) -> tuple[Gate, ...]:
    """Return the gates of *steps*, each once, in their order: a gate's number is its place here."""
    found = [gate for step in steps if isinstance(step, Bake) for gate in step.gates]
    return tuple(dict.fromkeys(found))


def watching(steps: tuple[Step, ...], step: int) -> tuple[Gate, ...]:
    """Return the gates that watch during a step: those of the bake that it leads to."""
    bake = next((each for each in steps[step:] if isinstance(each, Bake)), None)
    return bake.gates if bake is not None else ()


# Steps Shift(5, 100), Route(5), Bake, Shift(25, 100). Before the Route: 0; from it on: 5.
# Steps of a rolling replacement: None, both groups share one pool.
# A cancelled canary had 10 %; back to stable, Shift(100, 100), Route(100): 90 until the Route.
def share(steps: tuple[Step, ...], step: int, first: float = 0.0) -> float | None:
    """Return the candidate's percentage of the traffic during a step; None without weights.

    Args:
        steps: The steps of the plan.
        step: The number of the step.
        first: The percentage before the first `Route`.
    """
    if not any(isinstance(each, Route) for each in steps):
        return None
    routes = [each.candidate for each in steps[: step + 1] if isinstance(each, Route)]
    return routes[-1] if routes else first
