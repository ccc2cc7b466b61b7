"""Who is in which slot, kept up to date: asking for two writers costs what there are of them."""

from __future__ import annotations

from immutable.planning.stateful import crowded

__all__ = ["Holders"]


class Holders:
    """The instances that are seen to exist in the slots of a fleet with volumes."""

    def __init__(self) -> None:
        self._of: dict[str, dict[str, None]] = {}
        self._crowded: dict[str, dict[str, None]] = {}

    def take(self, slot: str, name: str) -> None:
        """Count an instance as in a slot; an empty *slot* is none."""
        if slot:
            there = self._of.setdefault(slot, {})
            there[name] = None
            if len(there) > 1:
                self._crowded[slot] = there

    def leave(self, slot: str, name: str) -> None:
        """Count an instance as not in a slot any more, if it was."""
        there = self._of.get(slot)
        if there is None:
            return
        there.pop(name, None)
        if len(there) < 2:
            self._crowded.pop(slot, None)
        if not there:
            del self._of[slot]

    def move(self, name: str, old: str, new: str) -> None:
        """Count an instance as in slot *new*, and not in slot *old* any more."""
        if old != new:
            self.leave(old, name)
            self.take(new, name)

    def two_writers(self) -> tuple[str, ...]:
        """Return which slots have more than one instance; empty when none has."""
        return crowded(self._crowded)
