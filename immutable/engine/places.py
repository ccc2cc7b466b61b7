"""What all rollouts of a process share in a place: how fast it launches, and room for a surge.

A place is where a backend's limits hold: what a fleet's address says but for the fleet's name, such
as a region of an account. It is shared by all who drive rollouts there on one event loop, whether
for a script, a fleet's handle or a controller.
"""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

from attrs import define, evolve, field

from immutable.journal import Lease
from immutable.model import FleetURL, Rate
from immutable.planning.sharing import Launches
from immutable.planning.surging import Surge

__all__ = ["Place", "Places", "driven_by", "places"]


def driven_by(lease: Lease) -> str:
    """Return by what a rollout is known while this lease lasts; its successor is another one."""
    return f"{lease.rollout} {lease.fence}"


@define(eq=False)
class Place:
    """What rollouts share in one place.

    Attributes:
        name: Its address.
        launches: How fast they launch together; None if the place bears whatever they ask for.
        told: Whether somebody said how fast, whatever the backend declares.
        surge: How many servers above what their fleets want they may have together; None for as
            many as their limits allow.
        bells: Those to ring when there may be more to have, by who waits.
    """

    name: str = ""
    launches: Launches | None = None
    told: bool = False
    surge: Surge | None = None
    bells: dict[str, asyncio.Event] = field(factory=dict)

    def limit(self, launches: Rate | None) -> None:
        """Let rollouts launch so fast from now on."""
        now = asyncio.get_running_loop().time()
        if launches is None:
            self.launches = None
        elif self.launches is None:
            self.launches = Launches(launches, now)
        elif self.launches.rate != launches:
            self.launches.change(launches, now)

    def declare(self, launches: Rate | None) -> None:
        """Take in what a backend declares; it holds until somebody says otherwise."""
        if not self.told:
            self.limit(launches)

    def tell(self, launches: Rate | None, surge: int | None) -> None:
        """Take in what somebody says, where it is not None."""
        if launches is not None:
            self.told = True
            self.limit(launches)
        if surge is not None:
            self.surge = self.surge or Surge(surge)
            self.surge.cap = surge

    def forget(self, name: str) -> None:
        """Count one no more that isn't driven any more."""
        self.bells.pop(name, None)
        if self.launches is not None:
            self.launches.leave(name)
        if self.surge is not None and self.surge.leave(name):
            self.ring()

    def ring(self) -> None:
        """Let those look again who wait for room that others have given back."""
        for name in self.surge.next() if self.surge else ():
            if name in self.bells:
                self.bells[name].set()


class Places:
    """The places in which a process drives rollouts, each made when it is first asked for."""

    def __init__(self) -> None:
        self._known: dict[str, Place] = {}

    def of(self, address: str) -> Place:
        """Return what rollouts share where a fleet is.

        Args:
            address: The fleet's address as it stands in records.
        """
        url = FleetURL.parse(address)
        name = evolve(url, name="*").identity(*url.options)
        return self._known.setdefault(name, Place(name))


_OF_LOOPS: WeakKeyDictionary[asyncio.AbstractEventLoop, Places] = WeakKeyDictionary()


def places() -> Places:
    """Return those of the running event loop, since each loop has a time of its own."""
    return _OF_LOOPS.setdefault(asyncio.get_running_loop(), Places())
