"""What an image is, and why it may be believed: manifests, signatures, who may sign.

Nothing here is needed to run a rollout, and nothing here is loaded by ``import immutable``. Signing
and checking signatures need the extra ``trust`` (``pip install 'immutable-sdk[trust]'``), which is
loaded when a signature is made or checked, and not before; manifests need nothing.
"""

from immutable.trust.artifact import Artifact, Target
from immutable.trust.manifest import ImageManifest
from immutable.trust.spec import ImageSpec, Source
from immutable.trust.trial import TestResult

__all__ = [
    "Artifact",
    "ImageManifest",
    "ImageSpec",
    "Source",
    "Target",
    "TestResult",
]
