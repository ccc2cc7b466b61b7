"""What all rollouts of a process share in a place: how fast it launches.

A place is where a backend's limits hold: what a fleet's address says but for the fleet's name, such
as a region of an account. It is shared by all who drive rollouts there on one event loop, whether
for a script, a fleet's handle or a controller.
"""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

from attrs import define, evolve

from immutable.backend import Backend
from immutable.model import FleetURL, Rate
from immutable.planning.sharing import Launches

__all__ = ["Place", "Places", "places"]


@define(eq=False)
class Place:
    """What rollouts share in one place.

    Attributes:
        launches: How fast they launch together; None if the place bears whatever they ask for.
        told: Whether somebody said how fast, whatever the backend declares.
    """

    launches: Launches | None = None
    told: bool = False

    def limit(self, launches: Rate | None) -> None:
        """Let rollouts launch so fast from now on."""
        now = asyncio.get_running_loop().time()
        if launches is None:
            self.launches = None
        elif self.launches is None:
            self.launches = Launches(launches, now)
        elif self.launches.rate != launches:
            self.launches.change(launches, now)


class Places:
    """The places in which a process drives rollouts, each made when it is first asked for."""

    def __init__(self) -> None:
        self._known: dict[str, Place] = {}

    def of(self, url: FleetURL, backend: Backend, launches: Rate | None = None) -> Place:
        """Return what rollouts share where a fleet is.

        Args:
            url: The fleet's address.
            backend: Where it lives.
            launches: How fast all may launch there; None for what the backend declares, unless
                somebody has said it before.
        """
        name = evolve(url, name="*").identity(*backend.identifying)
        place = self._known.setdefault(name, Place())
        if launches is not None or not place.told:
            place.told = launches is not None
            place.limit(launches or backend.capabilities.launches)
        return place


_OF_LOOPS: WeakKeyDictionary[asyncio.AbstractEventLoop, Places] = WeakKeyDictionary()


def places() -> Places:
    """Return those of the running event loop, since each loop has a time of its own."""
    return _OF_LOOPS.setdefault(asyncio.get_running_loop(), Places())
