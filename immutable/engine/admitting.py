"""Asking the catalog, and the policy that a fleet carries, whether an image may be launched.

Everything is read first and then decided by pure rules (`immutable.admission`), which are loaded
only for a fleet that carries a policy.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from attrs import frozen

from immutable.catalog.state import Catalog, Version
from immutable.engine.history import earlier_revision
from immutable.errors import ImmutableError, InvalidValue, JournalError
from immutable.journal import Journal
from immutable.model import FleetURL, Plan, PlanKind, Problem
from immutable.model.admission import Admission, Ruling
from immutable.model.catalog import GlassBroken
from immutable.model.records import Ruled
from immutable.model.serial import digest

if TYPE_CHECKING:
    from immutable.admission.case import Candidate, Case

__all__ = ["Hearing", "hearing", "revoked"]


@frozen
class Hearing:
    """What the catalog and a fleet's policy say of a plan.

    Attributes:
        revoked: Why its image must not be launched, whatever the policy says.
        rulings: What each rule of the policy says.
        bypass: Why the policy keeps nothing back now; None if it does.
    """

    revoked: tuple[Problem, ...] = ()
    rulings: tuple[Ruling, ...] = ()
    bypass: GlassBroken | None = None

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Why the image is not launched; empty if it may be."""
        if self.bypass is not None:
            return self.revoked
        return self.revoked + tuple(Problem(str(each)) for each in self.rulings if each.blocks)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reviewer of the plan should know."""
        bypassed = (f"the policy is {self.bypass}",) if self.bypass is not None else ()
        return bypassed + tuple(f"policy: {each}" for each in self.rulings)

    @property
    def records(self) -> tuple[Ruled, ...]:
        """What goes on record about it; nothing where there is no policy."""
        if not self.rulings:
            return ()
        bypass = str(self.bypass) if self.bypass is not None else ""
        return (Ruled(self.rulings, bypass, admitted=not self.problems),)


async def revoked(journal: Journal, now: float, plan: Plan) -> tuple[Problem, ...]:
    """Return why a plan's image must not be launched: it is revoked, by the journal's catalog."""
    return _revoked(await journal.catalog(), now, plan) if _launches(plan) else ()


async def hearing(
    journal: Journal, now: float, plan: Plan, *, actor: str, starting: bool, fresh: bool = False
) -> Hearing:
    """Return what the catalog, and the policy that the fleet carries, say of a plan.

    A change of size starts what the fleet runs already: to refuse it would cost capacity.

    Args:
        journal: Where the catalog is.
        now: The time, in seconds since 1970.
        plan: The plan.
        actor: On whose behalf it is carried out, as claimed.
        starting: Whether the rollout begins now; else the plan is being made.
        fresh: Whether the fleet runs nothing yet: then its first size is asked about too.

    Returns:
        What they say. A policy that can't be asked here, because the extra ``trust`` is missing or
        a later version has written it, is UNKNOWN.

    Raises:
        JournalError: The catalog can't be read.
    """
    if not (fresh or _launches(plan)):
        return Hearing()
    catalog = await journal.catalog()
    gone = _revoked(catalog, now, plan)
    carried = catalog.policies.get(plan.fleet)
    if carried is None:
        return Hearing(gone)
    try:
        case = await _case(journal, catalog, now, plan, actor, starting=starting)
        # On a thread: keys are read, signatures checked, and time zones are files.
        rulings = await asyncio.to_thread(_ruled, carried.policy, case)
    except JournalError:
        raise
    except ImmutableError as error:
        rule, why = f"the policy of {plan.fleet}", f"it can't be asked: {error}"
        rulings = (Ruling(rule, Admission.UNKNOWN, why),)
    return Hearing(gone, rulings, catalog.bypass(plan.fleet, now))


def _ruled(policy: str, case: Case) -> tuple[Ruling, ...]:
    from immutable.admission.policy import Policy

    return Policy.load(policy).rulings(case)


def _launches(plan: Plan) -> bool:
    return plan.kind is not PlanKind.SCALE and bool(plan.steps)


def _revoked(catalog: Catalog, now: float, plan: Plan) -> tuple[Problem, ...]:
    scheme = FleetURL.parse(plan.fleet).scheme
    return catalog.against(scheme, plan.candidate.image.artifact, now)


async def _case(
    journal: Journal, catalog: Catalog, now: float, plan: Plan, actor: str, *, starting: bool
) -> Case:
    """Read all that a rule may ask about."""
    from immutable.admission.case import Case
    from immutable.trust.envelope import load_bundle

    scheme = FleetURL.parse(plan.fleet).scheme
    wanted = plan.candidate.image.artifact
    candidates = [
        await _candidate(journal, version, scheme, wanted)
        for version in catalog.launched_as(scheme, wanted)
    ]
    handed_in = await journal.approvals(digest(plan))
    return Case(
        plan,
        catalog,
        now,
        actor,
        tuple(candidates),
        catalog.launched_as(scheme, plan.stable.image.artifact),
        await _previous(journal, plan),
        tuple(each for text in handed_in for each in load_bundle(text)),
        starting,
    )


async def _candidate(journal: Journal, version: Version, scheme: str, wanted: str) -> Candidate:
    from immutable.admission.case import Candidate
    from immutable.trust.envelope import load_bundle
    from immutable.trust.manifest import ImageManifest

    kept = await journal.stored(version.digest)
    assert kept is not None, f"{version} is in the catalog without its files"
    manifest = ImageManifest.load(kept.manifest)
    there = [each for each in manifest.artifacts if (each.backend, each.id) == (scheme, wanted)]
    if not there:
        raise InvalidValue("artifact", wanted, f"{version} is listed with it, its manifest isn't")
    signed = tuple(load_bundle(kept.signed)) if kept.signed else ()
    return Candidate(version, manifest, signed, there[0])


async def _previous(journal: Journal, plan: Plan) -> str:
    """Return the artifact that the fleet ran before what it runs now; empty for none."""
    entries = await journal.entries(fleet=plan.fleet)
    try:
        return earlier_revision(entries, plan.stable.number, None).image.artifact
    except InvalidValue:
        return ""
