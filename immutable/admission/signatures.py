"""The rule about whose signatures an image has."""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from immutable.admission.case import Candidate, Case
from immutable.admission.rule import Said, for_each
from immutable.errors import NotTrusted
from immutable.model.admission import Admission, Ruling
from immutable.trust.flaws import Flaw
from immutable.trust.policy import TrustPolicy
from immutable.trust.verification import verify_image

__all__ = ["SignedBy", "people"]


def people(trust: TrustPolicy) -> str:
    """Return of whom how many have to sign, in words: ``2 of ada, bob, eve``."""
    names = dict.fromkeys(each.person for each in trust.keys)
    return f"{trust.threshold} of {', '.join(names)}"


@frozen
class SignedBy:
    """Enough of those who are trusted have signed exactly this image, and what is launched of it.

    What other rules read is what its manifest says: it is worth as much as these signatures.

    Attributes:
        trust: Whose signatures count, and how many it takes.
    """

    trust: TrustPolicy
    due: ClassVar[bool] = False

    def __str__(self) -> str:
        return f"signed by {people(self.trust)}"

    def ruling(self, case: Case) -> Ruling:
        """Return whether it is."""

        def said(each: Candidate) -> Said:
            try:
                found = verify_image(
                    each.manifest, each.signed, self.trust, artifact=each.artifact, at=case.moment
                )
            except NotTrusted as error:
                unsigned = error.flaw == Flaw.NO_ATTESTATION
                return (Admission.UNKNOWN if unsigned else Admission.FAIL), str(error)
            return Admission.PASS, f"{each.version} is signed with {', '.join(found.signers)}"

        return for_each(self, case, said)
