"""Approvals: what somebody signs who has read a plan and wants it carried out.

An approval is an in-toto statement about the plan's digest, by which a plan is one thing and no
other: who changes a plan, or makes it again for a fleet that has changed, has an approval of
something else.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from attrs import frozen

from immutable.errors import InvalidValue, NotTrusted
from immutable.model.plan import Plan
from immutable.model.serial import digest
from immutable.trust.counting import Count
from immutable.trust.envelope import Envelope
from immutable.trust.flaws import Flaw
from immutable.trust.policy import TrustPolicy
from immutable.trust.shape import plain, shaped
from immutable.trust.statement import Statement, Subject
from immutable.trust.verification import statements

__all__ = ["APPROVAL", "Approved", "PlanApproval", "approval", "verify_approvals"]

APPROVAL = "immutable-sdk:plan-approval/v1"
"""The predicate's type: a name only, as TypeURIs may be; there is nothing to be fetched by it."""


@frozen
class PlanApproval:
    """What one approval says.

    Attributes:
        fleet: The fleet's address.
        change: What the plan changes, in words, so that a signature is under something readable.
        reason: Why it may be done, as the approver put it; can be empty.
        approved_at: When, by the approver's own clock.
    """

    fleet: str
    change: str
    reason: str
    approved_at: datetime


@frozen
class Approved:
    """A plan that enough people have approved.

    Attributes:
        plan: The plan's digest.
        by: Who approved it: owners of keys, else the keys' ids.
        approvals: What each of them said, in the same order.
    """

    plan: str
    by: tuple[str, ...]
    approvals: tuple[PlanApproval, ...]


def approval(plan: Plan, *, reason: str = "", at: datetime | None = None) -> Statement:
    """Return what is signed to approve a plan.

    Args:
        plan: The plan.
        reason: Why it may be done.
        at: When; None for now.
    """
    said = PlanApproval(plan.fleet, _change(plan), reason, at or datetime.now(UTC))
    return Statement((Subject(plan.fleet, digest(plan)),), APPROVAL, plain(said))


def _change(plan: Plan) -> str:
    return f"{plan.kind}: {plan.stable} to {plan.candidate}, {plan.strategy}"


def verify_approvals(
    plan: Plan,
    envelopes: Iterable[Envelope],
    policy: TrustPolicy,
    *,
    author: str,
    at: datetime | None = None,
) -> Approved:
    """Return who approved the plan, if they are as many as the policy asks for.

    Args:
        plan: The plan that is to be carried out.
        envelopes: What was signed.
        policy: Whose approval counts, and how many it takes.
        author: Who wants the plan carried out, as the policy names owners, or keys without one:
            their own approval does not count. Empty for nobody.
        at: The time at which the keys have to be valid; None for now.

    Raises:
        ImmutableError: The extra ``trust`` is missing.
        NotTrusted: Something doesn't hold; `NotTrusted.flaw` says what, as a `Flaw`.
    """
    count = Count(policy, at or datetime.now(UTC), author)
    read = statements(envelopes, APPROVAL, count)
    said = {payload: _approval(each, plan) for payload, each in read.items()}
    by = tuple(key.person for key, _ in count.counted)
    return Approved(digest(plan), by, tuple(said[each.payload] for _, each in count.counted))


def _approval(said: Statement, plan: Plan) -> PlanApproval:
    """Return what an approval says, once it is sure that it is one of this plan."""
    wanted = Subject(plan.fleet, digest(plan))
    found = ", ".join(f"{each.digest} of {each.name}" for each in said.subjects) or "nothing"
    if [each.digest for each in said.subjects] != [wanted.digest]:
        reason = f"approved was {found}, and the plan is {wanted.digest}"
        raise NotTrusted(Flaw.SUBJECT_DIGEST, reason, "have the plan as it is now approved")
    if [each.name for each in said.subjects] != [wanted.name]:
        reason = f"approved was {found}, and the plan is for {wanted.name}"
        raise NotTrusted(Flaw.SUBJECT_NAME, reason)
    try:
        read = shaped(PlanApproval, said.predicate, "approval")
    except InvalidValue as error:
        raise NotTrusted(Flaw.PREDICATE, f"not an approval that can be read: {error}") from error
    for name, value in (("fleet", plan.fleet), ("change", _change(plan))):
        if getattr(read, name) != value:
            reason = f"the approval's {name} is {getattr(read, name)!r}, the plan's is {value!r}"
            raise NotTrusted(Flaw.PREDICATE, reason)
    return read
