"""From the log's own roots, and what witnesses say they were, to what is wrong and where. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from attrs import frozen

from immutable.audit.finding import Finding
from immutable.audit.witness import Trust, Witness

__all__ = ["Roots"]


@frozen
class Roots:
    """What the log is, as far as it was looked at.

    Attributes:
        size: How many records there are.
        at: The Merkle root at each size that a witness knows.
        gap: The index of the first record that is missing between others; None for none. From
            there on the tree is another one, and its roots tell nothing.
    """

    size: int
    at: Mapping[int, bytes]
    gap: int | None = None

    def best(self, witnesses: Sequence[Witness]) -> Witness | None:
        """Return the witness from outside who confirms the most records."""
        held = [each for each in self._held(witnesses) if each.trust > Trust.KEPT]
        return max(held, key=lambda each: (each.size, each.trust), default=None)

    def findings(self, witnesses: Sequence[Witness]) -> Iterator[Finding]:
        """Yield where the log is not what the witnesses know it to have been.

        A root covers all records up to its size, so of several that don't hold the smallest says
        the most. Example: roots at 10 and 40 hold, those at 20 and 60 don't. That at 40 confirms
        the records before it, so the witness at 20 is at fault, not the log; and between 40 and 60
        a record was changed.
        """
        yield from self._changed(witnesses)
        most = max(witnesses, key=lambda each: each.size, default=None)
        if most is not None and most.size > self.size:
            what = f"missing, or as many before them: {most.name} knows of {most.size} records"
            yield Finding(what, self.size, most.size - 1)
        for each in witnesses:
            # Only the journal's own frontier covers all that there is.
            if each.whole and each.size < self.size:
                what = f"{each.name} doesn't know of it: not added by the journal"
                yield Finding(what, each.size, self.size - 1)

    def _changed(self, witnesses: Sequence[Witness]) -> Iterator[Finding]:
        held, located = self._held(witnesses), False
        for each in sorted(witnesses, key=lambda each: (each.size, -each.trust)):
            if each.size > self._sound or each.size not in self.at or each in held:
                continue
            sure = max((h.size for h in held if h.trust >= each.trust), default=0)
            if sure >= each.size:
                yield Finding(f"{each.name} was never the root of this log at {each.size} records")
            elif not located:
                located = True
                what = f"changed along with its hash: not what {each.name} stands for"
                yield Finding(what, sure, each.size - 1)

    def _held(self, witnesses: Sequence[Witness]) -> list[Witness]:
        return [e for e in witnesses if e.size <= self._sound and self.at.get(e.size) == e.root]

    @property
    def _sound(self) -> int:
        """How many records there are before any is missing."""
        return self.size if self.gap is None else self.gap
