"""The members of one revision, counted: what the census asks of them costs what has changed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from immutable.model import InstanceState
from immutable.planning.arithmetic import Counts

__all__ = ["Members"]

_LIVE = (InstanceState.UNREADY, InstanceState.STARTING, InstanceState.READY)


class Members:
    """The members of one revision, by state and zone, each in the order of its arrival.

    Attributes:
        states: How many are in each state.
        names: Who they are, by state and zone.
        overdue: Those that should have become READY by now.
        witnessed: How many different ones have been proven so far.
    """

    def __init__(self) -> None:
        self.states: Counter[InstanceState] = Counter()
        self.names: defaultdict[tuple[InstanceState, str], dict[str, None]] = defaultdict(dict)
        self.overdue: dict[str, None] = {}
        self.witnessed = 0
        # Few are READY and not proven, or were proven and aren't; all others are in no list.
        self._unproven: set[str] = set()
        self._once: set[str] = set()
        self._counted: Counts | None = None

    def move(self, name: str, zone: str, old: InstanceState | None, new: InstanceState) -> None:
        """Count a member in another state; *old* is None for one that is new."""
        self._counted = None
        if old is not None:
            self.states[old] -= 1
            del self.names[old, zone][name]
            self.overdue.pop(name, None)
            if old is InstanceState.READY:
                self._lower(name)
            elif old is InstanceState.DRAINING and new is InstanceState.GONE:
                self._once.discard(name)  # It never comes back.
        if new is not InstanceState.GONE:
            self.states[new] += 1
            self.names[new, zone][name] = None
        if new is InstanceState.READY:
            self._unproven.add(name)

    def _lower(self, name: str) -> None:
        if name in self._unproven:
            self._unproven.remove(name)
        else:
            self._once.add(name)

    def prove(self, name: str) -> None:
        """Count a READY member as proven."""
        self._counted = None
        if name in self._unproven:
            self._unproven.remove(name)
            self.witnessed += name not in self._once

    def doubt(self, name: str) -> None:
        """Count a READY member as not proven any more."""
        self._counted = None
        self._lower(name)
        self._unproven.add(name)

    def has_proven(self, name: str) -> bool:
        """Whether a READY member is proven."""
        return name not in self._unproven

    @property
    def live(self) -> int:
        """How many exist and aren't leaving."""
        return sum(self.states.get(each, 0) for each in _LIVE)

    def counts(self, size: int) -> Counts:
        """Return them counted, in a group of *size*: anew only when something has changed."""
        if self._counted is None or self._counted.size != size:
            of = self.states.get  # A counter is slow to say that there are none.
            self._counted = Counts(
                size=size,
                starting=of(InstanceState.STARTING, 0),
                ready=of(InstanceState.READY, 0),
                proven=of(InstanceState.READY, 0) - len(self._unproven),
                unready=of(InstanceState.UNREADY, 0),
                leaving=of(InstanceState.DRAINING, 0),
            )
        return self._counted

    def first(self, state: InstanceState) -> Iterator[str]:
        """Yield who came into a state first, in each zone."""
        for (each, _), names in self.names.items():
            if each is state and names:
                yield next(iter(names))

    def each_zone(self, state: InstanceState) -> Iterator[Iterable[str]]:
        """Yield the members that are in a state, of each zone in the order of their coming."""
        for (each, _), names in self.names.items():
            if each is state:
                yield names

    def last(self, state: InstanceState) -> Iterator[str]:
        """Yield who came into a state last, in each zone."""
        for (each, _), names in self.names.items():
            if each is state and names:
                yield next(reversed(names))

    def of(self, state: InstanceState) -> Iterator[str]:
        """Yield the members that are in a state, in the order in which they came into it."""
        for (each, _), names in list(self.names.items()):
            if each is state:
                yield from names
