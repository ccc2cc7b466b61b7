"""From what was seen of a fleet's instances to a verdict on each. Pure.

Fail-closed: an instance is ok only when everything that is looked at was seen. What is missing, in
an inspection or in the fleet, makes it unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import evolve, frozen

from immutable.model import FleetState, Instance, InstanceState
from immutable.model.drift import (
    DriftCode,
    DriftReason,
    DriftReport,
    DriftVerdict,
    Finding,
    Inspected,
    Inspection,
)
from immutable.model.quantities import duration

__all__ = ["Rotations", "blank", "report", "with_rotations"]

_LEAVING = (InstanceState.DRAINING, InstanceState.GONE)
_NOT_INSPECTED = "the backend has not looked at it"


def blank(state: FleetState, why: str) -> Inspection:
    """Return the inspection of a fleet of which nothing could be seen, and why not."""
    nothing = tuple(Inspected(each.id, unknown=(why,)) for each in state.instances)
    return Inspection(state.at, nothing, unseen=("anything but age and revision",))


@frozen
class Rotations:
    """What is known of the secrets of a revision that are pinned to a version.

    Attributes:
        rotated: Those with a newer version, in words.
        looked: Whether the current version of any is known.
        unknown: The names of those of which it isn't.
    """

    rotated: tuple[str, ...] = ()
    looked: bool = False
    unknown: tuple[str, ...] = ()


# r1's DB was rotated, and i-1 is of r1: a reason more. Of r1's KEY nobody knows: it can't be seen.
def with_rotations(
    state: FleetState, inspection: Inspection, rotations: Mapping[int, Rotations]
) -> Inspection:
    """Return an inspection that also says whose secrets were rotated since.

    Args:
        state: What there is.
        inspection: What the backend has seen.
        rotations: What is known of the secrets of each revision, by number.
    """
    of = {each.id: rotations.get(each.revision, Rotations()).rotated for each in state.instances}
    seen = tuple(
        evolve(each, reasons=each.reasons + tuple(map(_rotation, of.get(each.id, ()))))
        for each in inspection.instances
    )
    lacking = sorted({name for each in rotations.values() for name in each.unknown})
    looked = any(each.looked for each in rotations.values())
    more = (DriftCode.SECRET,) if looked and DriftCode.SECRET not in inspection.checked else ()
    return evolve(
        inspection,
        instances=seen,
        checked=inspection.checked + more,
        unseen=inspection.unseen + tuple(f"whether secret {name} was rotated" for name in lacking),
    )


def _rotation(words: str) -> DriftReason:
    return DriftReason(DriftCode.SECRET, found=words)


# Looked at: i-1, i-2 at 100. There are: i-1, i-2 DRAINING, i-3 launched at 101, i-4 launched at 7.
# i-1 by what was seen of it; i-2 and i-3 are left out: one goes, the other came later. i-4 was
# there and was not looked at: unknown.
def report(
    address: str,
    state: FleetState,
    inspection: Inspection,
    revisions: frozenset[int] | None,
    max_age: float | None = None,
) -> DriftReport:
    """Return how far a fleet is what its revision says.

    Args:
        address: The fleet's address.
        state: What there is: looked at after the inspection.
        inspection: What the backend has seen.
        revisions: The revisions that instances may be of: the fleet's, during a rollout both of its
            plan; None when nobody knows which of several groups is the fleet.
        max_age: Seconds that an instance may become old; None for any age.
    """
    seen = {each.id: each for each in inspection.instances}
    findings = []
    for each in sorted(state.instances, key=lambda each: (each.launched_at, each.id)):
        found = seen.get(each.id)
        if each.state in _LEAVING or (found is None and each.launched_at > inspection.at):
            continue
        found = found or Inspected(each.id, unknown=(_NOT_INSPECTED,))
        findings.append(_finding(each, found, state.at, revisions, max_age))
    strays = tuple(each for each in inspection.strays if each.id not in _ids(state))
    own = (DriftCode.REVISION,) + ((DriftCode.OVER_AGE,) if max_age is not None else ())
    return DriftReport(
        address,
        state.at,
        tuple(findings),
        strays,
        (*inspection.checked, *own),
        inspection.unseen,
        max_age,
    )


def _ids(state: FleetState) -> frozenset[str]:
    return frozenset(each.id for each in state.instances)


def _finding(
    instance: Instance,
    found: Inspected,
    at: float,
    revisions: frozenset[int] | None,
    max_age: float | None,
) -> Finding:
    own = [*_of_revision(instance, revisions), *_of_age(instance, at, max_age)]
    reasons = (*found.reasons, *(each for each in own if isinstance(each, DriftReason)))
    unknown = (*found.unknown, *(each for each in own if isinstance(each, str)))
    finding = Finding(
        instance.id,
        instance.revision,
        instance.launched_at,
        DriftVerdict.OK,
        found.assurance,
        reasons,
        unknown,
    )
    if reasons:
        return evolve(finding, verdict=DriftVerdict.DRIFTED)
    return evolve(finding, verdict=DriftVerdict.UNKNOWN) if unknown else finding


def _of_revision(
    instance: Instance, revisions: frozenset[int] | None
) -> Iterator[DriftReason | str]:
    if not instance.revision:
        yield "its revision"
    elif revisions is None:
        yield "which of several groups is the fleet"
    elif instance.revision not in revisions:
        due = " or ".join(f"r{each}" for each in sorted(revisions)) or "none"
        yield DriftReason(DriftCode.REVISION, due, f"r{instance.revision}")


# Launched at 100, seen at 400, max_age 300: just old enough to stay. At 401 it is over-age.
def _of_age(instance: Instance, at: float, max_age: float | None) -> Iterator[DriftReason | str]:
    if max_age is None:
        return
    if not instance.launched_at:
        yield "when it was launched"
    elif (age := at - instance.launched_at) > max_age:
        most = f"at most {duration(max_age)}"
        yield DriftReason(DriftCode.OVER_AGE, most, f"{duration(round(age))} old")
