"""What an image is, and why it may be believed: manifests, signatures, approvals.

Nothing here is needed to run a rollout, and nothing here is loaded by ``import immutable``. Signing
and checking signatures need the extra ``trust`` (``pip install 'immutable-sdk[trust]'``), which is
loaded when a signature is made or checked, and not before; manifests need nothing.
"""

from immutable.errors import NotTrusted
from immutable.trust.approving import APPROVAL, Approved, PlanApproval, approval, verify_approvals
from immutable.trust.artifact import Artifact, Target
from immutable.trust.envelope import Envelope, Signature, dump_bundle, load_bundle
from immutable.trust.flaws import Flaw
from immutable.trust.keys import TrustedKey, new_key
from immutable.trust.manifest import ImageManifest
from immutable.trust.policy import TrustPolicy
from immutable.trust.provenance import PROVENANCE, provenance
from immutable.trust.signing import open_signer, signed
from immutable.trust.spec import ImageSpec, Source
from immutable.trust.statement import Statement, Subject
from immutable.trust.trial import TestResult
from immutable.trust.verification import Verified, verify_image

__all__ = [
    "APPROVAL",
    "PROVENANCE",
    "Approved",
    "Artifact",
    "Envelope",
    "Flaw",
    "ImageManifest",
    "ImageSpec",
    "NotTrusted",
    "PlanApproval",
    "Signature",
    "Source",
    "Statement",
    "Subject",
    "Target",
    "TestResult",
    "TrustPolicy",
    "TrustedKey",
    "Verified",
    "approval",
    "dump_bundle",
    "load_bundle",
    "new_key",
    "open_signer",
    "provenance",
    "signed",
    "verify_approvals",
    "verify_image",
]
