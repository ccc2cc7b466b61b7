"""Judging a canary while it serves: pure functions from counts to verdicts.

`Look` is what was counted since the last look, `Evidence` what all looks have shown, and `judge`
says what is to be made of it. Look as often as you like: see `immutable.gates.eprocess`.
"""

from __future__ import annotations

from immutable.gates.counts import Arm, Look, halved, since, total
from immutable.gates.evidence import Evidence
from immutable.gates.interval import Interval
from immutable.gates.judgement import Finding, Judgement, Verdict
from immutable.gates.judging import judge

__all__ = [
    "Arm",
    "Evidence",
    "Finding",
    "Interval",
    "Judgement",
    "Look",
    "Verdict",
    "halved",
    "judge",
    "since",
    "total",
]
