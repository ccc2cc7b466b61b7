"""The rule about who has approved a plan, and handing an approval in."""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from immutable.admission.case import Case
from immutable.admission.signatures import people
from immutable.catalog.state import Catalog
from immutable.errors import NotTrusted
from immutable.model import Plan
from immutable.model.admission import Admission, Ruling
from immutable.model.catalog import PlanApproved
from immutable.model.serial import digest
from immutable.trust.approving import verify_approvals
from immutable.trust.envelope import load_bundle
from immutable.trust.flaws import Flaw
from immutable.trust.policy import TrustPolicy

__all__ = ["Approved", "hand_in"]


@frozen
class Approved:
    """Enough people have signed the plan, and who wants it carried out is not one of them.

    The plan is there before its approvals, so this is asked when the rollout begins.

    Attributes:
        trust: Whose approval counts, and how many it takes.
    """

    trust: TrustPolicy
    due: ClassVar[bool] = True

    def __str__(self) -> str:
        return f"approved by {people(self.trust)}, not by who wants it"

    def ruling(self, case: Case) -> Ruling:
        """Return whether they have."""
        try:
            found = verify_approvals(
                case.plan, case.approvals, self.trust, author=case.actor, at=case.moment
            )
        except NotTrusted as error:
            if error.flaw == Flaw.NO_ATTESTATION:
                why = f"nobody has approved {digest(case.plan)}; see: immutable approve --help"
                return Ruling(str(self), Admission.UNKNOWN, why)
            return Ruling(str(self), Admission.FAIL, str(error))
        return Ruling(str(self), Admission.PASS, f"by {', '.join(found.by)}")


def hand_in(catalog: Catalog, plan: Plan, signed: str, *, actor: str) -> tuple[PlanApproved, ...]:
    """Return what handing in the signatures under a plan writes down.

    Args:
        catalog: The catalog as it is.
        plan: The plan.
        signed: What was signed, as the text of its file. Who may sign says the fleet's policy,
            when the plan is begun.
        actor: Who hands it in, as claimed.

    Raises:
        NotTrusted: It is no such file.
    """
    del catalog
    load_bundle(signed)
    return (PlanApproved(digest(plan), signed, actor),)
