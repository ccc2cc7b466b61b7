"""What instances have become since they were launched: what `Fleet.drift` answers.

>>> from immutable.drift import DriftCode, DriftReason
>>> str(DriftReason(DriftCode.DISK, "snap-1", "snap-2"))
'disk: snap-2, expected snap-1'
"""

from immutable.model.drift import (
    DriftCode,
    DriftReason,
    DriftReport,
    DriftVerdict,
    Evidence,
    Finding,
    Stray,
)

__all__ = [
    "DriftCode",
    "DriftReason",
    "DriftReport",
    "DriftVerdict",
    "Evidence",
    "Finding",
    "Stray",
]
