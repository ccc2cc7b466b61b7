"""From a report on drift to a plan that replaces what has drifted. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from immutable.errors import InvalidValue
from immutable.model import (
    Capabilities,
    FleetState,
    Group,
    Limits,
    OnProtected,
    Plan,
    PlanKind,
    Renew,
)
from immutable.model.drift import DriftReport, DriftVerdict, Finding
from immutable.model.quantities import Count, rounded_up
from immutable.planning.arithmetic import window
from immutable.planning.bounds import bounds, times
from immutable.planning.compile import only_group, resizing

__all__ = ["repair"]

_ON_FAILURE = (
    "stops: what was replaced stays, the fleet has its size again, and what was not is named"
)
_SHOWN = 5


def repair(
    report: DriftReport,
    state: FleetState,
    budget: Count | None,
    limits: Limits,
    backend: Capabilities,
) -> Plan:
    """Return the plan that replaces instances by new ones of the same revision.

    Args:
        report: How far the fleet is what its revision says.
        state: What there is.
        budget: How many are replaced at most; None for all.
        limits: How far to go.
        backend: What the backend can do.

    Raises:
        InvalidValue: *budget* is negative, or no count.
        PlanRefused: The fleet isn't whole: it has no group, or more than one.
    """
    group = only_group(state)
    most = group.size if budget is None else rounded_up(budget, group.size)
    if most < 0:
        raise InvalidValue("budget", budget, "no repair replaces fewer than 0 instances")
    due, protected = _due(report, state, group, limits)
    ids = tuple(each.instance for each in due[:most])
    plan = resizing(report.fleet, state, group.size, limits, backend)
    sizes = window(plan.limits, group.size)
    whole = bounds(sizes, state.ready, times(state, plan.limits, backend), backend, probe=False)
    part = bounds(
        evolve(sizes, wanted=len(ids)), 0, times(state, plan.limits, backend), backend, probe=False
    )
    return evolve(
        plan,
        kind=PlanKind.REPAIR,
        strategy="replacement of what has drifted",
        steps=(Renew(ids),) if ids else (),
        bounds=evolve(whole, work=part.work, api=part.api, expected=part.expected),
        on_failure=_ON_FAILURE,
        notes=tuple(_notes(report, due, ids, protected)),
    )


# i-1 has another root disk, i-2 and i-3 are too old, i-2 the older: i-1, i-2, i-3. What is wrong
# goes before what is only old, and the oldest first.
def _due(
    report: DriftReport, state: FleetState, group: Group, limits: Limits
) -> tuple[list[Finding], list[str]]:
    """Return what is to be replaced, the worst first, and what is left out for its owner."""
    there = {each.id: each for each in state.instances if each.revision == group.number}
    wrong = [each for each in report.of(DriftVerdict.DRIFTED) if each.instance in there]
    # A new server of the same revision would be given the same version of a secret.
    drifted = [each for each in wrong if not each.only_rotated]
    drifted.sort(key=lambda each: (each.only_old, each.launched_at, each.instance))
    if limits.on_protected is not OnProtected.SKIP:
        return drifted, []
    kept = [each.instance for each in drifted if there[each.instance].protected]
    return [each for each in drifted if each.instance not in kept], kept


def _notes(
    report: DriftReport, due: list[Finding], ids: tuple[str, ...], protected: list[str]
) -> Iterator[str]:
    for each in due[: min(len(ids), _SHOWN)]:
        yield f"{each.instance}: {each.why}"
    if len(ids) > _SHOWN:
        yield f"and {len(ids) - _SHOWN} more, for reasons of the same kind"
    if not ids:
        yield "nothing is replaced"
    if len(due) > len(ids):
        yield f"{len(due) - len(ids)} more have drifted, and are beyond the budget"
    if protected:
        yield f"{len(protected)} have drifted and are protected: they stay"
    if rotated := [each for each in report.findings if each.reasons and each.only_rotated]:
        way_out = "replace the fleet with the references again, without a version"
        yield f"{len(rotated)} have but a secret that was rotated, and stay: {way_out}"
    if unknown := report.of(DriftVerdict.UNKNOWN):
        yield f"{len(unknown)} are unknown, and stay: immutable drift says what can't be seen"
    for stray in report.strays:
        yield f"{stray.id} is no member ({stray.found}), and stays: end it yourself"
