"""Where rollouts write down what they do, so that any process can carry them on."""

from immutable.journal.base import Build, Decision, Entry, Given, Journal, Leaf, Lease, Stored
from immutable.journal.opening import open_journal

__all__ = [
    "Build",
    "Decision",
    "Entry",
    "Given",
    "Journal",
    "Leaf",
    "Lease",
    "Stored",
    "open_journal",
]
