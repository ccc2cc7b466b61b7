"""Where rollouts write down what they do, so that any process can carry them on."""

from immutable.journal.base import Entry, Given, Journal, Leaf, Lease
from immutable.journal.opening import open_journal

__all__ = ["Entry", "Given", "Journal", "Leaf", "Lease", "open_journal"]
