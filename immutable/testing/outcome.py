"""How a check ends when it doesn't simply pass."""

from __future__ import annotations

__all__ = ["Breach", "NotDeclared", "Skipped"]


class Breach(AssertionError):
    """A backend breaks a rule of the contract; says what was seen and what has to be."""


class Skipped(Exception):  # It says what happened, as errors here do.
    """A check has nothing to check here; says why, and what would let it run."""


class NotDeclared(Skipped):
    """A check needs an accessor that the author of the backend hasn't given.

    Args:
        name: The accessor.
        purpose: What it does.
    """

    def __init__(self, name: str, purpose: str) -> None:
        super().__init__(f"needs {name}, which {purpose}: implement it to run this check")
