"""What watches a rollout: gates to put into a strategy, and how they judge.

`Analysis` compares the candidate with stable by sequential tests: `Look` is what was counted since
the last look, `Evidence` what all looks have shown, and `judge` says what is to be made of it. Look
as often as you like: see ``immutable.gates.eprocess``.
"""

from immutable.gates.checks import CheckLook, check
from immutable.gates.counts import Arm, Look, halved, since, total
from immutable.gates.evidence import Evidence
from immutable.gates.interval import Interval
from immutable.gates.judgement import Finding, Judgement
from immutable.gates.judging import judge
from immutable.model import (
    Analysis,
    Approval,
    Check,
    Gate,
    Health,
    Reaction,
    Reactions,
    Verdict,
)

__all__ = [
    "Analysis",
    "Approval",
    "Arm",
    "Check",
    "CheckLook",
    "Evidence",
    "Finding",
    "Gate",
    "Health",
    "Interval",
    "Judgement",
    "Look",
    "Reaction",
    "Reactions",
    "Verdict",
    "check",
    "halved",
    "judge",
    "since",
    "total",
]
