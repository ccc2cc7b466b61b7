"""Making images: what authors of builders need, and the builder that drives Packer.

A builder is found by its name in the entry-point group ``immutable.builders``. ``local``, of the
local backend, packs directories; ``packer`` lets the user's own Packer bake cloud images.
"""

from immutable.builders.contract import (
    BuildContext,
    Builder,
    BuildJob,
    BuildRequest,
    Inputs,
    Product,
    SupportsInputs,
    Traces,
)
from immutable.trust import Artifact, ImageSpec, Source, Target

__all__ = [
    "Artifact",
    "BuildContext",
    "BuildJob",
    "BuildRequest",
    "Builder",
    "ImageSpec",
    "Inputs",
    "Product",
    "Source",
    "SupportsInputs",
    "Target",
    "Traces",
]
