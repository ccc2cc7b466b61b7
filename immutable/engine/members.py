"""The members of one revision, counted: what the census asks of them costs what has changed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from immutable.model import InstanceState
from immutable.planning.arithmetic import Counts

__all__ = ["Members"]


class Members:
    """The members of one revision, by state and zone, each in the order of its arrival."""

    def __init__(self) -> None:
        self.states: Counter[InstanceState] = Counter()
        self.names: defaultdict[tuple[InstanceState, str], dict[str, None]] = defaultdict(dict)
        self.proven: dict[str, None] = {}
        self.overdue: dict[str, None] = {}
        self._counted: Counts | None = None

    def move(self, name: str, zone: str, old: InstanceState | None, new: InstanceState) -> None:
        """Count a member in another state; *old* is None for one that is new."""
        self._counted = None
        if old is not None:
            self.states[old] -= 1
            del self.names[old, zone][name]
            self.proven.pop(name, None)
            self.overdue.pop(name, None)
        if new is not InstanceState.GONE:
            self.states[new] += 1
            self.names[new, zone][name] = None

    def prove(self, name: str) -> None:
        """Count a READY member as proven."""
        self.proven[name] = None
        self._counted = None

    def doubt(self, name: str) -> None:
        """Count a proven member as not proven any more."""
        self.proven.pop(name, None)
        self._counted = None

    def counts(self, size: int) -> Counts:
        """Return them counted, in a group of *size*: anew only when something has changed."""
        if self._counted is None or self._counted.size != size:
            of = self.states.get  # A counter is slow to say that there are none.
            self._counted = Counts(
                size=size,
                starting=of(InstanceState.STARTING, 0),
                ready=of(InstanceState.READY, 0),
                proven=len(self.proven),
                unready=of(InstanceState.UNREADY, 0),
                leaving=of(InstanceState.DRAINING, 0),
            )
        return self._counted

    def first(self, state: InstanceState) -> Iterator[str]:
        """Yield who came into a state first, in each zone."""
        for (each, _), names in self.names.items():
            if each is state and names:
                yield next(iter(names))

    def of(self, state: InstanceState) -> Iterator[str]:
        """Yield the members that are in a state, in the order in which they came into it."""
        for (each, _), names in list(self.names.items()):
            if each is state:
                yield from names
