"""Where rollouts write down what they do, so that any process can carry them on."""

from immutable.journal.base import Build, Entry, Given, Journal, Leaf, Lease
from immutable.journal.opening import open_journal

__all__ = ["Build", "Entry", "Given", "Journal", "Leaf", "Lease", "open_journal"]
