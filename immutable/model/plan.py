"""A plan: what will be done, within which bounds, as a value that can be read and approved."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from attrs import frozen

from immutable.model.image import Revision, RuntimeConfig
from immutable.model.limits import Limits, OnProtected
from immutable.model.quantities import duration
from immutable.model.steps import Step
from immutable.model.volumes import Stateful

__all__ = ["Bounds", "Plan", "PlanKind", "config_changes"]


class PlanKind(StrEnum):
    """What a plan changes."""

    REPLACE = "replace"
    """The fleet's revision."""
    SCALE = "scale"
    """The fleet's size."""
    REPAIR = "repair"
    """Instances that are named, by new ones of the same revision."""


@frozen
class Bounds:
    """What a plan promises and expects, for the size that the fleet had when it was made.

    Attributes:
        wanted: The fleet's size, N.
        surge: Servers above it, S, absolute.
        unavailable: Servers below it, U, absolute.
        floor: Servers available at any time: min(N - U, READY when it was made).
        ceiling: Servers that exist at most by the rollout's doing: N + S.
        work: Seconds that no schedule can beat, N * W / (S + U) with W the time that one
            replacement keeps one server from serving (boot + min_ready + drain + terminate).
        api: Seconds that the backend's launch and termination rates cost at least.
        expected: Seconds that it is expected to take when nothing fails.
        useful_surge: The surge above which more only costs money: launch rate * W (Little's
            law); 0 when the backend declares no rate.
    """

    wanted: int
    surge: int
    unavailable: int
    floor: int
    ceiling: int
    work: float = 0.0
    api: float = 0.0
    expected: float = 0.0
    useful_surge: int = 0


@frozen
class Plan:
    """What a rollout will do. Frozen; equal plans have equal digests.

    Attributes:
        fleet: The fleet's address.
        kind: What it changes.
        stable: The revision that the fleet comes from.
        candidate: The revision that it goes to; stable's for a change of size and a repair.
        strategy: The strategy, as it would be written in code.
        limits: How far it may go.
        steps: The goals, in order.
        bounds: What it promises, for the size that the fleet has now.
        kept: Whether the candidate's group is there already: kept by an earlier rollout.
        on_failure: What happens when it doesn't work out.
        notes: What else a reviewer should know.
        stateful: How the data of a stateful fleet is treated; None for a fleet without state.
    """

    fleet: str
    kind: PlanKind
    stable: Revision
    candidate: Revision
    strategy: str
    limits: Limits
    steps: tuple[Step, ...]
    bounds: Bounds
    kept: bool = False
    on_failure: str = ""
    notes: tuple[str, ...] = ()
    stateful: Stateful | None = None

    def __str__(self) -> str:
        return "\n".join(f"{name:<12} {value}".rstrip() for name, value in _rows(self))

    @property
    def hedges(self) -> bool:
        """Whether late boots may have duplicates.

        Where a volume has one writer there is no slot for one, in a repair both sides are one
        group, and where servers are protected nobody could take one away again.
        """
        plain = self.kind is PlanKind.REPLACE and self.stateful is None
        return self.limits.hedge and plain and self.limits.on_protected is OnProtected.REPLACE


# {"LEVEL": "a"} to {"LEVEL": "b", "MODE": "c"}: setting LEVEL changes, setting MODE is new.
def config_changes(old: RuntimeConfig, new: RuntimeConfig) -> tuple[str, ...]:
    """Return in words what differs between two configurations.

    Settings by their names only: a plan is read in more places than where it is kept, and values
    may be nobody's business there. References of secrets are told whole; that is what they are for.
    """
    changes = []
    for name in sorted({*old.environment, *new.environment}):
        before, after = old.environment.get(name), new.environment.get(name)
        if before != after:
            what = "is new" if before is None else "goes" if after is None else "changes"
            changes.append(f"setting {name} {what}")
    for name in sorted({*old.secrets, *new.secrets}):
        was, is_ = old.secrets.get(name), new.secrets.get(name)
        if was != is_:
            words = f"goes, was {was}" if is_ is None else f"is {is_}"
            more = f", was {was}" if was is not None and is_ is not None else ""
            changes.append(f"secret {name} {words}{more}")
    return tuple(changes)


def _rows(plan: Plan) -> Iterator[tuple[str, str]]:
    bounds, limits = plan.bounds, plan.limits
    yield "fleet", plan.fleet
    yield "from", str(plan.stable)
    yield "to", str(plan.candidate)
    for change in config_changes(plan.stable.config, plan.candidate.config):
        yield "config", change
    yield "strategy", plan.strategy
    most = f"max_surge {limits.max_surge}, max_unavailable {limits.max_unavailable}"
    spans = ", ".join(
        f"{name} {duration(getattr(limits, name))}"
        for name in ("min_ready", "boot_timeout", "drain_timeout")
    )
    yield "limits", f"{most}, {spans}"
    if limits.hedge:
        late = (
            "at the end, servers that take half as long again as most to boot may have duplicates"
        )
        yield "hedge", f"{late}, within max_surge" if plan.hedges else "without effect here"
    for number, step in enumerate(plan.steps, 1):
        yield f"step {number}", str(step)
    kept = f"at least {bounds.floor} available, at most {bounds.ceiling} existing"
    yield "bounds", f"{bounds.wanted} wanted: {kept}"
    least = duration(max(bounds.work, bounds.api))
    length = f"about {duration(bounds.expected)}; no schedule beats {least}"
    if 0 < bounds.useful_surge < bounds.surge:
        length += f"; a surge above {bounds.useful_surge} only costs money"
    yield "length", length
    if plan.stateful is not None:
        yield "data", ", ".join(_data(plan.stateful))
    yield "on failure", plan.on_failure
    for note in plan.notes:
        yield "note", note


def _data(stateful: Stateful) -> Iterator[str]:
    yield "volumes go from the old instance to the new one, slot by slot"
    if stateful.snapshot:
        yield "a snapshot of each slot before its new instance starts"
    if stateful.irreversible:
        yield "the old revision can't read it any more once the first new instance has started"
