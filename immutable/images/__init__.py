"""Images, from a commit to a manifest: built once, tried out, kept no longer than needed.

Building is written down in the journal, under the digest of what the image is made of: the same
specification is not built twice, and a build whose process was killed is carried on by the next.
"""

from immutable.images.building import BuildOrder, BuiltImage, build_image
from immutable.images.exposing import (
    Escape,
    Exposed,
    Exposure,
    Underway,
    escapes,
    exposure,
    stop_rollouts,
)
from immutable.images.looking import connecting
from immutable.images.redacting import redactor
from immutable.images.retiring import retire_images
from immutable.images.sourcing import committed
from immutable.images.trying import TryOrder, try_image
from immutable.images.withdrawing import Outcome, Withdrawal, restore_image, withdraw_image

__all__ = [
    "BuildOrder",
    "BuiltImage",
    "Escape",
    "Exposed",
    "Exposure",
    "Outcome",
    "TryOrder",
    "Underway",
    "Withdrawal",
    "build_image",
    "committed",
    "connecting",
    "escapes",
    "exposure",
    "redactor",
    "restore_image",
    "retire_images",
    "stop_rollouts",
    "try_image",
    "withdraw_image",
]
