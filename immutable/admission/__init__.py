"""May this image be launched on this fleet: rules that can be put together, and what they say.

A fleet carries a `Policy`: rules that all have to say PASS, each a frozen value that explains
itself. FAIL and UNKNOWN both keep an image from being launched. The policy is asked when a plan is
made, when it is begun, and right before the first instance is launched.

Not loaded by ``import immutable``. Rules that ask for signatures need the extra ``trust``.
"""

from immutable.admission.approvals import Approved, hand_in
from immutable.admission.building import BaseAllowed, BuiltBy, BuiltFrom, MaxAge, TestsPassed
from immutable.admission.case import Candidate, Case
from immutable.admission.combining import AllOf, AnyOf
from immutable.admission.lineage import NoDowngrade, NotRevoked
from immutable.admission.policy import Policy, break_glass, set_policy
from immutable.admission.rule import Rule
from immutable.admission.signatures import SignedBy
from immutable.admission.windows import FreezeWindow, Span, Weekly
from immutable.model.admission import Admission, Ruling

__all__ = [
    "Admission",
    "AllOf",
    "AnyOf",
    "Approved",
    "BaseAllowed",
    "BuiltBy",
    "BuiltFrom",
    "Candidate",
    "Case",
    "FreezeWindow",
    "MaxAge",
    "NoDowngrade",
    "NotRevoked",
    "Policy",
    "Rule",
    "Ruling",
    "SignedBy",
    "Span",
    "TestsPassed",
    "Weekly",
    "break_glass",
    "hand_in",
    "set_policy",
]
